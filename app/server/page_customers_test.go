package server

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bursar/app/auth"
	"bursar/app/demo"
)

var customerLinks = regexp.MustCompile(`<a href="/admin/customers/(\d+)">`)

// listed are the numbers of the customers on a page.
func listed(body string) (numbers []string) {
	for _, m := range customerLinks.FindAllStringSubmatch(body, -1) {
		numbers = append(numbers, m[1])
	}
	return numbers
}

func TestTheCustomersPageWithoutCustomers(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	text, _ := a.open(auth.Support, "/admin/customers")
	shows(t, "the page", text, "No customers yet")
	text, _ = a.open(auth.Support, "/admin/customers?q=ada")
	shows(t, "a search", text, "Nobody found")
}

func TestCustomersAreFound(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	s := a.stripe()
	ada, adaNumber := a.buy(s, demo.BuyOptions{Email: "Ada@example.com", Name: "Ada Lovelace", Price: "team", UserID: "user-7"})
	_, _ = a.buy(s, demo.BuyOptions{Email: "grace@example.org", Name: `Grace "Amazing" Hopper`, Price: "starter"})
	_, err := s.FailPayment(ada.Subscription)
	check(t, err)
	a.settle(s)
	a.execNow(`INSERT INTO customers (id, name, email, created_at, updated_at) VALUES (30, 'Ünal Öz', '', @now, @now), (31, '100% OR* NEAR(', 'x_y@example.net', @now, @now)`)
	if adaNumber != 1 {
		t.Fatalf("Ada is customer %d", adaNumber)
	}
	for _, row := range []struct {
		name, query string
		want        []string
	}{
		{"everybody, newest first", "", []string{"31", "30", "2", "1"}},
		{"a part of a name", "q=lovel", []string{"1"}},
		{"in other letters", "q=LOVEL", []string{"1"}},
		{"across a space", "q=a+lov", []string{"1"}},
		{"a part of an e-mail", "q=example.", []string{"31", "2", "1"}},
		{"letters that are not ASCII", "q=nal+ö", []string{"30"}},
		{"the beginning of an e-mail", "q=aD", []string{"1"}},
		{"one letter", "q=g", []string{"2"}},
		{"two letters of a name only", "q=ho", nil},
		{"a Stripe customer", "q=" + ada.Customer, []string{"1"}},
		{"a subscription", "q=" + ada.Subscription, []string{"1"}},
		{"an invoice", "q=" + ada.Invoice, []string{"1"}},
		{"a checkout", "q=" + ada.Checkout, []string{"1"}},
		{"a charge", "q=" + ada.Charge, []string{"1"}},
		{"a user of the product", "q=user-7", []string{"1"}},
		{"a part of an id", "q=" + ada.Customer[:10], nil},
		{"a number", "q=30", []string{"30"}},
		{"a number with its sign", "q=%2330", []string{"30"}},
		{"blanks around", "q=++lovelace++", []string{"1"}},
		{"quotes", "q=" + url.QueryEscape(`"Amazing"`), []string{"2"}},
		{"one quote", "q=" + url.QueryEscape(`e "A`), []string{"2"}},
		{"words of the search's own language", "q=" + url.QueryEscape(`OR* NEAR(`), []string{"31"}},
		{"a column of it", "q=" + url.QueryEscape(`name:ada`), nil},
		{"a percent sign", "q=" + url.QueryEscape(`100%`), []string{"31"}},
		{"an underscore stands for itself", "q=x_y", []string{"31"}},
		{"an underscore of another", "q=x_z", nil},
		{"zero bytes and what is no text", "q=lov%00el%ff", nil},
		{"nothing but blanks", "q=+++", []string{"31", "30", "2", "1"}},
		{"access", "access=grace", []string{"1"}},
		{"plan", "plan=starter", []string{"2"}},
		{"access and plan", "access=full&plan=starter", []string{"2"}},
		{"access and another plan", "access=full&plan=team", nil},
		{"a search and a filter", "q=example&access=full", []string{"2"}},
		{"an id and a filter", "q=user-7&access=full", nil},
		{"two letters and a filter", "q=ad&access=full", nil},
		{"a level there is not", "access=all", nil},
		{"below a number", "before=30", []string{"2", "1"}},
		{"below no number", "before=x", []string{"31", "30", "2", "1"}},
	} {
		text, body := a.open(auth.Support, "/admin/customers?"+row.query)
		if got := listed(body); !slices.Equal(got, row.want) {
			t.Errorf("%s: found are %v, want %v\n%s", row.name, got, row.want, text)
		}
	}
}

func TestPagingThroughCustomersShowsEachOnce(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	a.execNow(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 120)
		INSERT INTO customers (name, email, plan, access, created_at, updated_at) SELECT 'Ada ' || i, 'ada' || i || '@example.com', 'Team', 'full', @now, @now FROM n`)
	older := regexp.MustCompile(`href="([^"]*)">Older`)
	for _, query := range []string{"", "?q=ada", "?access=full", "?plan=Team", "?access=full&plan=Team&q=example.com"} {
		seen := map[string]bool{}
		pages := 0
		for path := "/admin/customers" + query; path != ""; pages++ {
			_, body := a.open(auth.Support, path)
			for _, n := range listed(body) {
				if seen[n] {
					t.Errorf("%s shows customer %s twice", query, n)
				}
				seen[n] = true
			}
			path = ""
			if m := older.FindStringSubmatch(body); m != nil {
				path = strings.ReplaceAll(m[1], "&amp;", "&")
			}
		}
		if len(seen) != 120 || pages != 3 {
			t.Errorf("%q has %d customers on %d pages", query, len(seen), pages)
		}
	}
	text, body := a.open(auth.Support, "/admin/customers")
	shows(t, "the list", text, "120 customers")
	if len(body) > 60_000 {
		t.Errorf("fifty customers are %d bytes", len(body))
	}
	if text, body := a.open(auth.Support, "/admin/customers?q=ad"); len(listed(body)) != 50 || strings.Contains(text, "Older") {
		t.Errorf("two letters find %d of the first 50: %s", len(listed(body)), text)
	}
}

func TestAHostileNameIsTextInTheList(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	a.execNow(`INSERT INTO customers (name, email, plan, created_at, updated_at) VALUES ('` + hostile + strings.Repeat("x", 10_000) + `', '` + hostile + `', '` + hostile + `', @now, @now)`)
	_, body := a.open(auth.Support, "/admin/customers?q="+url.QueryEscape(`<script>alert(2)</script>`)+"&plan="+url.QueryEscape(hostile))
	shows(t, "a search", body, "!<script>alert")
	text, body := a.open(auth.Support, "/admin/customers")
	shows(t, "the list", body, "!<script>alert")
	shows(t, "the list", text, "<script>alert(1)</script>{{.}}", "!\u202e")
	if len(body) > 20_000 {
		t.Errorf("a long name makes the page %d bytes", len(body))
	}
}
