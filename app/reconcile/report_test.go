package reconcile_test

import (
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"

	"bursar/app/mail"
	"bursar/app/reconcile"
)

var update = flag.Bool("update", false, "write the golden files in testdata")

func parseTemplates(t testing.TB) *mail.Templates {
	t.Helper()
	templates, err := mail.ParseTemplates(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	return templates
}

var berlin = time.FixedZone("CET", 3600)

// quiet is a day on which everything agreed.
func quiet() reconcile.Report {
	return reconcile.Report{Day: "2026-03-04", Timezone: "Europe/Berlin", AdminURL: "https://bursar.example.com/admin", StripeCompared: true,
		Customers: 24, Subscriptions: 23, Contacts: 24, Tickets: 5, Since: time.Date(2026, 3, 3, 7, 0, 0, 0, berlin), Began: time.Date(2026, 3, 4, 7, 0, 0, 0, berlin),
		Figures:         reconcile.Figures{EventsStored: 41, Paid: sum(3, 5700, "usd"), Activations: 2, PaidToActiveP50: 1200 * time.Millisecond, PaidToActiveP95: 1900 * time.Millisecond, Contacts: 3},
		DaysWithoutMiss: 4, EverActivated: true, MinutesPerAction: 2, StripeReads: 1204, Backup: time.Date(2026, 3, 4, 3, 0, 0, 0, berlin),
		Audit: "1,204 entries, verified, last hash 9f2c41d0a7b35e68…"}
}

func sum(n int, amount int64, currency string) reconcile.Sum {
	return reconcile.Sum{N: n, Amounts: []reconcile.Money{{Amount: amount, Currency: currency}}}
}

// busy is a day with some of everything.
func busy() reconcile.Report {
	r := quiet()
	r.Customers, r.Subscriptions, r.Contacts, r.Tickets = 1234, 1180, 1233, 61
	r.NeedsYou = []reconcile.Finding{
		{What: "Two customers have the same e-mail", Who: "grace@example.com", Detail: "customers 7 and 31",
			Cause: "Both bought with the same address, 12 minutes apart", Does: reconcile.KindOf("duplicate_customers").Does,
			DecideURL: "https://bursar.example.com/admin/findings/9", CustomerID: 31, Since: time.Date(2026, 3, 1, 7, 0, 4, 0, berlin), Seen: 4},
		{What: "Stripe says the subscription is over, and there is access here", Who: "Alan Turing", Detail: "expected canceled, found active",
			Cause: "Stripe canceled it on 3 Mar 22:14, and no event of that came", Does: reconcile.KindOf("access_would_end").Does, High: true, Proposal: true,
			DecideURL: "https://bursar.example.com/admin/decide?token=EXAMPLETOKEN", CustomerID: 12, Since: time.Date(2026, 3, 4, 7, 0, 4, 0, berlin), Seen: 1},
	}
	r.Fixed = []reconcile.Finding{
		{What: "Contact missing in the CRM", Who: "Ada Lovelace", Detail: "expected a contact, found none", Cause: "Somebody deleted it in HubSpot on 3 Mar 16:40", CustomerID: 3, Since: time.Date(2026, 3, 4, 7, 0, 4, 0, berlin), Seen: 1},
		{What: "Plan differs", Who: "Katherine Johnson", Detail: "CRM said Starter, Stripe says Team", CustomerID: 19},
	}
	r.DeadJobs = []reconcile.DeadJob{{ID: 4711, Kind: "push_contact", Key: "customer 12", Error: `HubSpot answered 400: property "plan_tier" does not exist`}}
	r.FailedPayments = []reconcile.Payment{
		{Who: "Barbara Liskov", Amount: "49.00 USD", Detail: "card declined, Stripe tries again on 7 March", CustomerID: 8},
		{Who: "東京商事株式会社", Amount: "1,500 JPY", Detail: "insufficient funds, third attempt", CustomerID: 40},
	}
	r.Recovered = []reconcile.Payment{{Who: "Edsger Dijkstra", Amount: "499.00 EUR", Detail: "paid after 2 attempts", CustomerID: 5}}
	r.Refunded = []reconcile.Payment{{Who: "Donald Knuth", Amount: "2.56 USD", Detail: "requested by the customer", CustomerID: 6}}
	r.Disputed = []reconcile.Payment{{Who: "mallory@example.com", Amount: "1,190.00 USD", Detail: "fraudulent; evidence is due by 18 March", CustomerID: 77}}
	r.Unpaid = reconcile.Sum{N: 2, Amounts: []reconcile.Money{{Amount: 1500, Currency: "jpy"}, {Amount: 4900, Currency: "usd"}}}
	r.OpenDisputes = sum(1, 119000, "usd")
	r.Figures = reconcile.Figures{New: sum(9, 44100, "usd"), Left: sum(2, 9800, "usd"), Paid: sum(120, 588000, "usd"), Failed: r.Unpaid,
		Recovered: sum(1, 49900, "eur"), Refunded: sum(1, 256, "usd"), Disputed: r.OpenDisputes,
		Activations: 17, Missed: 1, PaidToActiveP50: 1800 * time.Millisecond, PaidToActiveP95: 74 * time.Second,
		EventsStored: 1310, EventsLate: 12, EventsSwept: 3, EventsIgnored: 24,
		Contacts: 31, Notes: 6, TicketsOpened: 3, TicketsClosed: 2, Healed: 2, ByHand: 4}
	r.Waiting, r.StripeReads, r.DaysWithoutMiss, r.Backup = 2, 41877, 0, time.Date(2026, 2, 27, 3, 0, 0, 0, berlin)
	return r
}

func TestReportGolden(t *testing.T) {
	t.Parallel()
	healed := quiet()
	healed.Fixed, healed.Figures.Healed = busy().Fixed, 2
	needsYou := quiet()
	needsYou.NeedsYou = busy().NeedsYou
	incomplete := busy()
	incomplete.Incomplete, incomplete.Unread = "Stripe answered 503 on page 7 of the subscriptions.", []string{"Stripe"}
	incomplete.NeedsYou, incomplete.DeadJobs, incomplete.FailedPayments, incomplete.Unpaid = nil, nil, nil, reconcile.Sum{}
	noKey := quiet()
	noKey.StripeCompared = false
	late := quiet()
	late.Late, late.Fixed = true, busy().Fixed
	first := reconcile.Report{Day: "2026-03-04", Timezone: "Europe/Berlin", AdminURL: quiet().AdminURL, StripeCompared: true, Empty: true,
		Since: quiet().Since, Began: quiet().Began, MinutesPerAction: 2}
	monday := quiet()
	monday.Day, monday.DaysWithoutMiss, monday.Spreadsheet = "2026-03-09", 7, true
	monday.Since, monday.Began = time.Date(2026, 3, 8, 7, 0, 0, 0, berlin), time.Date(2026, 3, 9, 7, 0, 0, 0, berlin)
	monday.Week = &reconcile.Week{From: time.Date(2026, 3, 2, 0, 0, 0, 0, berlin), Until: time.Date(2026, 3, 9, 0, 0, 0, 0, berlin), This: busy().Figures, Before: quiet().Figures}
	hostile := busy()
	fill(reflect.ValueOf(&hostile).Elem(), "Eve <script>alert(1)</script> {{.}} \u202egpj\r\n\r\nFixed (99)\n\x1b[31m"+strings.Repeat("long ", 2000))
	hostile.Day, hostile.Timezone, hostile.AdminURL = quiet().Day, quiet().Timezone, quiet().AdminURL // our own settings
	for _, list := range [][]reconcile.Finding{hostile.NeedsYou, hostile.Fixed} {
		for i := range list {
			list[i].DecideURL = quiet().AdminURL + "/findings/1" // ours as well
		}
	}
	hostile.NeedsYou[0].Who = strings.Repeat("x", 10000)

	templates := parseTemplates(t)
	for _, row := range []struct {
		name   string
		report reconcile.Report
	}{
		{"all-well", quiet()}, {"drift-healed", healed}, {"needs-you", needsYou}, {"everything", busy()}, {"incomplete", incomplete},
		{"monday", monday}, {"first-day", first}, {"no-api-key", noKey}, {"late", late}, {"hostile-names", hostile},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			subject, text, html, err := templates.Render("report", row.report)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, row.name+".txt", "Subject: "+subject+"\n\n"+text)
			golden(t, row.name+".html", html)
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the mail is not %s any more; look at the difference after go test ./app/reconcile -run Golden -update", path)
	}
}

