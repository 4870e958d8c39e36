package automation_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"bursar/app/automation"
	"bursar/app/crm"
	"bursar/app/customer"
	"bursar/app/db"
	"bursar/app/queue"
)

// agreeing is a customer of whom all systems say the same.
func agreeing(now time.Time) (customer.Facts, automation.Standing) {
	paid := db.At(now.Add(-time.Hour))
	f := customer.Facts{
		Record: db.Customer{ID: 7},
		Links:  []db.Link{{System: "stripe", RemoteID: "cus_1", CustomerID: 7}},
		Stripe: []db.StripeCustomer{{ID: "cus_1", CustomerID: 7, Name: "Ada", Email: "ada@example.com", Source: "api", AsOfAt: db.At(now.Add(-time.Minute))}},
		Subscriptions: []db.Subscription{{ID: "sub_1", StripeCustomer: "cus_1", CustomerID: 7, Status: "active", Plan: "Team",
			CreatedAt: paid}},
		Invoices: []db.Invoice{{ID: "in_1", Subscription: "sub_1", Status: "paid", AmountPaid: 4900, Currency: "usd", PaidAt: paid, CreatedAt: paid}},
	}
	f.Record = f.RecordAt(now)
	return f, automation.Standing{Contact: &crm.Contact{CustomerID: 7, Name: "Ada", Email: "ada@example.com", Lifecycle: crm.Customer, Plan: "Team",
		Status: "active", Access: customer.Full, StripeIDs: "cus_1", LastPaidAt: paid.Time}}
}

// different lists the cells that differ, like "Plan CRM".
func different(rows []automation.Comparison) (list []string) {
	for _, r := range rows {
		for _, c := range []struct {
			system string
			cell   automation.Cell
		}{{"Stripe", r.Stripe}, {"Bursar", r.Bursar}, {"CRM", r.CRM}, {"Desk", r.Desk}} {
			if c.cell.Differs {
				list = append(list, r.What+" "+c.system)
			}
		}
	}
	return list
}

