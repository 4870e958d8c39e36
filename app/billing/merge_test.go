package billing_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"bursar/app/crm"
	"bursar/app/customer"
	"bursar/app/db"
	"bursar/app/demo"
)

// merge joins two customers for somebody and returns the merge.
func (f *file) merge(from, into int64) (m db.Merge) {
	f.tb.Helper()
	f.check(f.DB.Tx(f.tb.Context(), func(q *db.Queries) error {
		done, err := f.Merge(f.tb.Context(), q, from, into, "ada@example.com", "the same person")
		if err != nil {
			return err
		}
		m, err = q.MergeByID(f.tb.Context(), done.ID)
		return err
	}))
	return m
}

func (f *file) unmerge(m db.Merge) error {
	return f.DB.Tx(f.tb.Context(), func(q *db.Queries) error {
		_, err := f.Unmerge(f.tb.Context(), q, m.ID, "ada@example.com")
		return err
	})
}

// owned is who has which rows, contacts and records; not what was only noted about it.
func (f *file) owned() string {
	f.tb.Helper()
	ctx, q := f.tb.Context(), f.DB.Read()
	var b strings.Builder
	for _, c := range f.customers() {
		c.UpdatedAt, c.SyncedAt = db.Time{}, db.Time{}
		fmt.Fprintf(&b, "%+v\n", c)
		rows, err := q.RowsOfCustomer(ctx, c.ID)
		f.check(err)
		slices.SortFunc(rows, func(x, y db.RowsOfCustomerRow) int { return strings.Compare(x.Kind+" "+x.RowKey, y.Kind+" "+y.RowKey) })
		for _, r := range rows {
			if r.Kind != "timeline" && r.Kind != "jobs" {
				fmt.Fprintf(&b, "  %d: %s %s\n", c.ID, r.Kind, r.RowKey)
			}
		}
	}
	contacts, err := q.ContactPage(ctx, 0, 1000)
	f.check(err)
	for _, c := range contacts {
		fmt.Fprintf(&b, "contact %d of %d: %s %s\n", c.ID, c.CustomerID, c.Name, c.StripeIds)
	}
	return b.String()
}

// twoBuyers are two purchases with one address.
func twoBuyers(t *testing.T, s *demo.Stripe) (f *file, a, b demo.Purchase, ida, idb int64) {
	t.Helper()
	f = newFile(t, nil, plansOf(s))
	var err error
	a, err = s.Buy(demo.BuyOptions{Email: "ada@example.com", Name: "Ada", Price: "team", UserID: "u1"})
	f.check(err)
	s.Advance(time.Minute)
	b, err = s.Buy(demo.BuyOptions{Email: "Ada+shop@example.com", Name: "Ada L.", Price: "starter"})
	f.check(err)
	f.catchUp(s)
	ida, err = f.DB.Read().LinkOf(t.Context(), "stripe", a.Customer)
	f.check(err)
	idb, err = f.DB.Read().LinkOf(t.Context(), "stripe", b.Customer)
	f.check(err)
	return f, a, b, ida, idb
}

// catchUp takes in whatever was sent, and does the work.
func (f *file) catchUp(s *demo.Stripe) {
	f.tb.Helper()
	f.take(s.Events()...)
}

// TestJoinedByAPerson: the record is that of both, nothing is made anew by what Stripe says later, and taking apart
// gives each what is theirs, with what came since.
func TestJoinedByAPerson(t *testing.T) {
	t.Parallel()
	s := newStripe(1, 24*time.Hour)
	f, a, b, into, from := twoBuyers(t, s)
	before := f.owned()
	preview := customer.Together(f.facts(into), f.facts(from)).RecordAt(time.Now())
	m := f.merge(from, into)
	f.workOff()
	is := f.facts(into)
	if r := is.Record; r.Access != preview.Access || r.Plan != preview.Plan || r.Name != preview.Name || r.Email != preview.Email || r.AccessReason != preview.AccessReason {
		t.Errorf("the record is %+v, the preview said %+v", r, preview)
	}
	if c := f.contact(into); !strings.Contains(c.StripeIDs, a.Customer) || !strings.Contains(c.StripeIDs, b.Customer) {
		t.Errorf("the contact has %q", c.StripeIDs)
	}
	if to, err := customer.Lasting(t.Context(), f.DB.Read(), from); err != nil || to != into {
		t.Errorf("the old number leads to %d (%v)", to, err)
	}

	f.check(f.unmerge(m))
	f.workOff()
	if now := f.owned(); now != before {
		t.Errorf("taken apart at once:\n%s\nwant\n%s", now, before)
	}

	m = f.merge(from, into)
	s.Advance(time.Hour)
	invoice, err := s.FailPayment(b.Subscription)
	f.check(err)
	f.catchUp(s)
	if n := len(f.customers()); n != 1 {
		t.Fatalf("%d customers after news of the joined one", n)
	}
	if got := f.tickets(into); len(got) != 1 || !strings.Contains(got[0], "payment_failed") {
		t.Fatalf("tickets %q", got)
	}
	f.check(f.unmerge(m))
	f.workOff()
	if got := f.tickets(from); len(got) != 1 || !strings.Contains(got[0], "open") {
		t.Errorf("the ticket about %v stays with the buyer, and open: %q", invoice, got)
	}
	if len(f.tickets(into)) != 0 || f.facts(from).Record.Access != customer.Grace || f.facts(into).Record.Access != customer.Full {
		t.Errorf("tickets %q, access %s and %s", f.tickets(into), f.facts(into).Record.Access, f.facts(from).Record.Access)
	}
	if err := f.unmerge(m); !errors.Is(err, customer.ErrMerge) {
		t.Errorf("taken apart twice: %v", err)
	}
}

