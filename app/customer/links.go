package customer

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"bursar/app/db"
)

// ErrTwoPeople is wrapped by Bind when a Stripe customer names a user of the product while both
// belong to different known customers. Nothing is merged: a person must look.
var ErrTwoPeople = errors.New("the Stripe customer and the user belong to different customers")

// Bind finds or makes the canonical customer of a Stripe customer. user is the product's own id of the
// buyer (client_reference_id or metadata), "" if unknown: the only thing besides the Stripe id that
// makes two records one. E-mail never does.
func Bind(ctx context.Context, q *db.Queries, stripeID, user string) (int64, error) {
	byStripe, err := linked(ctx, q, "stripe", stripeID)
	if err != nil {
		return 0, err
	}
	byUser, err := linked(ctx, q, "user", user)
	if err != nil {
		return 0, err
	}
	id := byStripe
	if id == 0 {
		id = byUser
	}
	if id == 0 {
		if id, err = q.InsertCustomer(ctx, "", "", db.Now()); err != nil {
			return 0, fmt.Errorf("new customer: %w", err)
		}
	}
	if byStripe != 0 && byUser != 0 && byStripe != byUser {
		return join(ctx, q, byStripe, byUser, stripeID, user)
	}
	return id, errors.Join(Link(ctx, q, id, "stripe", stripeID), Link(ctx, q, id, "user", user))
}

// BindUser finds or makes the canonical customer of a user of the product, who may have come as an
// anonymous visitor first. A visitor who is another user already, as on a shared computer, says nothing.
func BindUser(ctx context.Context, q *db.Queries, user, anonymous string) (int64, error) {
	id, err := linked(ctx, q, "user", user)
	if err != nil {
		return 0, err
	}
	if id == 0 {
		if id, err = visitor(ctx, q, anonymous); err != nil {
			return 0, err
		}
	}
	if id == 0 {
		if id, err = q.InsertCustomer(ctx, "", "", db.Now()); err != nil {
			return 0, fmt.Errorf("new customer: %w", err)
		}
	}
	return id, errors.Join(Link(ctx, q, id, "user", user), Link(ctx, q, id, "anonymous", anonymous))
}

// visitor is the customer of an anonymous visitor, 0 if that is unknown or a user already.
func visitor(ctx context.Context, q *db.Queries, anonymous string) (int64, error) {
	id, err := linked(ctx, q, "anonymous", anonymous)
	if err != nil || id == 0 {
		return 0, err
	}
	known, err := isUser(ctx, q, id)
	if err != nil || known {
		return 0, err
	}
	return id, nil
}

// Link says that a record of another system is this customer. A link that exists stays as it is.
func Link(ctx context.Context, q *db.Queries, id int64, system, remoteID string) error {
	if remoteID == "" {
		return nil
	}
	_, err := q.InsertLink(ctx, db.InsertLinkParams{System: system, RemoteID: remoteID, CustomerID: id, CreatedAt: db.Now()})
	if err != nil {
		return fmt.Errorf("link customer %d to %s %s: %w", id, system, remoteID, err)
	}
	return nil
}

func linked(ctx context.Context, q *db.Queries, system, remoteID string) (int64, error) {
	if remoteID == "" {
		return 0, nil
	}
	id, err := q.LinkOf(ctx, system, remoteID)
	if errors.Is(err, db.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("look up %s %s: %w", system, remoteID, err)
	}
	return id, nil
}

// join makes the two customers of one purchase one: the Stripe customer came before anything said whose
// it is. Where it belongs to another user already, or somebody took the two apart, they stay apart.
func join(ctx context.Context, q *db.Queries, byStripe, byUser int64, stripeID, user string) (int64, error) {
	known, err := isUser(ctx, q, byStripe)
	if err != nil {
		return 0, err
	}
	if known {
		return byStripe, fmt.Errorf("%w: %s of customer %d names user %s of customer %d", ErrTwoPeople, stripeID, byStripe, user, byUser)
	}
	apart, err := q.WereTakenApart(ctx, byStripe, byUser)
	if err != nil {
		return 0, fmt.Errorf("look whether customers %d and %d were taken apart: %w", byStripe, byUser, err)
	}
	if apart > 0 {
		return byStripe, fmt.Errorf("%w: %s of customer %d names user %s of customer %d, and somebody took the two apart", ErrTwoPeople, stripeID, byStripe, user, byUser)
	}
	_, err = Merge(ctx, q, byStripe, byUser, "", "the purchase names the same user")
	return byUser, err
}

// isUser says that a customer is a known user of the product.
func isUser(ctx context.Context, q *db.Queries, id int64) (bool, error) {
	links, err := q.LinksOfCustomer(ctx, id)
	if err != nil {
		return false, fmt.Errorf("read the links of customer %d: %w", id, err)
	}
	return slices.ContainsFunc(links, func(l db.Link) bool { return l.System == "user" }), nil
}
