package reconcile_test

import (
	"strings"
	"testing"
	"time"

	"bursar/app/demo"
	"bursar/app/reconcile"
)

func TestTheReportTellsHowEventsCame(t *testing.T) {
	t.Parallel()
	c := newCompany(t, hourAgo())
	c.buy(demo.BuyOptions{Email: "ada@example.com"})
	c.receive()
	now := time.Now().UnixMilli()
	c.edit(`INSERT INTO sweeps (state, undelivered, since_at, mark_at, gap_at, listed, found, missing, late_ms, error, started_at, finished_at)
		VALUES ('complete', 1, ?1, ?1, ?1 - 40 * 86400000, 9, 3, 3, 100, '', ?1 - 1000, ?1)`, now)
	c.edit(`INSERT INTO backfills (reason, state, started_at, updated_at) VALUES ('away', 'records', ?1, ?1)`, now)
	c.edit(`INSERT INTO backfill_items VALUES (1, 'customer', 'cus_1', 'cus_1', 5, ''), (1, 'customer', 'cus_2', 'cus_2', 0, '')`)
	_, report, m := c.reconcile(reconcile.Reconcile{})
	if len(report.News) != 2 {
		t.Errorf("the news: %q", report.News)
	}
	for _, want := range []string{"Bursar did not read Stripe's events from", "is being read anew: 1 of 2 customers so far", "3 events were found only by asking Stripe"} {
		if !strings.Contains(strings.Join(strings.Fields(m.Text), " "), want) {
			t.Errorf("the mail does not say %q:\n%s", want, m.Text)
		}
	}
	c.edit(`UPDATE backfills SET state = 'complete', finished_at = ?1`, now)
	if _, report, _ := c.reconcile(reconcile.Reconcile{}); !strings.Contains(strings.Join(report.News, " "), "was read anew: ") {
		t.Errorf("after it: %q", report.News)
	}
}
