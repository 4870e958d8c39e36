package automation_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"bursar/app/automation"
	"bursar/app/crm"
	"bursar/app/customer"
	"bursar/app/db"
	"bursar/app/queue"
	"bursar/app/support"
)

const day = 24 * time.Hour

var now = time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC)

func in(d time.Duration) db.Time { return db.At(now.Add(d)) }

// of are the facts of customer 7 with the record that follows from them.
func of(f customer.Facts) customer.Facts {
	f.Record.ID, f.Record.Name, f.Record.Email = 7, "Ada Lovelace", "ada@example.com"
	f.Record = f.RecordAt(now)
	return f
}

func subscribed(statuses ...string) (f customer.Facts) {
	for i, status := range statuses {
		s := db.Subscription{ID: fmt.Sprintf("sub_%d", i+1), Status: status, Plan: "Starter", CreatedAt: in(time.Duration(i-90) * day)}
		if status == "canceled" {
			s.CanceledAt, s.EndedAt = in(-10*day), in(-day)
		}
		f.Subscriptions = append(f.Subscriptions, s)
	}
	return f
}

func failedInvoice() db.Invoice {
	return db.Invoice{ID: "in_1", Number: "A-1", Subscription: "sub_1", Status: "open", Failed: true, AmountDue: 1900, Currency: "usd", Attempts: 2,
		Error: "Your card has insufficient funds.", NextAttemptAt: in(3 * day), CreatedAt: in(-4 * day)}
}

func bought(completed time.Duration, changes ...func(*db.Checkout)) customer.Facts {
	c := db.Checkout{ID: "cs_1", Mode: "subscription", Status: "complete", PaymentStatus: "paid", Subscription: "sub_1", CompletedAt: in(completed), CreatedAt: in(completed)}
	for _, change := range changes {
		change(&c)
	}
	return customer.Facts{Checkouts: []db.Checkout{c}}
}

func with(f customer.Facts, change func(*customer.Facts)) customer.Facts { change(&f); return f }

func disputed(status string) customer.Facts {
	return with(subscribed("active"), func(f *customer.Facts) {
		f.Disputes = []db.Dispute{{ID: "dp_1", Status: status, Amount: 1900, Currency: "usd", Reason: "fraudulent", EvidenceDueAt: in(6 * day)}}
	})
}

