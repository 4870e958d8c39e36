package customer_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"bursar/app/customer"
	"bursar/app/db"
	"bursar/app/db/dbtest"
)

func newDB(t *testing.T) *db.DB {
	t.Helper()
	d := dbtest.New(t)
	return d
}

// say is one thing that is said about who is who.
type say struct {
	stripe, user, anonymous string
	wantTwoPeople           bool
}

func (s say) to(q *db.Queries) (id int64, err error) {
	if s.stripe == "" {
		return customer.BindUser(context.Background(), q, s.user, s.anonymous)
	}
	return customer.Bind(context.Background(), q, s.stripe, s.user)
}

func TestWhoIsWho(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		say  []say
		want []string // the links of each customer, by the order of the customers
	}{
		{"a purchase by nobody known", []say{{stripe: "cus_1"}}, []string{"[stripe cus_1]"}},
		{"the same twice", []say{{stripe: "cus_1", user: "u1"}, {stripe: "cus_1", user: "u1"}}, []string{"[stripe cus_1 user u1]"}},
		{"the user is told later", []say{{stripe: "cus_1"}, {stripe: "cus_1", user: "u1"}}, []string{"[stripe cus_1 user u1]"}},
		{"the user was there first", []say{{user: "u1"}, {stripe: "cus_1", user: "u1"}}, []string{"[stripe cus_1 user u1]"}},
		{"a visitor becomes a user and buys", []say{{anonymous: "a1"}, {user: "u1", anonymous: "a1"}, {stripe: "cus_1", user: "u1"}}, []string{"[anonymous a1 stripe cus_1 user u1]"}},
		{"a user comes with another browser", []say{{user: "u1", anonymous: "a1"}, {user: "u1", anonymous: "a2"}}, []string{"[anonymous a1 anonymous a2 user u1]"}},
		{"two users of one browser", []say{{user: "u1", anonymous: "a1"}, {user: "u2", anonymous: "a1"}}, []string{"[anonymous a1 user u1]", "[user u2]"}},
		{"one user buys twice", []say{{stripe: "cus_1", user: "u1"}, {stripe: "cus_2", user: "u1"}}, []string{"[stripe cus_1 stripe cus_2 user u1]"}},
		{"purchases of nobody known are not one person", []say{{stripe: "cus_1"}, {stripe: "cus_2"}}, []string{"[stripe cus_1]", "[stripe cus_2]"}},
		{"a purchase turns out to be a known user's", []say{{user: "u1"}, {stripe: "cus_1"}, {stripe: "cus_1", user: "u1"}}, []string{"[stripe cus_1 user u1]"}},
		{"two purchases turn out to be one user's", []say{{stripe: "cus_1"}, {stripe: "cus_2", user: "u1"}, {stripe: "cus_1", user: "u1"}}, []string{"[stripe cus_1 stripe cus_2 user u1]"}},
		{"a purchase of one user names another", []say{{stripe: "cus_1", user: "u1"}, {user: "u2"}, {stripe: "cus_1", user: "u2", wantTwoPeople: true}},
			[]string{"[stripe cus_1 user u1]", "[user u2]"}},
		{"and again, it stays so", []say{{stripe: "cus_1", user: "u1"}, {user: "u2"}, {stripe: "cus_1", user: "u2", wantTwoPeople: true}, {stripe: "cus_1", user: "u1"}},
			[]string{"[stripe cus_1 user u1]", "[user u2]"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			d := newDB(t)
			for _, s := range row.say {
				err := d.Tx(t.Context(), func(q *db.Queries) error {
					id, err := s.to(q)
					if errors.Is(err, customer.ErrTwoPeople) != s.wantTwoPeople {
						return fmt.Errorf("%+v: %w", s, err)
					}
					if id == 0 {
						return fmt.Errorf("%+v leads to no customer", s)
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			var got []string
			rows, err := d.Read().CustomerPage(t.Context(), 0, 10)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range rows {
				got = append(got, fmt.Sprint(linksOf(t, d, c.ID)))
			}
			if !slices.Equal(got, row.want) {
				t.Errorf("customers %q, want %q", got, row.want)
			}
		})
	}
}

func linksOf(t *testing.T, d *db.DB, id int64) (list []string) {
	t.Helper()
	links, err := d.Read().LinksOfCustomer(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		list = append(list, l.System, l.RemoteID)
	}
	return list
}

// TestMergeLosesNothing gives two customers rows in every table that knows customers, and joins them. A table
// that is new and not moved would make the deletion of the first fail.
func TestMergeLosesNothing(t *testing.T) {
	t.Parallel()
	for name, contactOfUser := range map[string]bool{"only the purchase has a contact": false, "both have a contact": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDB(t)
			var buyer, user int64
			tx(t, d, func(q *db.Queries) (err error) {
				if buyer, err = customer.Bind(t.Context(), q, "cus_1", ""); err != nil {
					return err
				}
				if user, err = customer.BindUser(t.Context(), q, "u1", "a1"); err != nil {
					return err
				}
				if contactOfUser {
					if err := saveContact(q, user, "User"); err != nil {
						return err
					}
				}
				return errors.Join(fill(q, buyer, "x"), fill(q, user, "y"), saveContact(q, buyer, "Buyer"))
			})
			tx(t, d, func(q *db.Queries) error {
				id, err := customer.Bind(t.Context(), q, "cus_1", "u1")
				if err == nil && id != user {
					err = fmt.Errorf("joined into customer %d, want %d", id, user)
				}
				return err
			})
			f, err := customer.Load(t.Context(), d.Read(), user)
			if err != nil {
				t.Fatal(err)
			}
			if len(f.Stripe) != 2 || len(f.Subscriptions) != 2 || len(f.Invoices) != 2 || len(f.Charges) != 2 || len(f.Refunds) != 2 || len(f.Disputes) != 2 || len(f.Checkouts) != 2 {
				t.Errorf("facts are missing: %+v", f)
			}
			checkMoved(t, d, user)
			if _, err := d.Read().CustomerByID(t.Context(), buyer); !errors.Is(err, db.ErrNoRows) {
				t.Errorf("the joined customer is still there: %v", err)
			}
			contact, err := d.Read().ContactOf(t.Context(), user)
			if want := map[bool]string{true: "User", false: "Buyer"}[contactOfUser]; err != nil || contact.Name != want {
				t.Errorf("the contact is %q (%v), want %q", contact.Name, err, want)
			}
		})
	}
}

func checkMoved(t *testing.T, d *db.DB, id int64) {
	t.Helper()
	q := d.Read()
	tickets, err1 := q.TicketsOf(t.Context(), db.ID(id))
	tasks, err2 := q.TasksOf(t.Context(), id)
	notes, err3 := q.NotesOf(t.Context(), id)
	timeline, err4 := q.TimelineOfCustomer(t.Context(), id, 10)
	contacts, err5 := q.ContactPage(t.Context(), 0, 10)
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		t.Fatal(err)
	}
	if len(tickets) != 2 || len(tasks) != 2 || len(notes) != 2 || len(timeline) != 3 || len(contacts) != 1 {
		t.Errorf("%d tickets, %d tasks, %d notes, %d timeline entries, %d contacts; want 2, 2, 2, 3 with the one about it, 1",
			len(tickets), len(tasks), len(notes), len(timeline), len(contacts))
	}
}