// fill puts s into every string of a report, and into those of its lists.
func fill(v reflect.Value, s string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(s)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i), s)
		}
	case reflect.Slice:
		for i := range v.Len() {
			fill(v.Index(i), s)
		}
	}
}

func TestNoTextOfOthersGetsOutOfItsPlace(t *testing.T) {
	t.Parallel()
	r := busy()
	fill(reflect.ValueOf(&r).Elem(), "EVIL<img src=x onerror=y>\"'\r\nEVIL\u2028EVIL\u202e\x1b[2JEVIL "+strings.Repeat("EVIL", 5000))
	r.Day, r.Timezone, r.AdminURL, r.Note = quiet().Day, quiet().Timezone, quiet().AdminURL, quiet().Note
	r.Incomplete, r.Unread = "EVIL\r\nEVIL\u2028EVIL", nil // short: a line that wraps may begin with any word of it
	subject, text, html, err := parseTemplates(t).Render("report", r)
	if err != nil {
		t.Fatal(err)
	}
	for name, part := range map[string]string{"subject": subject, "text": text, "HTML": html} {
		for _, c := range part {
			if unicode.IsControl(c) && c != '\n' || unicode.Is(unicode.Cf, c) || c == '\u2028' {
				t.Errorf("the %s has the character %U", name, c)
			}
		}
	}
	for line := range strings.SplitSeq(text, "\n") {
		if strings.HasPrefix(line, "EVIL") {
			t.Errorf("a name begins a line of the text: %.60q", line)
		}
	}
	if strings.Contains(html, "<img") || strings.Contains(html, `"'`) {
		t.Error("a name is markup in the HTML")
	}
}