func TestWant(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name      string
		facts     customer.Facts
		lifecycle string   // of the contact, "" for none
		rest      []string // tickets with their queue and priority, tasks, notes
		look      time.Duration
	}{
		{"a user who bought nothing", customer.Facts{}, "", nil, 0},
		{"a user who signed up", customer.Facts{Links: []db.Link{{System: "user", RemoteID: "u_1"}}}, crm.Lead, nil, 0},
		{"a user whose first payment never came", with(subscribed("incomplete_expired"), func(f *customer.Facts) { f.Links = []db.Link{{System: "user", RemoteID: "u_1"}} }), crm.Lead, nil, 0},
		{"a user who left", with(subscribed("canceled"), func(f *customer.Facts) { f.Links = []db.Link{{System: "user", RemoteID: "u_1"}} }), crm.Churned,
			[]string{"note churned:sub_1: Cancelled Starter on 14 Mar 2026."}, 0},
		{"one of two subscriptions is behind", subscribed("past_due", "active"), crm.PastDue, nil, 0},
		{"somebody trying", subscribed("trialing"), crm.Trial, nil, 0},
		{"somebody trying until tomorrow", with(subscribed("trialing"), func(f *customer.Facts) { f.Subscriptions[0].TrialEndAt = in(day) }), crm.Trial, nil, day},
		{"a customer", subscribed("active"), crm.Customer, nil, 0},
		{"a customer who goes tomorrow", with(subscribed("active"), func(f *customer.Facts) { f.Subscriptions[0].CancelAt = in(day) }), crm.Customer, nil, day},
		{"a trial of something else is no step back", subscribed("active", "trialing"), crm.Customer, nil, 0},
		{"Stripe gave up on a payment", subscribed("unpaid"), crm.PastDue, nil, 0},
		{"a trial without a payment method", subscribed("paused"), crm.Customer, nil, 0},
		{"a first payment under way", subscribed("incomplete"), "", nil, 0},
		{"a first payment that never came is no loss", subscribed("incomplete_expired"), "", nil, 0},
		{"a status that is new", subscribed("frozen"), "", nil, 0},
		{"somebody left", subscribed("canceled"), crm.Churned, []string{"note churned:sub_1: Cancelled Starter on 14 Mar 2026."}, 0},
		{"somebody left twice", subscribed("canceled", "canceled"), crm.Churned, []string{"note churned:sub_2: Cancelled Starter on 14 Mar 2026."}, 0},
		{"somebody left, and failed to come back", subscribed("canceled", "incomplete_expired"), crm.Churned, []string{"note churned:sub_1: Cancelled Starter on 14 Mar 2026."}, 0},
		{"somebody came back", subscribed("canceled", "active"), crm.Customer, nil, 0},
		{"somebody came back to try", subscribed("canceled", "trialing"), crm.Trial, nil, 0},
		{"one of two subscriptions ended", subscribed("active", "canceled"), crm.Customer, nil, 0},
		{"deleted, and the end of the subscription is not known yet", with(subscribed("active"), func(f *customer.Facts) { f.Record.Deleted = true }), crm.Churned, nil, 0},
		{"a failed payment", with(subscribed("past_due"), func(f *customer.Facts) { f.Invoices = []db.Invoice{failedInvoice()} }), crm.PastDue,
			[]string{"ticket payment_failed:in_1 billing urgent", "task payment_failed:in_1: Payment of 19.00 USD failed: Ada Lovelace <ada@example.com>"}, 10 * day},
		{"two failed payments", with(subscribed("past_due"), func(f *customer.Facts) {
			second := failedInvoice()
			second.ID = "in_2"
			f.Invoices = []db.Invoice{failedInvoice(), second}
		}), crm.PastDue, []string{
			"ticket payment_failed:in_1 billing urgent", "ticket payment_failed:in_2 billing urgent",
			"task payment_failed:in_1: Payment of 19.00 USD failed: Ada Lovelace <ada@example.com>", "task payment_failed:in_2: Payment of 19.00 USD failed: Ada Lovelace <ada@example.com>"}, 10 * day},
		{"a payment that recovered", with(subscribed("active"), func(f *customer.Facts) {
			f.Invoices = []db.Invoice{{ID: "in_1", Status: "paid", AmountPaid: 1900, Currency: "usd", PaidAt: in(0)}}
		}), crm.Customer, nil, 0},
		{"a dispute", disputed("needs_response"), crm.Customer, []string{"ticket dispute:dp_1 billing urgent"}, 0},
		{"a dispute that is decided", disputed("lost"), crm.Customer, nil, 0},
		{"paid, a moment ago", bought(-time.Second), "", nil, 2*time.Minute - time.Second},
		{"paid, and two minutes later nothing", bought(-2 * time.Minute), "", []string{"ticket not_active:cs_1 onboarding urgent"}, 0},
		{"free of charge, and two minutes later nothing", bought(-2*time.Minute, func(c *db.Checkout) { c.PaymentStatus = "no_payment_required" }), "", []string{"ticket not_active:cs_1 onboarding urgent"}, 0},
		{"a bank debit takes its days", bought(-2*day, func(c *db.Checkout) { c.PaymentStatus = "unpaid" }), "", nil, 0},
		{"a single payment activates nothing", bought(-day, func(c *db.Checkout) { c.Mode = "payment" }), "", nil, 0},
		{"paid, and the subscription is still incomplete", with(bought(-3*time.Minute), func(f *customer.Facts) { f.Subscriptions = subscribed("incomplete").Subscriptions }), "",
			[]string{"ticket not_active:cs_1 onboarding urgent"}, 0},
		{"paid and active", with(bought(-3*time.Minute), func(f *customer.Facts) { f.Subscriptions = subscribed("active").Subscriptions }), crm.Customer, nil, 0},
		{"active once, and over since", with(bought(-day, func(c *db.Checkout) { c.ActivatedAt = in(-day) }), func(f *customer.Facts) { f.Subscriptions = subscribed("canceled").Subscriptions }), crm.Churned,
			[]string{"note churned:sub_1: Cancelled Starter on 14 Mar 2026."}, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			f := of(row.facts)
			w := automation.Want(f, now)
			lifecycle := ""
			if w.Contact != nil {
				lifecycle = w.Contact.Lifecycle
				want := crm.Contact{CustomerID: 7, Name: "Ada Lovelace", Email: "ada@example.com", Lifecycle: lifecycle, Plan: f.Record.Plan, Status: f.Record.Status, Access: f.Record.Access,
					UserID: w.Contact.UserID, LastPaidAt: f.Record.LastPaidAt.Time, NextInvoiceAt: f.NextInvoice()}
				if *w.Contact != want {
					t.Errorf("contact %+v, want %+v", *w.Contact, want)
				}
			}
			if lifecycle != row.lifecycle || !slices.Equal(inWords(w), row.rest) {
				t.Errorf("contact %q and %q, want %q and %q", lifecycle, inWords(w), row.lifecycle, row.rest)
			}
			look := time.Duration(0)
			if at := automation.NextLook(f, now); !at.IsZero() {
				look = at.Sub(now)
			}
			if look != row.look {
				t.Errorf("looks again in %s, want %s", look, row.look)
			}
			if again := automation.Effects(w, automation.Want(f, now), f); len(again) > 0 {
				t.Errorf("the same facts lead to %+v", again)
			}
		})
	}
}

