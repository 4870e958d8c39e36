package billing_test

import (
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"bursar/app/billing"
	"bursar/app/crm"
	"bursar/app/customer"
	"bursar/app/db"
	"bursar/app/db/dbtest"
	"bursar/app/demo"
	"bursar/app/queue"
	"bursar/app/stripe"
	"bursar/app/support"
)

// file is one Bursar: its file, its billing and its worker, with the built-in CRM and desk.
type file struct {
	*billing.Billing
	tb     testing.TB
	worker *queue.Worker
}

// newFile opens a new file. A client of nil means that the events are all there is.
func newFile(tb testing.TB, client *stripe.Client, plans map[string]string) *file {
	tb.Helper()
	d := dbtest.New(tb)
	f := &file{&billing.Billing{DB: d, Stripe: client, Plans: plans}, tb, queue.NewWorker(d, slog.New(slog.DiscardHandler))}
	f.Handle(f.worker)
	crm.Handle(f.worker, d, crm.Builtin{DB: d})
	support.Handle(f.worker, support.Builtin{DB: d})
	return f
}

const apiKey = "sk_test_bursar"

// newStripe opens an account at Stripe whose clock began a while ago.
func newStripe(seed uint64, ago time.Duration) *demo.Stripe {
	return demo.NewStripe(seed, time.Now().Add(-ago))
}

// apiOf serves an account's API and gives a client of it.
func apiOf(tb testing.TB, s *demo.Stripe) *stripe.Client {
	tb.Helper()
	server := httptest.NewServer(s)
	tb.Cleanup(server.Close)
	return stripe.New(apiKey, server.URL)
}

// plansOf names the prices as the account's products are named.
func plansOf(s *demo.Stripe) map[string]string {
	return map[string]string{s.Price("starter"): "Starter", s.Price("team"): "Team", s.Price("scale"): "Scale",
		s.Price("team_eur"): "Team", s.Price("starter_jpy"): "Starter"}
}

// receive takes webhook bodies in, in this order.
func (f *file) receive(bodies ...[]byte) {
	f.tb.Helper()
	for _, body := range bodies {
		e, err := stripe.DecodeEvent(body)
		if err == nil {
			_, err = f.Receive(f.tb.Context(), e, billing.Webhook)
		}
		if err != nil {
			f.tb.Errorf("receive %.100s: %v", body, err)
		}
	}
}

func (f *file) workOff() {
	f.tb.Helper()
	if err := f.worker.WorkOff(f.tb.Context()); err != nil {
		f.tb.Fatal(err)
	}
}

// take receives bodies and does what follows.
func (f *file) take(bodies ...[]byte) {
	f.tb.Helper()
	f.receive(bodies...)
	f.workOff()
}

// books are all rows about one customer, without the times at which this file wrote them and how well
// founded they are: what must not depend on how and in which order the news came.
type books struct {
	Facts   customer.Facts
	Contact crm.Contact
	Tickets []string // "cause status queue"
	Tasks   []string // "cause open" or "cause done"
	Notes   []string // "cause: text"
}

// books reads all customers.
func (f *file) books() (all []books) {
	f.tb.Helper()
	for _, row := range f.customers() {
		b := books{Facts: f.facts(row.ID)}
		normalize(&b.Facts)
		b.Contact = f.contact(row.ID)
		b.Tickets, b.Tasks, b.Notes = f.tickets(row.ID), f.tasks(row.ID), f.notes(row.ID)
		all = append(all, b)
	}
	return all
}

func normalize(f *customer.Facts) {
	r := &f.Record
	r.Source, r.AsOfAt, r.CreatedAt, r.UpdatedAt, r.SyncedAt = "", db.Time{}, db.Time{}, db.Time{}, db.Time{}
	f.Links = slices.DeleteFunc(f.Links, func(l db.Link) bool { return l.System == "crm" })
	for i := range f.Links {
		f.Links[i].CreatedAt = db.Time{}
	}
	for i := range f.Stripe {
		c := &f.Stripe[i]
		c.Source, c.AsOfAt, c.ConfirmedAt, c.WholeAt, c.ReadSeq = "", db.Time{}, db.Time{}, db.Time{}, 0
	}
	for i := range f.Checkouts {
		c := &f.Checkouts[i]
		c.ActivatedAt, c.PaymentFailed = db.Time{}, false // only an event tells that a bank debit failed
	}
	for i := range f.Charges {
		f.Charges[i].AmountRefunded = 0 // no event tells that it shrank; the refunds do
	}
	f.Recent, f.Failing = nil, nil
}