func TestCompare(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, row := range []struct {
		name   string
		change func(*customer.Facts, *automation.Standing)
		want   []string
	}{
		{"all agree", func(*customer.Facts, *automation.Standing) {}, nil},
		{"each field of the contact", func(_ *customer.Facts, s *automation.Standing) { s.Contact = &crm.Contact{CustomerID: 7} },
			[]string{"Status CRM", "Plan CRM", "Name CRM", "E-mail CRM", "Access CRM", "Last paid CRM", "Stripe customer CRM"}},
		{"no contact", func(_ *customer.Facts, s *automation.Standing) { s.Contact = nil }, []string{"Access CRM"}},
		{"a contact that no rule wants", func(f *customer.Facts, _ *automation.Standing) {
			f.Subscriptions, f.Invoices = nil, nil
			f.Record = f.RecordAt(now)
		}, nil},
		{"somebody without a purchase", func(f *customer.Facts, s *automation.Standing) {
			*f, *s = customer.Facts{Record: db.Customer{ID: 7, Name: "Ada", Access: customer.None}}, automation.Standing{}
		}, nil},
		{"the record does not follow", func(f *customer.Facts, _ *automation.Standing) { f.Record.Access, f.Record.Plan = customer.None, "" },
			[]string{"Plan Bursar", "Access Bursar"}},
		{"time has passed", func(f *customer.Facts, _ *automation.Standing) {
			f.Subscriptions[0].CancelAt = db.At(now.Add(-time.Minute))
		}, []string{"Access Bursar", "Access CRM"}},
		{"a name that people wrote", func(_ *customer.Facts, s *automation.Standing) {
			s.Contact.Name, s.Policies = "Countess Ada", crm.Policies{crm.FieldName: crm.Fill}
		}, nil},
		{"a ticket is missing", func(f *customer.Facts, _ *automation.Standing) {
			f.Disputes = []db.Dispute{{ID: "dp_1", Status: "needs_response"}}
		}, []string{"Open tickets Desk"}},
		{"a ticket that a person closed", func(f *customer.Facts, s *automation.Standing) {
			f.Disputes = []db.Dispute{{ID: "dp_1", Status: "needs_response"}}
			s.Tickets = []db.Ticket{{Cause: "dispute:dp_1", Status: "closed"}}
		}, nil},
		{"a ticket whose cause is gone", func(_ *customer.Facts, s *automation.Standing) {
			s.Tickets = []db.Ticket{{Cause: "dispute:dp_1", Status: "open"}}
		}, []string{"Open tickets Desk"}},
		{"a question of the customer", func(_ *customer.Facts, s *automation.Standing) {
			s.Tickets = []db.Ticket{{Cause: "api:1", Status: "open"}}
		}, nil},
		{"the last check saw another name", func(_ *customer.Facts, s *automation.Standing) {
			s.Findings = []db.Finding{{Kind: "customer_differs", LastAt: db.At(now)}}
		}, []string{"Name Stripe", "E-mail Stripe"}},
		{"Stripe was read after the check", func(_ *customer.Facts, s *automation.Standing) {
			s.Findings = []db.Finding{{Kind: "customer_differs", LastAt: db.At(now.Add(-time.Hour))}}
		}, nil},
	} {
		f, s := agreeing(now)
		row.change(&f, &s)
		rows := automation.Compare(f, s, now)
		if got := different(rows); !slices.Equal(got, row.want) {
			t.Errorf("%s: %q differ, want %q", row.name, got, row.want)
		}
		reasons := automation.Explain(rows, f, s, automation.Work{}, now)
		if (len(reasons) > 0) != (len(row.want) > 0) {
			t.Errorf("%s: %d cells differ, and the reasons are %+v", row.name, len(row.want), reasons)
		}
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	now := time.Now()
	_, right := agreeing(now)
	args, err := json.Marshal(crm.SyncContact{Contact: *right.Contact})
	if err != nil {
		t.Fatal(err)
	}
	job := func(state string) db.Job {
		return db.Job{ID: 3, Kind: "sync_contact", Key: "7", State: state, Attempt: 2, Args: string(args), Errors: `[{"error":"status 503"}]`}
	}
	for _, row := range []struct {
		name string
		work automation.Work
		want string
		job  int64
	}{
		{"no job is known", automation.Work{}, "edited by hand", 0},
		{"a job wrote what is right", automation.Work{Jobs: []db.Job{job(queue.Completed)}}, "changed in the CRM by hand afterwards", 3},
		{"a job wrote something else", automation.Work{Jobs: []db.Job{{ID: 3, Kind: "sync_contact", Key: "7", State: queue.Completed, Args: "{}"}}}, "edited by hand", 0},
		{"a job of somebody else", automation.Work{Jobs: []db.Job{{ID: 4, Kind: "sync_contact", Key: "8", State: queue.Discarded}}}, "edited by hand", 0},
		{"a job waits", automation.Work{Jobs: []db.Job{job(queue.Available)}}, "waits for its turn", 3},
		{"a job is at work", automation.Work{Jobs: []db.Job{job(queue.Running)}}, "at this moment", 3},
		{"a job fails", automation.Work{Jobs: []db.Job{job(queue.Retryable)}}, "failed (attempt 2): status 503; it tries again", 3},
		{"a job gave up", automation.Work{Jobs: []db.Job{job(queue.Discarded)}}, "gave up after 2 attempts: status 503", 3},
		{"another took its place", automation.Work{Jobs: []db.Job{job(queue.Cancelled), job(queue.Available)}}, "waits for its turn", 3},
		{"the CRM is left alone", automation.Work{Jobs: []db.Job{job(queue.Retryable)}, Circuits: []db.Circuit{{System: "crm", Reason: "no answer."}}}, "left alone for a while: no answer", 3},
		{"another system is left alone", automation.Work{Jobs: []db.Job{job(queue.Available)}, Circuits: []db.Circuit{{System: "desk"}}}, "waits for its turn", 3},
	} {
		f, s := agreeing(now)
		s.Contact.Plan = "Gold"
		reasons := automation.Explain(automation.Compare(f, s, now), f, s, row.work, now)
		if len(reasons) != 1 || reasons[0].System != "crm" || !strings.Contains(reasons[0].Text, row.want) || reasons[0].JobID != row.job {
			t.Errorf("%s: %+v, want %q", row.name, reasons, row.want)
		}
	}
}

// TestCompareTwoCurrencies shows what comes in in both; the CRM has a field for that of the subscription that counts.
func TestCompareTwoCurrencies(t *testing.T) {
	t.Parallel()
	now := time.Now()
	f, s := agreeing(now)
	f.Subscriptions[0].Amount, f.Subscriptions[0].Currency, f.Subscriptions[0].Interval, f.Subscriptions[0].IntervalCount = 4900, "usd", "month", 1
	second := f.Subscriptions[0]
	second.ID, second.Amount, second.Currency, second.CreatedAt = "sub_0", 90000, "eur", db.At(now.Add(-48*time.Hour))
	f.Subscriptions = append([]db.Subscription{second}, f.Subscriptions...)
	f.Record = f.RecordAt(now)
	want := automation.Want(f, now).Contact
	s.Contact.MRR, s.Contact.Currency = want.MRR, want.Currency
	for _, r := range automation.Compare(f, s, now) {
		if r.What == "MRR" && (r.Stripe.Text != "49 USD and 900 EUR" || r.CRM != (automation.Cell{Text: "49 USD"})) {
			t.Errorf("Stripe shows %q and the CRM %+v", r.Stripe.Text, r.CRM)
		}
	}
}
