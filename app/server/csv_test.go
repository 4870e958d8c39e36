package server

import (
	"encoding/csv"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"bursar/app/auth"
	"bursar/app/db"
	"bursar/app/demo"
)

// readSheet gives the lines of a CSV file, the header first.
func readSheet(t *testing.T, body string) [][]string {
	t.Helper()
	text, ok := strings.CutPrefix(body, "\ufeff")
	if !ok {
		t.Fatalf("it does not say that it is UTF-8: %q", body)
	}
	r := csv.NewReader(strings.NewReader(text))
	r.FieldsPerRecord = -1
	lines, err := r.ReadAll()
	check(t, err)
	return lines
}

func TestRequirement63ACellIsNeverAFormula(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, cell, want string }{
		{"a name", "Ada Lovelace", "Ada Lovelace"},
		{"nothing", "", ""},
		{"an address", "ada+shop@example.com", "ada+shop@example.com"},
		{"a date", "2026-03-04 07:00:00", "2026-03-04 07:00:00"},
		{"a formula", `=HYPERLINK("https://evil.example","x")`, `'=HYPERLINK("https://evil.example","x")`},
		{"a plus", "+1+cmd|' /C calc'!A0", "'+1+cmd|' /C calc'!A0"},
		{"a minus", "-1+1", "'-1+1"},
		{"an at sign", "@SUM(1+1)", "'@SUM(1+1)"},
		{"a tab", "\t=1+1", "'\t'=1+1"},
		{"a carriage return", "\r=1+1", "'\r'=1+1"},
		{"a full-width sign", "＝1+1", "'＝1+1"},
		{"a second line", "Ada\n=1+1", "Ada\n'=1+1"},
		{"behind a semicolon, which separates cells in much of Europe", "Ada;=1+1", "Ada;'=1+1"},
		{"a quote already", "'=1", "'=1"},
	} {
		if got := safeCell(row.cell); got != row.want && !(strings.HasPrefix(got, "'") && row.cell[0] < ' ') {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
	}
}

func TestRequirement64CustomersAsAFile(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	s := a.stripe()
	a.buy(s, demo.BuyOptions{Name: "=cmd|'/C calc'!A0", Email: "eve@example.com"})
	for i := range 2*listSize + 1 {
		a.execNow(fmt.Sprintf("INSERT INTO customers (name, email, access, plan, created_at, updated_at) VALUES ('Zoë \"%d\", Ltd', 'c%d@example.com', '%s', 'Team', @now, @now)", i, i, []string{"full", "none"}[i%2]))
	}
	for _, row := range []struct {
		name, query string
		rows        int
		first, last string // name of the first row, text of the last line
	}{
		{"all", "", 2*listSize + 2, `Zoë "100", Ltd`, "'=cmd|'/C calc'!A0"},
		{"a page further on", "before=5", 2*listSize + 2, `Zoë "100", Ltd`, ""},
		{"those with access none", "access=none", listSize, `Zoë "99", Ltd`, ""},
		{"a text", "q=Ltd", 2*listSize + 1, `Zoë "100", Ltd`, ""},
		{"a text and a filter", "q=Ltd&access=full", listSize + 1, `Zoë "100", Ltd`, "Perhaps not all"},
		{"two letters", "q=c1", 12, `Zoë "100", Ltd`, "Only the first 50"},
		{"nobody", "q=nobody-at-all", 0, "", ""},
	} {
		res, body := a.do(a.browsers[auth.Owner], request(t, "GET", a.url+"/admin/customers.csv?"+row.query, ""))
		lines := readSheet(t, body)
		n := len(lines) - 1
		if strings.HasPrefix(row.last, "P") || strings.HasPrefix(row.last, "O") {
			n--
		}
		if n != row.rows {
			t.Errorf("%s: %d rows, want %d", row.name, n, row.rows)
			continue
		}
		if row.first != "" && lines[1][1] != row.first || !strings.Contains(strings.Join(lines[len(lines)-1], " "), row.last) {
			t.Errorf("%s: from %q to %q", row.name, lines[1], lines[len(lines)-1])
		}
		if res.Header.Get("Content-Type") != "text/csv; charset=utf-8" || !strings.HasPrefix(res.Header.Get("Content-Disposition"), `attachment; filename="bursar-customers-20`) {
			t.Errorf("%s: %v", row.name, res.Header)
		}
	}
	if got := a.audits(2); got[0] != "owner@example.com customers.export customers done" || got[1] != "owner@example.com customers.export customers asked" {
		t.Errorf("the audit has %q", got)
	}
	rows, err := a.DB.Read().ListAudit(t.Context(), db.ListAuditParams{BeforeID: 1 << 62, Count: 1})
	check(t, err)
	if rows[0].Detail != "0 rows filtered by q" {
		t.Errorf("the audit says %q", rows[0].Detail)
	}
	_, ada := a.open(auth.Owner, "/admin/customers?access=full&before=7")
	if !strings.Contains(ada, `href="/admin/customers.csv?access=full"`) {
		t.Errorf("the page does not lead to the file: %s", ada)
	}
	for _, role := range []auth.Role{auth.Support, auth.Finance} {
		if status, body := a.get(role, "/admin/customers.csv"); status != http.StatusForbidden || strings.Contains(body, "eve@") {
			t.Errorf("%s: %d %s", role, status, body)
		}
	}
}