func tx(t *testing.T, d *db.DB, fn func(q *db.Queries) error) {
	t.Helper()
	if err := d.Tx(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func saveContact(q *db.Queries, id int64, name string) error {
	_, err := q.SaveContact(context.Background(), db.SaveContactParams{CustomerID: id, Name: name, Now: db.Now()})
	return err
}

// fill gives a customer a row in each table.
func fill(q *db.Queries, id int64, key string) error {
	ctx := context.Background()
	_, err := q.InsertTicket(ctx, db.InsertTicketParams{CustomerID: db.ID(id), Cause: key, Queue: "billing", Priority: "normal", Now: db.Now()})
	return errors.Join(err,
		q.SaveStripeCustomer(ctx, db.SaveStripeCustomerParams{ID: "cus_" + key, CustomerID: id, Source: "api"}),
		q.SaveSubscription(ctx, db.SaveSubscriptionParams{ID: "sub_" + key, CustomerID: id}),
		q.SaveInvoice(ctx, db.SaveInvoiceParams{ID: "in_" + key, CustomerID: id}),
		q.SaveCharge(ctx, db.SaveChargeParams{ID: "ch_" + key, CustomerID: id}),
		q.SaveRefund(ctx, db.SaveRefundParams{ID: "re_" + key, CustomerID: id}),
		q.SaveDispute(ctx, db.SaveDisputeParams{ID: "dp_" + key, CustomerID: id}),
		q.SaveCheckout(ctx, db.SaveCheckoutParams{ID: "cs_" + key, CustomerID: id}),
		q.InsertTask(ctx, db.InsertTaskParams{CustomerID: id, Cause: key}),
		q.InsertNote(ctx, db.InsertNoteParams{CustomerID: id, Cause: key}),
		q.InsertTimeline(ctx, id, key, db.Now()))
}
