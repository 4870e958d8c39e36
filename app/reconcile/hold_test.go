package reconcile_test

import (
	"context"
	"iter"
	"strings"
	"testing"

	"bursar/app/crm"
	"bursar/app/db"
	"bursar/app/demo"
	"bursar/app/reconcile"
)

// finding is the newest of a kind.
func (c *company) finding(kind string) db.Finding {
	c.t.Helper()
	f, err := c.DB.Read().FindingByID(c.t.Context(), int64(c.number("SELECT COALESCE(MAX(id), 0) FROM findings WHERE kind = ?", kind)))
	check(c.t, err)
	return f
}

// The state of a connector is named as the cause, and what is not written there is not repaired night after night.
func TestAContactBehindAConnector(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, mode, held string
		cause, says      string
		heals            int // how many runs repair it before a person is asked
	}{
		{"it is live", "live", "", reconcile.EditedThere, "changed in the CRM by hand", 3},
		{"it only observes", "observe", "", reconcile.ConnectorObserves, "HubSpot is only observed", 1},
		{"it is off", "off", "", reconcile.ConnectorOff, "HubSpot is off", 1},
		{"it is held", "live", "5 of 100 calls failed", reconcile.Paused, "5 of 100 calls failed", 3},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			c := newCompany(t, hourAgo())
			c.buy(demo.BuyOptions{Email: "ada@example.com"})
			c.receive()
			c.edit("INSERT INTO connectors (system, mode, updated_at) VALUES ('crm:hubspot', ?, 1)", row.mode)
			if row.held != "" {
				c.edit("UPDATE connectors SET held_at = 1, held_reason = ?", row.held)
			}
			c.Reconciler.Connectors = []string{"crm:hubspot"}
			for n := 1; n <= row.heals+2; n++ {
				c.edit("UPDATE contacts SET plan = 'gold'")
				_, report, _ := c.reconcile(reconcile.Reconcile{})
				f := c.finding("contact_differs")
				if f.Cause != row.cause || !strings.Contains(f.Evidence, row.says) {
					t.Errorf("run %d: the cause is %s: %s", n, f.Cause, f.Evidence)
				}
				if healed := n <= row.heals; healed != (f.State == "fixed") || healed != (len(report.NeedsYou) == 0) {
					t.Errorf("run %d: the finding is %s, needs you %v", n, f.State, report.NeedsYou)
				}
			}
			if f := c.finding("contact_differs"); f.Repair != "person" || !strings.Contains(f.Evidence, "came back the same") {
				t.Errorf("it waits for %s: %s", f.Repair, f.Evidence)
			}
		})
	}
}

// A proposal that nobody decides does not hide what is wrong in the CRM and on the desk.
func TestAProposalDoesNotHideTheOthers(t *testing.T) {
	t.Parallel()
	c := newCompany(t, hourAgo())
	p := c.buy(demo.BuyOptions{Email: "ada@example.com"})
	c.receive()
	check(t, c.Cancel(p.Subscription, false))
	c.lose()
	c.compare(reconcile.Reconcile{})
	for range 2 {
		c.edit("DELETE FROM contacts")
		_, report, _ := c.reconcile(reconcile.Reconcile{})
		if got := c.open(); len(got) != 1 || got[0] != "access_would_end" {
			t.Errorf("open: %v", got)
		}
		if len(report.Fixed) != 1 || report.Fixed[0].What != reconcile.Label("contact_missing") {
			t.Errorf("fixed: %v", report.Fixed)
		}
		if n := c.number("SELECT COUNT(*) FROM contacts WHERE access = 'full'"); n != 1 {
			t.Errorf("%d contacts with access", n)
		}
	}
}

// doubling is a CRM that lists the contact of customer 1 twice.
type doubling struct{ crm.Builtin }

func (d doubling) Contacts(ctx context.Context) iter.Seq2[crm.Contact, error] {
	return func(yield func(crm.Contact, error) bool) {
		for contact, err := range d.Builtin.Contacts(ctx) {
			if !yield(contact, err) || contact.CustomerID == 1 && !yield(contact, err) {
				return
			}
		}
	}
}

// A second contact of a customer is a person's to join.
func TestAContactIsThereTwice(t *testing.T) {
	t.Parallel()
	c := newCompany(t, hourAgo())
	c.buy(demo.BuyOptions{Email: "ada@example.com"})
	c.buy(demo.BuyOptions{Email: "ben@example.com"})
	c.receive()
	c.Reconciler.CRM = doubling{crm.Builtin{DB: c.DB}}
	_, report, _ := c.reconcile(reconcile.Reconcile{})
	f := c.finding("contact_doubled")
	if len(report.NeedsYou) != 1 || f.Subject != "1" || f.Actual != "2 contacts" || f.JobKind != "" {
		t.Errorf("needs you %v; %s %s", report.NeedsYou, f.Subject, f.Actual)
	}
	c.Reconciler.CRM = crm.Builtin{DB: c.DB}
	c.agree()
}

// What was dismissed stays so as long as the systems say the same, also what was put back after its repair.
func TestDismissedAndPutBackThroughASecondRun(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		decide func(c *company, q *db.Queries, f db.Finding) error
		again  string // what is written before the finding is decided, if it was repaired
	}{
		{"dismissed", func(c *company, q *db.Queries, f db.Finding) error {
			_, err := q.DismissFinding(c.t.Context(), db.DismissFindingParams{Now: db.Now(), Who: "ada@example.com", Why: "agreed by phone", ID: f.ID})
			return err
		}, "UPDATE contacts SET plan = 'gold'"},
		{"put back", func(c *company, q *db.Queries, f db.Finding) error {
			return reconcile.PutBack(c.t.Context(), q, f, "ada@example.com")
		}, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			c := newCompany(t, hourAgo())
			c.buy(demo.BuyOptions{Email: "ada@example.com"})
			c.receive()
			c.edit("UPDATE contacts SET plan = 'gold'")
			c.reconcile(reconcile.Reconcile{})
			f := c.finding("contact_differs")
			if f.State != "fixed" {
				t.Fatalf("the finding is %s", f.State)
			}
			check(t, c.DB.Tx(t.Context(), func(q *db.Queries) error { return row.decide(c, q, f) }))
			check(t, c.Worker.WorkOff(t.Context()))
			if row.again != "" {
				c.edit(row.again)
			}
			for range 2 {
				c.reconcile(reconcile.Reconcile{})
				if f := c.finding("contact_differs"); f.State != "dismissed" || c.number("SELECT COUNT(*) FROM contacts WHERE plan = 'gold'") != 1 {
					t.Fatalf("the finding is %s", f.State)
				}
			}
			c.edit("UPDATE contacts SET plan = 'silver'")
			c.reconcile(reconcile.Reconcile{})
			if f := c.finding("contact_differs"); f.State != "fixed" {
				t.Errorf("with another value the finding is %s", f.State)
			}
		})
	}
}