// TestTakenApartStaysApart: Stripe names the user of the one for the purchase of the other, and somebody who looked
// said that they are two.
func TestTakenApartStaysApart(t *testing.T) {
	t.Parallel()
	f := newFile(t, nil, nil)
	var buyer, user int64
	f.check(f.DB.Tx(t.Context(), func(q *db.Queries) (err error) {
		buyer, err = customer.Bind(t.Context(), q, "cus_1", "")
		return err
	}))
	user = f.user("u1")
	m := f.merge(buyer, user)
	f.check(f.unmerge(m))
	err := f.DB.Tx(t.Context(), func(q *db.Queries) error {
		_, err := customer.Bind(t.Context(), q, "cus_1", "u1")
		return err
	})
	if !errors.Is(err, customer.ErrTwoPeople) || len(f.customers()) != 2 {
		t.Errorf("%v, and %d customers", err, len(f.customers()))
	}
}

// TestWhoCannotBeJoined, or not taken apart.
func TestWhoCannotBeJoined(t *testing.T) {
	t.Parallel()
	f := newFile(t, nil, nil)
	a, b, c := f.user("u1"), f.user("u2"), f.user("u3")
	try := func(from, into int64) error {
		return f.DB.Tx(t.Context(), func(q *db.Queries) error {
			_, err := f.Merge(t.Context(), q, from, into, "ada@example.com", "x")
			return err
		})
	}
	if err := try(a, a); !errors.Is(err, customer.ErrMerge) {
		t.Errorf("with itself: %v", err)
	}
	if err := try(99, a); !errors.Is(err, customer.ErrMerge) {
		t.Errorf("with nobody: %v", err)
	}
	first := f.merge(a, b)
	second := f.merge(b, c)
	if err := f.unmerge(first); !errors.Is(err, customer.ErrMerge) || !strings.Contains(err.Error(), "take those apart first") {
		t.Errorf("out of order: %v", err)
	}
	if to, err := customer.Lasting(t.Context(), f.DB.Read(), a); err != nil || to != c {
		t.Errorf("the first number leads to %d (%v), want %d", to, err, c)
	}
	f.check(f.unmerge(second))
	f.check(f.unmerge(first))
	if n := f.user("u9"); n <= c {
		t.Errorf("a new customer got number %d", n)
	}
	third := f.merge(f.user("u9"), a)
	if n := f.user("u10"); n <= third.FromID {
		t.Errorf("the number of a customer who was joined is given to another: %d", n)
	}
}

// TestAnythingInAnyOrder does what may happen to customers at random.
func TestAnythingInAnyOrder(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			c := &chance{newFile(t, nil, nil), rand.New(rand.NewPCG(seed, 7)), 0}
			for range 40 {
				switch c.r.IntN(5) {
				case 0, 1:
					c.news()
				case 2:
					c.f.user(fmt.Sprintf("u%d", c.r.IntN(4)))
				case 3:
					c.join()
				case 4:
					c.part()
				}
				c.invariants()
				if t.Failed() {
					return
				}
			}
		})
	}
}

type chance struct {
	f *file
	r *rand.Rand
	n int
}