func TestAMailOfTheWorstDayIsNotCutByGmail(t *testing.T) {
	t.Parallel()
	r := busy()
	for range 9 { // doubles each time
		r.NeedsYou, r.Fixed, r.DeadJobs = append(r.NeedsYou, r.NeedsYou...), append(r.Fixed, r.Fixed...), append(r.DeadJobs, r.DeadJobs...)
		r.FailedPayments, r.Recovered = append(r.FailedPayments, r.FailedPayments...), append(r.Recovered, r.Recovered...)
		r.Refunded, r.Disputed = append(r.Refunded, r.Refunded...), append(r.Disputed, r.Disputed...)
	}
	fill(reflect.ValueOf(&r).Elem(), strings.Repeat("word ", 2000))
	r.AdminURL, r.Timezone = quiet().AdminURL, quiet().Timezone
	_, text, html, err := parseTemplates(t).Render("report", r)
	if err != nil {
		t.Fatal(err)
	}
	// https://developers.google.com/gmail/design: a message is clipped at 102 kB.
	if len(html) > 100_000 || len(text) > 100_000 {
		t.Errorf("the HTML is %d bytes, the text %d", len(html), len(text))
	}
	if !strings.Contains(html, "and 1,015 more") || !strings.Contains(text, "… and 1,015 more: https://bursar.example.com/admin") {
		t.Error("the mail does not say how much it leaves out")
	}
}

func TestVerdict(t *testing.T) {
	t.Parallel()
	findings := func(n int) []reconcile.Finding { return make([]reconcile.Finding, n) }
	jobs := func(n int) []reconcile.DeadJob { return make([]reconcile.DeadJob, n) }
	for _, row := range []struct {
		name   string
		report reconcile.Report
		want   string
		tone   string
	}{
		{"all well", reconcile.Report{StripeCompared: true, Customers: 24}, "All 24 customers agree everywhere.", "good"},
		{"many", reconcile.Report{StripeCompared: true, Customers: 1234567}, "All 1,234,567 customers agree everywhere.", "good"},
		{"one customer", reconcile.Report{StripeCompared: true, Customers: 1}, "The one customer agrees everywhere.", "good"},
		{"nobody yet", reconcile.Report{StripeCompared: true}, "There are no customers yet.", "good"},
		{"fixed only", reconcile.Report{StripeCompared: true, Customers: 24, Fixed: findings(2)}, "24 customers checked: 2 fixed, nothing needs you.", "good"},
		{"fixed and open", reconcile.Report{StripeCompared: true, Customers: 24, Fixed: findings(2), NeedsYou: findings(1)},
			"24 customers checked: 2 fixed, 1 thing needs you.", "attention"},
		{"open only", reconcile.Report{StripeCompared: true, Customers: 1, NeedsYou: findings(3)}, "1 customer checked: 3 things need you.", "attention"},
		{"a job gave up", reconcile.Report{StripeCompared: true, Customers: 24, DeadJobs: jobs(1)}, "24 customers checked: 1 job gave up.", "attention"},
		{"some of all", reconcile.Report{StripeCompared: true, Customers: 24, Fixed: findings(1000), NeedsYou: findings(2), DeadJobs: jobs(3)},
			"24 customers checked: 1,000 fixed, 2 things need you, 3 jobs gave up.", "attention"},
		{"no key, all well", reconcile.Report{Customers: 24}, "All 24 customers agree here; Stripe itself was not compared (no STRIPE_API_KEY).", "good"},
		{"no key, one open", reconcile.Report{Customers: 24, NeedsYou: findings(1)},
			"24 customers checked: 1 thing needs you; Stripe itself was not compared (no STRIPE_API_KEY).", "attention"},
		{"incomplete", reconcile.Report{StripeCompared: true, Customers: 24, Incomplete: "Stripe did not answer."},
			"Not everything could be read: Stripe did not answer; nothing is called missing.", "incomplete"},
		{"incomplete, with findings", reconcile.Report{Incomplete: "HubSpot\nis away", Unread: []string{"the CRM"}, Fixed: findings(1), NeedsYou: findings(2)},
			"The CRM could not be read whole: HubSpot is away; nothing is called missing, 1 fixed, 2 things need you.", "incomplete"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if got := row.report.Verdict(); got != row.want {
				t.Errorf("the verdict is %q, want %q", got, row.want)
			}
			if got := row.report.Tone(); got != row.tone {
				t.Errorf("the tone is %s, want %s", got, row.tone)
			}
		})
	}
}