func (f *file) customers() []db.Customer {
	f.tb.Helper()
	rows, err := f.DB.Read().CustomerPage(f.tb.Context(), 0, 1000)
	f.check(err)
	return rows
}

// customer is the record of the only customer there is.
func (f *file) customer() db.Customer {
	f.tb.Helper()
	rows := f.customers()
	if len(rows) != 1 {
		f.tb.Fatalf("%d customers, want 1", len(rows))
	}
	return rows[0]
}

func (f *file) facts(id int64) customer.Facts {
	f.tb.Helper()
	facts, err := customer.Load(f.tb.Context(), f.DB.Read(), id)
	f.check(err)
	return facts
}

// contact is the contact of a customer, and zero if there is none. More than one is an error.
func (f *file) contact(id int64) (found crm.Contact) {
	f.tb.Helper()
	n := 0
	for c, err := range (crm.Builtin{DB: f.DB}).Contacts(f.tb.Context()) {
		f.check(err)
		if c.CustomerID == id {
			found = c
			n++
		}
	}
	if n > 1 {
		f.tb.Errorf("customer %d has %d contacts", id, n)
	}
	return found
}

func (f *file) tickets(id int64) (list []string) {
	f.tb.Helper()
	rows, err := f.DB.Read().TicketsOf(f.tb.Context(), db.ID(id))
	f.check(err)
	for _, t := range rows {
		list = append(list, t.Cause+" "+t.Status+" "+t.Queue)
	}
	slices.Sort(list)
	return list
}

func (f *file) tasks(id int64) (list []string) {
	f.tb.Helper()
	rows, err := f.DB.Read().TasksOf(f.tb.Context(), id)
	f.check(err)
	for _, t := range rows {
		state := "open"
		if !t.DoneAt.IsZero() {
			state = "done"
		}
		list = append(list, t.Cause+" "+state)
	}
	slices.Sort(list)
	return list
}

func (f *file) notes(id int64) (list []string) {
	f.tb.Helper()
	rows, err := f.DB.Read().NotesOf(f.tb.Context(), id)
	f.check(err)
	for _, n := range rows {
		list = append(list, n.Cause+": "+n.Text)
	}
	slices.Sort(list)
	return list
}

// jobs are the jobs of a kind in a state ("" for any), the newest first.
func (f *file) jobs(kind, state string) []db.Job {
	f.tb.Helper()
	rows, err := f.DB.Read().ListJobs(f.tb.Context(), db.ListJobsParams{Before: 1 << 60, Kind: kind, State: state, N: 1000})
	f.check(err)
	return rows
}

func (f *file) check(err error) {
	f.tb.Helper()
	if err != nil {
		f.tb.Fatal(err)
	}
}

// text is the books for comparing, without our own numbers.
func (b books) text(tb testing.TB) string {
	tb.Helper()
	text, err := json.MarshalIndent(b, "", " ")
	if err != nil {
		tb.Fatal(err)
	}
	return ourNumbers.ReplaceAllString(string(text), "")
}

var ourNumbers = regexp.MustCompile(`"(ID|CustomerID)": \d+,\n`)

// sameBooks compares what two files hold and says where they differ.
func sameBooks(tb testing.TB, got, want []books) {
	tb.Helper()
	if len(got) != len(want) {
		tb.Errorf("%d customers, want %d", len(got), len(want))
		return
	}
	for i := range got {
		sameText(tb, got[i].text(tb), want[i].text(tb))
	}
}

func sameText(tb testing.TB, got, want string) {
	tb.Helper()
	gotLines, wantLines := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(gotLines), len(wantLines)) {
		if i >= len(gotLines) || i >= len(wantLines) || gotLines[i] != wantLines[i] {
			tb.Errorf("from line %d on it is\n%s\nwant\n%s", i, strings.Join(gotLines[min(i, len(gotLines)):min(i+3, len(gotLines))], "\n"),
				strings.Join(wantLines[min(i, len(wantLines)):min(i+3, len(wantLines))], "\n"))
			return
		}
	}
}

// told is what a story does at Stripe: it gives an error only where the story itself is wrong.
func told(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal("tell the story:", err)
	}
}