func inWords(w automation.Wanted) (list []string) {
	for _, ticket := range w.Tickets {
		list = append(list, "ticket "+ticket.Cause+" "+ticket.Queue+" "+ticket.Priority)
	}
	for _, task := range w.Tasks {
		list = append(list, "task "+task.Cause+": "+task.Title)
	}
	for _, note := range w.Notes {
		list = append(list, "note "+note.Cause+": "+note.Text)
	}
	return list
}

func TestEffects(t *testing.T) {
	t.Parallel()
	nothing, active, canceled := customer.Facts{}, subscribed("active"), subscribed("canceled")
	pastDue := with(subscribed("past_due"), func(f *customer.Facts) { f.Invoices = []db.Invoice{failedInvoice()} })
	withInvoice := func(status string) customer.Facts {
		return with(subscribed("active"), func(f *customer.Facts) {
			f.Invoices = []db.Invoice{{ID: "in_1", Status: status, AmountPaid: 1900, Currency: "usd", PaidAt: in(0), CreatedAt: in(-day)}}
		})
	}
	for _, row := range []struct {
		name          string
		before, after customer.Facts
		want          []string
	}{
		{"nothing changes", active, active, nil},
		{"somebody new", nothing, active, []string{"contact customer"}},
		{"somebody leaves", active, canceled, []string{"contact churned", "note churned:sub_1"}},
		{"somebody leaves, and nothing was known before", nothing, canceled, []string{"contact churned", "note churned:sub_1"}},
		{"a contact is never taken back", active, nothing, nil},
		{"a payment fails", active, pastDue, []string{"contact past_due", "open payment_failed:in_1", "task payment_failed:in_1"}},
		{"a payment fails again", pastDue, with(pastDue, func(f *customer.Facts) { f.Invoices = []db.Invoice{failedInvoice()}; f.Invoices[0].Attempts++ }),
			[]string{"say payment_failed:in_1/attempt:3: Attempt 3 failed too. Stripe says: Your card has insufficient funds. It will try again on 18 Mar 2026."}},
		{"it recovers", pastDue, withInvoice("paid"), []string{"contact customer", "close payment_failed:in_1: Recovered: 19.00 USD was paid on 15 Mar 2026.", "done payment_failed:in_1"}},
		{"it is given up", pastDue, withInvoice("uncollectible"), []string{"contact customer", "close payment_failed:in_1: The invoice is now uncollectible in Stripe.", "done payment_failed:in_1"}},
		{"a dispute", active, disputed("warning_needs_response"), []string{"open dispute:dp_1"}},
		{"a dispute goes on", disputed("warning_needs_response"), disputed("under_review"), []string{"say dispute:dp_1/status:under_review: Stripe now says of the dispute: under review."}},
		{"a dispute is decided", disputed("under_review"), disputed("warning_closed"), []string{"close dispute:dp_1: The dispute is decided: warning closed."}},
		{"somebody waits too long", bought(-time.Minute), bought(-time.Hour), []string{"open not_active:cs_1"}},
		{"and is active at last", bought(-time.Hour), with(bought(-time.Hour), func(f *customer.Facts) { f.Subscriptions = active.Subscriptions }),
			[]string{"contact customer", "close not_active:cs_1: Access is now full: the subscription is active."}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			before, after := of(row.before), of(row.after)
			var got []string
			for _, job := range automation.Effects(automation.Want(before, now), automation.Want(after, now), after) {
				got = append(got, jobInWords(t, job))
			}
			if !slices.Equal(got, row.want) {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
}

func jobInWords(t *testing.T, job queue.Args) string {
	t.Helper()
	switch job := job.(type) {
	case crm.SyncContact:
		return "contact " + job.Contact.Lifecycle
	case crm.SyncTask:
		if job.Done {
			return "done " + job.Key()
		}
		return "task " + job.Key()
	case crm.WriteNote:
		return "note " + job.Key()
	case support.NoteTicket:
		return "say " + job.Key() + ": " + job.Event.Text
	case support.SyncTicket:
		if !automation.Owns(job.Key()) {
			t.Errorf("the rules do not own their own ticket %s", job.Key())
		}
		if job.Closed {
			return "close " + job.Key() + ": " + job.Note
		}
		return "open " + job.Key()
	}
	t.Fatalf("a job of kind %s", job.Kind())
	return ""
}

func TestOwnsNoQuestions(t *testing.T) {
	t.Parallel()
	for _, cause := range []string{"question:4711", "", "payment", "payment_failed_too:1"} {
		if automation.Owns(cause) {
			t.Errorf("the rules own %q", cause)
		}
	}
}

// TestTicketsSayWhatSupportNeeds looks for the background in every kind of ticket.
func TestTicketsSayWhatSupportNeeds(t *testing.T) {
	t.Parallel()
	errs, err := json.Marshal([]queue.AttemptError{{Error: "an older one"}, {Error: "Stripe cannot be reached"}})
	if err != nil {
		t.Fatal(err)
	}
	f := with(subscribed("past_due"), func(f *customer.Facts) {
		f.Links = []db.Link{{System: "stripe", RemoteID: "cus_1"}, {System: "user", RemoteID: "user_ada"}}
		for n := range 4 {
			f.Invoices = append(f.Invoices, db.Invoice{ID: fmt.Sprintf("in_p%d", n), Status: "paid", AmountDue: int64(100 * (n + 1)), Currency: "usd", CreatedAt: in(time.Duration(n-40) * day)})
		}
		f.Invoices = append(f.Invoices, failedInvoice())
		f.Disputes = disputed("needs_response").Disputes
		f.Recent = []db.RecentEventsOfCustomerRow{{Type: "invoice.payment_failed", CreatedAt: in(-time.Hour)}}
		f.Failing = []db.Job{{ID: 12, Kind: "sync_customer", Errors: string(errs)}}
	})
	f = of(f)
	background := []string{
		"Customer 7: Ada Lovelace <ada@example.com>", "User of the product: user_ada", "Stripe: cus_1",
		"Plan: Starter, status: past_due, access: grace (the last payment failed)",
		"11 Mar 2026  19.00 USD  failed, still open", "6 Feb 2026  4.00 USD  paid", "2026-03-15 11:00:00  invoice.payment_failed",
		"sync_customer (job 12): Stripe cannot be reached",
	}
	waiting := of(with(f, func(f *customer.Facts) { f.Subscriptions, f.Checkouts = nil, bought(-time.Hour).Checkouts }))
	for cause, own := range map[string][]string{
		"payment_failed:in_1": {"A payment of 19.00 USD failed (invoice A-1, attempt 2). Stripe says: Your card has insufficient funds.", "Stripe will try again on 18 Mar 2026."},
		"dispute:dp_1":        {"A payment of 19.00 USD is disputed (dp_1, reason: fraudulent).", "Evidence is due in Stripe by 21 Mar 2026."},
		"not_active:cs_1":     {"Checkout cs_1 was paid on 15 Mar 2026 11:00 UTC and there is no active subscription yet."},
	} {
		t.Run(cause, func(t *testing.T) {
			t.Parallel()
			facts, expected := f, slices.Concat(own, background)
			if cause == "not_active:cs_1" {
				facts = waiting
				expected = slices.Concat(own, background[:3], background[4:])
			}
			tickets := automation.Want(facts, now).Tickets
			i := slices.IndexFunc(tickets, func(ticket support.Ticket) bool { return ticket.Cause == cause })
			if i < 0 {
				t.Fatalf("no such ticket among %+v", tickets)
			}
			for _, text := range expected {
				if !strings.Contains(tickets[i].Body, text) {
					t.Errorf("%q is missing in\n%s", text, tickets[i].Body)
				}
			}
			if strings.Contains(tickets[i].Body, "1.00 USD") || strings.Contains(tickets[i].Body, "an older one") {
				t.Errorf("there is more than the last payments and errors in\n%s", tickets[i].Body)
			}
			if tickets[i].CustomerID != 7 || !strings.Contains(tickets[i].Subject, "Ada Lovelace") {
				t.Errorf("the ticket is %+v", tickets[i])
			}
		})
	}
}
