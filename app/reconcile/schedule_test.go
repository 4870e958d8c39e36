package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"bursar/app/crm"
	"bursar/app/db"
	"bursar/app/demo"
	"bursar/app/queue"
	"bursar/app/reconcile"
)

// slowCRM is a CRM whose list of contacts comes when it is let.
type slowCRM struct {
	crm.CRM
	asked chan struct{}
	let   chan struct{}
}

func slow(c crm.CRM) slowCRM {
	return slowCRM{c, make(chan struct{}, 1), make(chan struct{})}
}

func (s slowCRM) Contacts(ctx context.Context) iter.Seq2[crm.Contact, error] {
	s.asked <- struct{}{}
	select {
	case <-s.let:
		return s.CRM.Contacts(ctx)
	case <-ctx.Done():
		return func(yield func(crm.Contact, error) bool) { yield(crm.Contact{}, ctx.Err()) }
	}
}

func TestADayHasOneReport(t *testing.T) {
	t.Parallel()
	c := newCompany(t, hourAgo())
	c.buy(demo.BuyOptions{Email: "ada@example.com"})
	c.receive()
	day := reconcile.Reconcile{Day: "2026-03-04", Late: true}
	run, _, m := c.reconcile(day)
	if !run.Late || !strings.HasSuffix(m.Subject, " (Wed 4 Mar, late)") {
		t.Errorf("the subject is %q", m.Subject)
	}
	c.reconcile(day)
	c.reconcile(reconcile.Reconcile{})
	if runs, mails := c.number("SELECT COUNT(*) FROM runs WHERE day = '2026-03-04'"), c.number("SELECT COUNT(*) FROM mails"); runs != 1 || mails != 2 {
		t.Errorf("%d runs of the day, %d mails; want 1, and 2 with the one by hand", runs, mails)
	}
}

// A process that ends in the middle of a run leaves it to the next.
func TestTheProcessEnds(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		day  string
		runs string
	}{{"2026-03-04", "1 complete"}, {"", "1 failed, 2 complete"}} {
		t.Run("day "+row.day, func(t *testing.T) {
			t.Parallel()
			c := newCompany(t, hourAgo())
			c.buy(demo.BuyOptions{Email: "ada@example.com"})
			c.receive()
			dying := c.reconcilerCopy()
			gate := slow(dying.CRM)
			dying.CRM = gate
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan error)
			c.insert(reconcile.Reconcile{Day: row.day})
			go func() { done <- c.worker(dying).WorkOff(ctx) }()
			<-gate.asked
			stop()
			<-done
			if n := c.number("SELECT COUNT(*) FROM runs WHERE state = 'running'"); n != 1 {
				t.Fatalf("%d runs are running", n)
			}
			c.reconcile(reconcile.Reconcile{Day: row.day})
			if got := c.runs(); got != row.runs {
				t.Errorf("the runs are %s, want %s", got, row.runs)
			}
			if n := c.number("SELECT COUNT(*) FROM mails"); n != 1 {
				t.Errorf("%d mails", n)
			}
		})
	}
}

func TestRunsDoNotOverlap(t *testing.T) {
	t.Parallel()
	c := newCompany(t, hourAgo())
	gate := slow(c.Reconciler.CRM)
	c.Reconciler.CRM = gate
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- c.Worker.Run(ctx) }()
	c.insert(reconcile.Reconcile{Day: "2026-03-04"})
	<-gate.asked
	c.insert(reconcile.Reconcile{})
	eventually(t, func() error {
		job, err := c.DB.Read().WaitingJob(ctx, "reconcile", "day:")
		if err == nil && !job.ScheduledAt.After(time.Now().Add(3*time.Second)) {
			err = errors.New("the second run has not been sent to wait")
		}
		return err
	})
	if got := c.runs(); got != "1 running" {
		t.Errorf("the runs are %s", got)
	}
	close(gate.let)
	eventually(t, func() error {
		c.insert(reconcile.Reconcile{}) // it need not wait its five seconds
		if got := c.runs(); !strings.HasPrefix(got, "1 complete, 2 complete") {
			return fmt.Errorf("the runs are %s", got)
		}
		return nil
	})
	<-gate.asked
	stop()
	check(t, <-done)
}

// Asking for a repair is not undone by asking for a run without one.
func TestARepairIsAskedForApart(t *testing.T) {
	t.Parallel()
	var with, without queue.Args = reconcile.Reconcile{Repair: true}, reconcile.Reconcile{}
	if with.Key() == without.Key() {
		t.Errorf("both are %q: the later would take the place of the earlier", with.Key())
	}
}

// reconcilerCopy is the same reconciler in another process.
func (c *company) reconcilerCopy() *reconcile.Reconciler {
	r := c.Reconciler
	return &reconcile.Reconciler{DB: r.DB, Stripe: r.Stripe, CRM: r.CRM, Desk: r.Desk, Templates: r.Templates, To: r.To,
		URL: r.URL, Location: r.Location, Pause: r.Pause, Billing: r.Billing, Cap: r.Cap}
}

// runs are the runs so far and their states.
func (c *company) runs() string {
	c.t.Helper()
	var list []string
	for id := int64(1); ; id++ {
		run, err := c.DB.Read().RunByID(c.t.Context(), id)
		if errors.Is(err, db.ErrNoRows) {
			return strings.Join(list, ", ")
		}
		check(c.t, err)
		list = append(list, fmt.Sprintf("%d %s", id, run.State))
	}
}
