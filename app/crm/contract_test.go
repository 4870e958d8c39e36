package crm_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"bursar/app/crm"
	"bursar/app/db"
	"bursar/app/db/dbtest"
)

// under is a CRM under test, and how to look into it.
type under struct {
	crm.CRM
	customers []int64                         // who may have a contact
	tasks     func() (open, done int)         // of all customers
	notes     func(customerID int64) []string // texts
}

// testContract is what every CRM must hold to. newCRM makes an empty one for so many customers, and pageful
// is how many it lists at a time.
func testContract(t *testing.T, pageful int, newCRM func(t *testing.T, customers int) under) {
	paidAt := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	contact := func(id int64) crm.Contact {
		return crm.Contact{CustomerID: id, Name: "Ada", Email: fmt.Sprintf("ada%d@example.com", id), Lifecycle: crm.Trial, Plan: "Starter", Status: "trialing"}
	}
	save := func(t *testing.T, c under, contact crm.Contact) string {
		t.Helper()
		id, err := c.SaveContact(t.Context(), contact)
		if err != nil || id == "" {
			t.Fatalf("id %q, error %v", id, err)
		}
		return id
	}

	t.Run("a contact saved twice is one", func(t *testing.T) {
		t.Parallel()
		c := newCRM(t, 1)
		if first, second := save(t, c, contact(c.customers[0])), save(t, c, contact(c.customers[0])); first != second {
			t.Errorf("ids %s and %s", first, second)
		}
		wantContacts(t, c, contact(c.customers[0]))
	})
	t.Run("the newer contact wins, in every field", func(t *testing.T) {
		t.Parallel()
		c := newCRM(t, 1)
		save(t, c, contact(c.customers[0]))
		newer := crm.Contact{CustomerID: c.customers[0], Name: "Ada L.", Email: "al@example.com", UserID: "u_1", StripeIDs: "cus_1, cus_2", Lifecycle: crm.Customer,
			Plan: "Team", Status: "active", Access: "full", MRR: "8.25", Currency: "USD", LastPaidAt: paidAt, NextInvoiceAt: paidAt.AddDate(0, 1, 0)}
		save(t, c, newer)
		wantContacts(t, c, newer)
		save(t, c, contact(c.customers[0])) // and what is gone is gone
		wantContacts(t, c, contact(c.customers[0]))
	})
	t.Run("two customers with one e-mail are two contacts", func(t *testing.T) {
		t.Parallel()
		c := newCRM(t, 2)
		one, two := contact(c.customers[0]), contact(c.customers[1])
		two.Email = one.Email
		save(t, c, one)
		save(t, c, two)
		save(t, c, one)
		wantContacts(t, c, one, two)
	})
	t.Run("everything at once, many times, is once", func(t *testing.T) {
		t.Parallel()
		c := newCRM(t, 1)
		id := c.customers[0]
		atOnce(t, func(ctx context.Context) error { _, err := c.SaveContact(ctx, contact(id)); return err })
		atOnce(t, func(ctx context.Context) error {
			return c.AddTask(ctx, crm.Task{CustomerID: id, Cause: "c1", Title: "Call"})
		})
		atOnce(t, func(ctx context.Context) error {
			return c.AddNote(ctx, crm.Note{CustomerID: id, Cause: "c1", Text: "Left"})
		})
		wantContacts(t, c, contact(id))
		wantTasks(t, c, 1, 0)
		wantNotes(t, c, id, "Left")
	})
	t.Run("a task that is done stays done", func(t *testing.T) {
		t.Parallel()
		c := newCRM(t, 1)
		save(t, c, contact(c.customers[0]))
		task := crm.Task{CustomerID: c.customers[0], Cause: "c1", Title: "Call"}
		wantTasks(t, c, 0, 0)
		check(t, c.AddTask(t.Context(), task))
		wantTasks(t, c, 1, 0)
		check(t, c.FinishTask(t.Context(), "c1"))
		check(t, c.FinishTask(t.Context(), "c1"))
		check(t, c.AddTask(t.Context(), task))
		wantTasks(t, c, 0, 1)
	})
	t.Run("finishing a task that never was is no error", func(t *testing.T) {
		t.Parallel()
		c := newCRM(t, 1)
		save(t, c, contact(c.customers[0]))
		check(t, c.AddTask(t.Context(), crm.Task{CustomerID: c.customers[0], Cause: "c1", Title: "Call"}))
		check(t, c.FinishTask(t.Context(), "c2"))
		wantTasks(t, c, 1, 0)
	})
	t.Run("the first note of a cause stays", func(t *testing.T) {
		t.Parallel()
		c := newCRM(t, 1)
		id := c.customers[0]
		save(t, c, contact(id))
		for _, n := range []crm.Note{{id, "c1", "first"}, {id, "c1", "again"}, {id, "c2", "other"}} {
			check(t, c.AddNote(t.Context(), n))
		}
		wantNotes(t, c, id, "first", "other")
	})
	t.Run("no contacts", func(t *testing.T) {
		t.Parallel()
		wantContacts(t, newCRM(t, 0))
	})
	t.Run("more contacts than one page", func(t *testing.T) {
		t.Parallel()
		c := newCRM(t, 2*pageful+1)
		var want []crm.Contact
		for _, id := range c.customers {
			want = append(want, contact(id))
		}
		var together sync.WaitGroup
		for _, one := range want {
			together.Go(func() {
				if _, err := c.SaveContact(t.Context(), one); err != nil {
					t.Error(err)
				}
			})
		}
		together.Wait()
		wantContacts(t, c, want...)
	})
	t.Run("the caller may stop reading", func(t *testing.T) {
		t.Parallel()
		c := newCRM(t, 2)
		save(t, c, contact(c.customers[0]))
		save(t, c, contact(c.customers[1]))
		n := 0
		for range c.Contacts(t.Context()) {
			n++
			break
		}
		if n != 1 {
			t.Errorf("read %d contacts before the break", n)
		}
	})
	t.Run("a list that cannot be read ends with an error", func(t *testing.T) {
		t.Parallel()
		c := newCRM(t, 1)
		save(t, c, contact(c.customers[0]))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var last error
		for _, err := range c.Contacts(ctx) {
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

func wantContacts(t *testing.T, c under, want ...crm.Contact) {
	t.Helper()
	left := map[int64]crm.Contact{}
	for _, one := range want {
		left[one.CustomerID] = one
	}
	for got, err := range c.Contacts(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if one, ok := left[got.CustomerID]; !ok || got != one {
			t.Errorf("contact %+v, want %+v", got, one)
		}
		delete(left, got.CustomerID)
	}
	if len(left) > 0 {
		t.Errorf("%d contacts are missing", len(left))
	}
}

func wantTasks(t *testing.T, c under, open, done int) {
	t.Helper()
	if isOpen, isDone := c.tasks(); isOpen != open || isDone != done {
		t.Errorf("%d tasks are open and %d done, want %d and %d", isOpen, isDone, open, done)
	}
}

func wantNotes(t *testing.T, c under, id int64, want ...string) {
	t.Helper()
	if got := fmt.Sprint(c.notes(id)); got != fmt.Sprint(want) {
		t.Errorf("notes %s, want %s", got, want)
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

func newBuiltin(t *testing.T, customers int) under {
	t.Helper()
	d, ids := newFile(t, customers)
	c := under{CRM: crm.Builtin{DB: d}, customers: ids}
	c.tasks = func() (open, done int) {
		for _, id := range c.customers {
			tasks, err := d.Read().TasksOf(t.Context(), id)
			check(t, err)
			for _, task := range tasks {
				if task.DoneAt.IsZero() {
					open++
				} else {
					done++
				}
			}
		}
		return open, done
	}
	c.notes = func(id int64) (texts []string) {
		notes, err := d.Read().NotesOf(t.Context(), id)
		check(t, err)
		for _, n := range notes {
			texts = append(texts, n.Text)
		}
		return texts
	}
	return c
}

// newFile makes a file with so many customers.
func newFile(t *testing.T, customers int) (d *db.DB, ids []int64) {
	t.Helper()
	d = dbtest.New(t)
	check(t, d.Tx(t.Context(), func(q *db.Queries) error {
		for range customers {
			id, err := q.InsertCustomer(context.Background(), "", "", db.Now())
			if err != nil {
				return err
			}
			ids = append(ids, id)
		}
		return nil
	}))
	return d, ids
}