// news is what a reading of Stripe says of a customer: perhaps whose purchase it is, and a subscription in some state.
func (c *chance) news() {
	c.n++
	ctx, cus, user := context.Background(), fmt.Sprintf("cus_%d", c.r.IntN(5)), ""
	if c.r.IntN(2) == 0 {
		user = fmt.Sprintf("u%d", c.r.IntN(4))
	}
	statuses := []string{"active", "past_due", "canceled", "incomplete", "trialing", "resting"}
	at := db.At(time.UnixMilli(int64(c.n) * 1000))
	c.f.check(c.f.DB.Tx(ctx, func(q *db.Queries) error {
		id, err := customer.Bind(ctx, q, cus, user)
		if err != nil && !errors.Is(err, customer.ErrTwoPeople) {
			return err
		}
		return c.f.Change(ctx, q, id, func() error {
			return errors.Join(
				q.SaveStripeCustomer(ctx, db.SaveStripeCustomerParams{ID: cus, CustomerID: id, Name: cus, Source: "api", AsOfAt: at, CreatedAt: at}),
				q.SaveSubscription(ctx, db.SaveSubscriptionParams{ID: fmt.Sprintf("sub_%d", c.n), StripeCustomer: cus, CustomerID: id, Status: statuses[c.r.IntN(len(statuses))], CreatedAt: at}),
				q.SaveInvoice(ctx, db.SaveInvoiceParams{ID: fmt.Sprintf("in_%d", c.n), StripeCustomer: cus, CustomerID: id, CreatedAt: at}),
				q.InsertNote(ctx, db.InsertNoteParams{CustomerID: id, Cause: fmt.Sprintf("by hand:%d", c.n), CreatedAt: at}),
				storeContact(q, id, cus))
		})
	}))
}

func storeContact(q *db.Queries, id int64, name string) error {
	_, err := crm.Store(context.Background(), q, crm.Contact{CustomerID: id, Name: name})
	return err
}

func (c *chance) join() {
	all := c.f.customers()
	if len(all) < 2 {
		return
	}
	c.r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	a, b := c.f.facts(all[0].ID), c.f.facts(all[1].ID)
	before := c.f.owned()
	m := c.f.merge(b.Record.ID, a.Record.ID)
	now := c.f.facts(a.Record.ID)
	levels := []string{customer.None, customer.Pending, customer.Grace, customer.Full}
	for _, was := range []string{a.Record.Access, b.Record.Access} {
		if slices.Index(levels, now.Record.Access) < slices.Index(levels, was) {
			c.f.tb.Errorf("access is %s, and one of the two had %s", now.Record.Access, was)
		}
	}
	if preview := customer.Together(a, b).RecordAt(time.Now()); preview.Access != now.Record.Access || preview.Name != now.Record.Name {
		c.f.tb.Errorf("the record is %+v, the preview said %+v", now.Record, preview)
	}
	if c.r.IntN(2) == 0 {
		return
	}
	c.f.check(c.f.unmerge(m))
	if is := c.f.owned(); is != before {
		c.f.tb.Errorf("taken apart:\n%s\nwant\n%s", is, before)
	}
}

// part takes some customer apart that was joined before.
func (c *chance) part() {
	for _, one := range c.f.customers() {
		merges, err := c.f.DB.Read().MergesInto(context.Background(), one.ID)
		c.f.check(err)
		for _, m := range merges {
			if customer.Separable(context.Background(), c.f.DB.Read(), m) == nil && c.r.IntN(2) == 0 {
				c.f.check(c.f.unmerge(m))
				return
			}
		}
	}
}

// invariants hold whatever was done: whose a row is says its Stripe customer, and access is that of all that is live.
func (c *chance) invariants() {
	ctx, q := context.Background(), c.f.DB.Read()
	for _, one := range c.f.customers() {
		f := c.f.facts(one.ID)
		for _, s := range f.Subscriptions {
			if owner, err := q.LinkOf(ctx, "stripe", s.StripeCustomer); err != nil || owner != one.ID {
				c.f.tb.Errorf("%s of %s is of customer %d, its Stripe customer of %d (%v)", s.ID, s.StripeCustomer, one.ID, owner, err)
			}
		}
		if want := f.AccessAt(time.Now()).Level; one.Access != want {
			c.f.tb.Errorf("customer %d has access %s, its subscriptions give %s", one.ID, one.Access, want)
		}
		for _, l := range f.Links {
			if _, err := q.CustomerByID(ctx, l.CustomerID); err != nil {
				c.f.tb.Errorf("%s %s leads to %d: %v", l.System, l.RemoteID, l.CustomerID, err)
			}
		}
	}
	for i := range 5 {
		cus := fmt.Sprintf("cus_%d", i)
		if owner, err := q.LinkOf(ctx, "stripe", cus); err == nil {
			if _, err := q.CustomerByID(ctx, owner); err != nil {
				c.f.tb.Errorf("%s leads to customer %d, who is not there", cus, owner)
			}
		}
	}
}
