package support_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"bursar/app/db"
	"bursar/app/db/dbtest"
	"bursar/app/support"
)

// under is a desk under test, and how to look into it.
type under struct {
	support.Desk
	customer int64                                  // who may have tickets
	messages func(reference string) (list []string) // of a ticket, "author: body"
}

// testContract is what every desk must hold to. newDesk makes an empty one, and pageful is how many
// it lists at a time.
func testContract(t *testing.T, pageful int, newDesk func(t *testing.T) under) {
	ticket := func(d under, cause string) support.Ticket {
		return support.Ticket{CustomerID: d.customer, Cause: cause, Queue: support.Billing, Priority: support.Urgent, Subject: "Payment failed", Author: "bursar", Body: "A payment failed."}
	}
	open := func(t *testing.T, d under, ticket support.Ticket) string {
		t.Helper()
		reference, err := d.Open(t.Context(), ticket)
		if err != nil || reference == "" {
			t.Fatalf("reference %q, error %v", reference, err)
		}
		return reference
	}

	t.Run("a ticket opened twice is one", func(t *testing.T) {
		t.Parallel()
		d := newDesk(t)
		first := open(t, d, ticket(d, "c1"))
		again := ticket(d, "c1")
		again.Body = "Other words."
		if second := open(t, d, again); second != first {
			t.Errorf("references %s and %s", first, second)
		}
		wantTickets(t, d, "c1 open")
		wantMessages(t, d, first, "bursar: A payment failed.")
	})
	t.Run("each cause has its own", func(t *testing.T) {
		t.Parallel()
		d := newDesk(t)
		if open(t, d, ticket(d, "c1")) == open(t, d, ticket(d, "c2")) {
			t.Error("they have the same reference")
		}
		wantTickets(t, d, "c1 open", "c2 open")
	})
	t.Run("a ticket opened and closed at once, many times, is one", func(t *testing.T) {
		t.Parallel()
		d := newDesk(t)
		atOnce(t, func(ctx context.Context) error { _, err := d.Open(ctx, ticket(d, "c1")); return err })
		atOnce(t, func(ctx context.Context) error { return d.Close(ctx, "c1", "It was paid.") })
		wantTickets(t, d, "c1 closed")
		wantMessages(t, d, open(t, d, ticket(d, "c1")), "bursar: A payment failed.", "bursar: It was paid.")
	})
	t.Run("what is closed stays closed", func(t *testing.T) {
		t.Parallel()
		d := newDesk(t)
		first := open(t, d, ticket(d, "c1"))
		check(t, d.Close(t.Context(), "c1", "It was paid."))
		check(t, d.Close(t.Context(), "c1", "It was paid again."))
		if second := open(t, d, ticket(d, "c1")); second != first {
			t.Errorf("references %s and %s", first, second)
		}
		wantTickets(t, d, "c1 closed")
		wantMessages(t, d, first, "bursar: A payment failed.", "bursar: It was paid.")
	})
	t.Run("what happens later is added once", func(t *testing.T) {
		t.Parallel()
		d := newDesk(t)
		first := open(t, d, ticket(d, "c1"))
		for _, e := range []support.Event{{Key: "attempt:2", Text: "It failed again."}, {Key: "attempt:2", Text: "It failed again."}, {Key: "attempt:3", Text: "And again."}} {
			check(t, d.Note(t.Context(), "c1", e))
		}
		check(t, d.Note(t.Context(), "c2", support.Event{Key: "attempt:2", Text: "Of nothing."}))
		wantMessages(t, d, first, "bursar: A payment failed.", "bursar: It failed again.", "bursar: And again.")
	})
	t.Run("closing a ticket that never was is no error", func(t *testing.T) {
		t.Parallel()
		d := newDesk(t)
		open(t, d, ticket(d, "c1"))
		check(t, d.Close(t.Context(), "c2", "It was paid."))
		wantTickets(t, d, "c1 open")
	})
	t.Run("a ticket of somebody unknown", func(t *testing.T) {
		t.Parallel()
		d := newDesk(t)
		d.customer = 0
		open(t, d, ticket(d, "c1"))
		wantTickets(t, d, "c1 open")
	})
	t.Run("no tickets", func(t *testing.T) {
		t.Parallel()
		wantTickets(t, newDesk(t))
	})
	t.Run("more tickets than one page", func(t *testing.T) {
		t.Parallel()
		d := newDesk(t)
		var want []string
		var together sync.WaitGroup
		for n := range 2*pageful + 1 {
			cause := fmt.Sprintf("c%d", n)
			want = append(want, cause+" open")
			together.Go(func() {
				if _, err := d.Open(t.Context(), ticket(d, cause)); err != nil {
					t.Error(err)
				}
			})
		}
		together.Wait()
		wantTickets(t, d, want...)
	})
	t.Run("a list that cannot be read ends with an error", func(t *testing.T) {
		t.Parallel()
		d := newDesk(t)
		open(t, d, ticket(d, "c1"))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var last error
		for _, err := range d.Tickets(ctx) {
			last = err
		}
		if last == nil {
			t.Error("there was no error")
		}
	})
}

func atOnce(t *testing.T, do func(ctx context.Context) error) {
	t.Helper()
	var together sync.WaitGroup
	for range 20 {
		together.Go(func() {
			if err := do(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	together.Wait()
}

// wantTickets wants exactly these, as "cause open" or "cause closed", all of the customer.
func wantTickets(t *testing.T, d under, want ...string) {
	t.Helper()
	left := map[string]bool{}
	for _, one := range want {
		left[one] = true
	}
	for got, err := range d.Tickets(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		is := got.Cause + map[bool]string{true: " open", false: " closed"}[got.Open]
		if !left[is] || got.CustomerID != d.customer {
			t.Errorf("there is a ticket %q of customer %d", is, got.CustomerID)
		}
		delete(left, is)
	}
	if len(left) > 0 {
		t.Errorf("missing: %v", left)
	}
}

func wantMessages(t *testing.T, d under, reference string, want ...string) {
	t.Helper()
	if got := d.messages(reference); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("messages %q, want %q", got, want)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestBuiltin(t *testing.T) {
	t.Parallel()
	testContract(t, 500, newBuiltin)
}

func newBuiltin(t *testing.T) under {
	t.Helper()
	file := dbtest.New(t)
	d := under{Desk: support.Builtin{DB: file}}
	check(t, file.Tx(t.Context(), func(q *db.Queries) (err error) {
		d.customer, err = q.InsertCustomer(context.Background(), "", "", db.Now())
		return err
	}))
	d.messages = func(reference string) (list []string) {
		var id int64
		_, err := fmt.Sscanf(reference, "T-%d", &id)
		check(t, err)
		messages, err := file.Read().MessagesOf(t.Context(), id)
		check(t, err)
		for _, m := range messages {
			list = append(list, m.Author+": "+m.Body)
		}
		return list
	}
	return d
}
