package billing

import (
	"context"
	"regexp"
	"strings"
	"time"

	"bursar/app/customer"
	"bursar/app/db"
	"bursar/app/stripe"
)

// OfErased is why an event is ignored whose customer was erased.
const OfErased = "its customer was erased"

// address finds e-mail addresses in the text of a payload.
var address = regexp.MustCompile(`[^\s"\\<>(),;:@]+@[^\s"\\<>(),;:@]+`)

// isErased says whether an event is about somebody who was erased: it names them, or something of theirs; or it is older
// than the erasure, names nobody, and has their e-mail in it. A later purchase is a new one, whatever its e-mail.
func isErased(ctx context.Context, q *db.Queries, e stripe.Event) (bool, error) {
	if e.Customer != "" {
		at, err := customer.ErasedAt(ctx, q, customer.StripeName, e.Customer)
		return !at.IsZero(), err
	}
	at, err := customer.ErasedAt(ctx, q, customer.ObjectName, e.Charge, e.PaymentIntent, e.Invoice, e.ObjectID)
	if err != nil || !at.IsZero() {
		return !at.IsZero(), err
	}
	if !strings.ContainsRune(string(e.Payload), '@') {
		return false, nil
	}
	return before(ctx, q, e.CreatedAt, address.FindAllString(string(e.Payload), 50)...)
}

// IsErased says the same of a customer as Stripe has it.
func IsErased(ctx context.Context, q *db.Queries, c stripe.Customer) (bool, error) {
	at, err := customer.ErasedAt(ctx, q, customer.StripeName, c.ID)
	if err != nil || !at.IsZero() || c.CreatedAt.IsZero() {
		return !at.IsZero(), err
	}
	return before(ctx, q, c.CreatedAt, c.Email)
}

// before says that somebody with one of these e-mails was erased after a time.
func before(ctx context.Context, q *db.Queries, created time.Time, emails ...string) (bool, error) {
	at, err := customer.ErasedAt(ctx, q, customer.EmailName, emails...)
	return created.Before(at), err
}