func TestRequirement64AFileSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	rows := func(n int, at int, do func() error) func(func([]string, error) bool) {
		return func(yield func([]string, error) bool) {
			for i := range n {
				var err error
				if i == at {
					err = do()
				}
				if !yield([]string{fmt.Sprint(i)}, err) {
					return
				}
			}
		}
	}
	broken := errors.New("the disk is gone")
	for _, row := range []struct {
		name  string
		rows  int
		at    int
		do    func(a *adminTest) error
		lines int
		last  string
		err   error
	}{
		{"just as much as fits", sheetLimit, -1, nil, sheetLimit + 1, fmt.Sprint(sheetLimit - 1), nil},
		{"one more", sheetLimit + 1, -1, nil, sheetLimit + 2, "CUT after 100000 rows: there are more. Narrow the list with its filters.", nil},
		{"an error half way", 10, 7, func(*adminTest) error { return broken }, 9, "STOPPED after 7 rows: the rest is missing.", broken},
		{"requirement 30: signed out half way", 5000, 1500, func(a *adminTest) error {
			a.post(auth.Owner, "/admin/sign-out", nil)
			return nil
		}, 2002, "STOPPED after 2000 rows: the rest is missing.", auth.ErrNoSession},
		{"another role half way", 5000, 1500, func(a *adminTest) error {
			a.exec("UPDATE users SET role = 'support' WHERE email = 'owner@example.com'")
			return nil
		}, 2002, "STOPPED after 2000 rows: the rest is missing.", auth.ErrNoSession},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			a := newAdmin(t)
			r := httptest.NewRequestWithContext(t.Context(), "GET", "/admin/customers.csv", nil)
			home, err := url.Parse(a.url)
			check(t, err)
			for _, c := range a.browsers[auth.Owner].Jar.Cookies(home) {
				r.AddCookie(c)
			}
			w := httptest.NewRecorder()
			err = a.writeSheet(w, r, sheet{Name: "numbers", Header: []string{"Number"}, Rows: rows(row.rows, row.at, func() error { return row.do(a) })})
			lines := readSheet(t, w.Body.String())
			if last := lines[len(lines)-1][0]; len(lines) != row.lines || last != row.last || !errors.Is(err, row.err) {
				t.Errorf("%d lines, the last is %q, %v", len(lines), last, err)
			}
			want := auth.Done
			if row.err != nil {
				want = auth.Failed
			}
			if got := a.audits(1)[0]; !strings.HasSuffix(got, "numbers.export numbers "+want) {
				t.Errorf("the audit has %q", got)
			}
		})
	}
}
