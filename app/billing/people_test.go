package billing_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"bursar/app/billing"
	"bursar/app/customer"
	"bursar/app/db"
	"bursar/app/demo"
	"bursar/app/queue"
)

// user is what the product says of one of its users.
func (f *file) user(id string) (customerID int64) {
	f.tb.Helper()
	f.check(f.DB.Tx(f.tb.Context(), func(q *db.Queries) (err error) {
		if customerID, err = customer.BindUser(f.tb.Context(), q, id, ""); err != nil {
			return err
		}
		return f.Change(f.tb.Context(), q, customerID, func() error { return nil })
	}))
	return customerID
}

func TestAKnownUserBuys(t *testing.T) {
	t.Parallel()
	s, sent := storyNamed("a purchase").sent(t)
	f := newFile(t, apiOf(t, s), plansOf(s))
	id := f.user("user_ada")
	f.take(sent...)
	if is := f.customer().ID; is != id {
		t.Errorf("the purchase is customer %d's, want %d", is, id)
	}
	timeline, err := f.DB.Read().TimelineOfCustomer(t.Context(), id, 10)
	f.check(err)
	for _, line := range timeline {
		if strings.Contains(line.Text, "Joined") {
			t.Errorf("nobody was joined: %q", line.Text)
		}
	}
}

// TestJoinedBeforeTheWorkIsDone has a payment fail before anything says whose it is, and the CRM and the
// desk at work only after that is said.
func TestJoinedBeforeTheWorkIsDone(t *testing.T) {
	t.Parallel()
	s, sent := storyNamed("a failed payment").sent(t)
	f := newFile(t, nil, plansOf(s))
	id := f.user("user_ada")
	naming := func(body []byte) bool { return eventOf(t, body).Type == "checkout.session.completed" }
	f.receive(slices.DeleteFunc(slices.Clone(sent), naming)...)
	cus := eventOf(t, sent[0]).Customer
	f.check(f.SyncCustomer(t.Context(), cus))
	if n := len(f.customers()); n != 2 {
		t.Fatalf("%d customers, want the user and the buyer", n)
	}
	f.receive(sent...)
	f.check(f.SyncCustomer(t.Context(), cus))
	f.workOff()

	want := storyNamed("a failed payment").want
	f.expect(t, want)
	if is := f.customer().ID; is != id {
		t.Errorf("customer %d is left, want the user's %d", is, id)
	}
	for _, job := range f.jobs("", "") {
		if job.State != queue.Completed && job.Kind != (billing.LookAgain{}).Kind() {
			t.Errorf("job %d, %s of %s, is %s: %s", job.ID, job.Kind, job.Key, job.State, job.Errors)
		}
	}
}

func TestAPurchaseThatNamesAnothersUser(t *testing.T) {
	t.Parallel()
	s := newStripe(1, 0)
	p, err := s.Buy(demo.BuyOptions{Email: "same@example.com", UserID: "user_ada"})
	told(t, err)
	f := newFile(t, nil, plansOf(s))
	f.take(s.Events()...)
	bob := f.user("user_bob")
	seen := len(s.Events())
	_, err = s.Buy(demo.BuyOptions{Customer: p.Customer, UserID: "user_bob"})
	told(t, err)
	f.take(s.Events()[seen:]...)
	if links := f.facts(bob).Linked("stripe"); len(links) > 0 {
		t.Errorf("bob has %q", links)
	}
	people, err := f.DB.Read().TwoPeople(t.Context())
	f.check(err)
	if len(people) != 1 || people[0].UserID != "user_bob" {
		t.Errorf("for a person to look at: %+v", people)
	}
}

func TestTheSameEMailIsNotTheSamePerson(t *testing.T) {
	t.Parallel()
	s := newStripe(1, 0)
	for range 2 {
		_, err := s.Buy(demo.BuyOptions{Email: "same@example.com", Name: "Same"})
		told(t, err)
	}
	f := newFile(t, apiOf(t, s), plansOf(s))
	f.take(s.Events()...)
	for _, b := range f.books() {
		if len(b.Facts.Stripe) != 1 || b.Contact.Email != "same@example.com" {
			t.Errorf("a customer with %d Stripe customers and the contact %+v", len(b.Facts.Stripe), b.Contact)
		}
	}
	if n := len(f.customers()); n != 2 {
		t.Errorf("%d customers, want 2", n)
	}
}

// TestTwoStripeCustomersOfOneUser has the product name the same user in both purchases.
func TestTwoStripeCustomersOfOneUser(t *testing.T) {
	t.Parallel()
	s := newStripe(1, time.Hour)
	first, err := s.Buy(demo.BuyOptions{Email: "old@example.com", Name: "Old", UserID: "user_ada"})
	told(t, err)
	told(t, s.Cancel(first.Subscription, false))
	s.Advance(time.Minute)
	_, err = s.Buy(demo.BuyOptions{Email: "new@example.com", Name: "New", UserID: "user_ada", Price: "team"})
	told(t, err)
	sent := s.Events()
	forwards, backwards := newFile(t, nil, plansOf(s)), newFile(t, nil, plansOf(s))
	forwards.take(sent...)
	slices.Reverse(sent)
	backwards.take(sent...)
	for _, f := range []*file{forwards, backwards} {
		r := f.customer()
		if tickets := open(f.tickets(r.ID)); len(tickets) > 0 {
			t.Errorf("tickets: %q", tickets)
		}
		if got := fmt.Sprint(r.Name, " ", r.Email, " ", r.Plan, " ", r.Access, " ", f.contact(r.ID).Lifecycle); got != "New new@example.com Team full customer" {
			t.Errorf("got %s", got)
		}
	}
	got, want := backwards.books(), forwards.books()
	// A ticket came and went, or a note was written, if the one Stripe customer was known before the other.
	got[0].Tickets, got[0].Notes, want[0].Tickets, want[0].Notes = nil, nil, nil, nil
	sameBooks(t, got, want)
}

// TestWhenACheckoutWasCompleted has a buyer who took ten minutes: the session itself does not tell.
func TestWhenACheckoutWasCompleted(t *testing.T) {
	t.Parallel()
	s, sent := storyNamed("a purchase").sent(t)
	opened := s.Now()
	f := newFile(t, apiOf(t, s), plansOf(s))
	for _, body := range sent {
		if eventOf(t, body).Type == "checkout.session.completed" {
			body = []byte(strings.Replace(string(body), fmt.Sprintf("\n  \"created\": %d", opened.Unix()), fmt.Sprintf("\n  \"created\": %d", opened.Unix()+600), 1))
			if _, err := f.Receive(t.Context(), eventOf(t, body), billing.Webhook); err != nil {
				t.Fatal(err)
			}
		}
	}
	f.workOff()
	if at := f.facts(f.customer().ID).Checkouts[0].CompletedAt; !at.Equal(opened.Add(10 * time.Minute)) {
		t.Errorf("completed at %s, want ten minutes after %s", at, opened)
	}
}
