package billing

import (
	"context"
	"strings"

	"bursar/app/db"
	"bursar/app/stripe"
)

// newsOf says what of a customer the events can have changed that came since the last reading: what access
// depends on is always read, and asking for the rest each time would be most of the requests to Stripe. It is
// everything where nothing came (somebody asks), and where what was read before is not all there was.
func newsOf(ctx context.Context, q *db.Queries, id string) (stripe.Parts, error) {
	known, err := q.StripeCustomer(ctx, id)
	if missingIsFine(&err) != nil {
		return stripe.Parts{}, err
	}
	events, err := q.NewsOf(ctx, id, known.ReadSeq)
	if err != nil || len(events) == 0 {
		return stripe.All, err
	}
	parts := stripe.Parts{Payments: known.WholeAt.IsZero(), Checkouts: known.WholeAt.IsZero()}
	for _, e := range events {
		switch {
		case strings.HasPrefix(e.Type, "invoice."):
			parts.Invoices = append(parts.Invoices, e.ObjectID)
		case e.Type == "customer.subscription.created": // the checkout says whose purchase it is
			parts.Checkouts = true
		case strings.HasPrefix(e.Type, "customer.subscription."), e.Type == "customer.created", e.Type == "customer.updated":
		case strings.HasPrefix(e.Type, "checkout.session.") && e.PaymentIntent == "":
			parts.Checkouts = true
		default: // what is paid without an invoice, refunds, disputes, and what nobody foresaw
			parts.Payments, parts.Checkouts = true, true
		}
	}
	return parts, nil
}

// whole says that a state is everything that Stripe says of a customer.
func whole(s stripe.State) bool {
	return s.Source == stripe.SourceAPI && s.Parts.Payments && s.Parts.Checkouts
}
