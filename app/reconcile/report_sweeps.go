package reconcile

import (
	"context"
	"fmt"
	"time"

	"bursar/app/billing"
	"bursar/app/db"
)

// collectSweeps tells of events that no webhook brought, of what is wrong with the endpoint, and of a time
// that Stripe's list of events does not cover any more.
func (r *Reconciler) collectSweeps(ctx context.Context, q *db.Queries, since, until time.Time, report *Report) error {
	gaps, err := q.GapsBetween(ctx, db.At(since), db.At(until))
	if err != nil {
		return err
	}
	for _, gap := range gaps {
		fill, err := billing.LastBackfill(ctx, q)
		if err != nil {
			return err
		}
		text := fmt.Sprintf("Bursar did not read Stripe's events from %s to %s, and Stripe lists them for 30 days only. Everything ",
			gap.GapAt.In(r.Location).Format("2 Jan 2006 15:04"), gap.StartedAt.In(r.Location).Format("2 Jan 2006 15:04"))
		switch {
		case fill.Underway():
			text += fmt.Sprintf("is being read anew: %d of %d customers so far.", fill.Done, fill.Customers)
		case fill.State == "complete":
			text += fmt.Sprintf("was read anew: %d customers and %d subscriptions.", fill.StoredCustomers, fill.StoredSubscriptions)
		default:
			text += "was read anew, and not all of it could be stored: " + fill.Error + "."
		}
		report.News = append(report.News, text)
	}
	swept, err := q.SweptSince(ctx, db.At(since))
	if err != nil {
		return err
	}
	if swept.Missing > 0 {
		report.News = append(report.News, count(int(swept.Missing), "event was", "events were")+" found only by asking Stripe: no webhook brought them. Nothing is lost by that, but it comes later.")
	}
	if r.Billing == nil {
		return nil
	}
	endpoint, err := r.Billing.EndpointStatus(ctx, q)
	for _, p := range endpoint.Problems {
		if p.Severe {
			report.News = append(report.News, p.Text+" "+p.Fix)
		}
	}
	return err
}
