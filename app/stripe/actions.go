package stripe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	stripego "github.com/stripe/stripe-go/v76"
)

// Actions changes things at Stripe, with a key of its own: a Client cannot, whatever its key may do. Each
// change is sent once, with the idempotency key it is given; its callers decide about a second time. An
// error tells whether anything happened: see Refused.
type Actions struct{ client *Client }

// NewActions returns Actions for a restricted key that may write. base is that of New.
func NewActions(key, base string) *Actions { return &Actions{New(key, base)} }

// ActionID is the name of the metadata that says which action made or changed an object.
const ActionID = "action_id"

// Refused says that Stripe answered and did nothing: it refused what was asked, or the key for it. After
// any other error of a change nobody knows whether it happened, except for ErrRateLimited, which also means
// that it did not (https://docs.stripe.com/error-low-level).
func Refused(err error) bool {
	return errors.Is(err, ErrRefused) || errors.Is(err, ErrNotFound) || errors.Is(err, ErrUnauthorized)
}

// Broken says that Stripe failed at the first request with an idempotency key, has ended it, and answers the
// key with this for a day (https://docs.stripe.com/error-low-level#server-errors): to ask again does nothing,
// and whether the first request did, only a look can tell.
func Broken(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Replayed && e.Status >= http.StatusInternalServerError
}

// Refund gives amount of a charge back; metadata says which action it is.
func (a *Actions) Refund(ctx context.Context, key, charge string, amount int64) (Refund, error) {
	raw, err := a.post(ctx, "/v1/refunds", key, &stripego.RefundParams{
		Params: metadataOf(key), Charge: stripego.String(charge), Amount: stripego.Int64(amount),
	})
	refund, err := answered(raw, err, decodeRefund)
	if err == nil && (refund.Charge != charge || refund.Amount != amount) {
		err = unreadable(fmt.Errorf("the refund %s is of %d of charge %.40q", refund.ID, refund.Amount, refund.Charge))
	}
	return refund, err
}

// PlanChange is another price for an item of a subscription.
type PlanChange struct {
	Subscription, Item, Price string
	Quantity                  int64
	Proration                 string    // create_prorations, always_invoice or none
	ProrationAt               time.Time // the same in the preview and in the change
}

// ChangePlan changes what a subscription is for.
func (a *Actions) ChangePlan(ctx context.Context, key string, c PlanChange) (Subscription, error) {
	params := &stripego.SubscriptionParams{Params: metadataOf(key), ProrationBehavior: stripego.String(c.Proration),
		Items: []*stripego.SubscriptionItemsParams{{ID: stripego.String(c.Item), Price: stripego.String(c.Price), Quantity: stripego.Int64(c.Quantity)}}}
	if c.Proration != "none" {
		params.ProrationDate = stripego.Int64(c.ProrationAt.Unix())
	}
	return a.subscription(ctx, key, c.Subscription, params)
}

// CancelAtPeriodEnd plans the end of a subscription, or takes the plan back.
func (a *Actions) CancelAtPeriodEnd(ctx context.Context, key, id string, cancel bool) (Subscription, error) {
	return a.subscription(ctx, key, id, &stripego.SubscriptionParams{Params: metadataOf(key), CancelAtPeriodEnd: stripego.Bool(cancel)})
}

// PauseCollection stops collecting payments; behavior is what becomes of the invoices meanwhile: void,
// keep_as_draft or mark_uncollectible (https://docs.stripe.com/billing/subscriptions/pause-payment).
func (a *Actions) PauseCollection(ctx context.Context, key, id, behavior string) (Subscription, error) {
	return a.subscription(ctx, key, id, &stripego.SubscriptionParams{Params: metadataOf(key),
		PauseCollection: &stripego.SubscriptionPauseCollectionParams{Behavior: stripego.String(behavior)}})
}

// ResumeCollection collects payments again.
func (a *Actions) ResumeCollection(ctx context.Context, key, id string) (Subscription, error) {
	params := &stripego.SubscriptionParams{Params: metadataOf(key)}
	params.AddExtra("pause_collection", "") // stripe-go has no way to unset it
	return a.subscription(ctx, key, id, params)
}

func (a *Actions) subscription(ctx context.Context, key, id string, params *stripego.SubscriptionParams) (Subscription, error) {
	raw, err := a.post(ctx, objectPath("subscription", id), key, params)
	return sameID(id)(answered(raw, err, decodeSubscription))
}

// CancelNow ends a subscription at once, without a last invoice and without giving anything back. Stripe
// takes no idempotency key here: what has ended cannot end twice. The comment stands for the metadata,
// which it does not take either.
func (a *Actions) CancelNow(ctx context.Context, key, id string) (Subscription, error) {
	raw, err := a.send(ctx, http.MethodDelete, objectPath("subscription", id), key, &stripego.SubscriptionCancelParams{
		InvoiceNow: stripego.Bool(false), Prorate: stripego.Bool(false),
		CancellationDetails: &stripego.SubscriptionCancelCancellationDetailsParams{Comment: stripego.String(cancelComment + key)},
	})
	return sameID(id)(answered(raw, err, decodeSubscription))
}

const cancelComment = "Cancelled with Bursar, "

// PayInvoice tries to collect an open invoice now. A card that declines is an ErrRefused: nothing was paid.
func (a *Actions) PayInvoice(ctx context.Context, key, id string) (Invoice, error) {
	raw, err := a.post(ctx, objectPath("invoice", id)+"/pay", key, &stripego.InvoicePayParams{})
	return a.invoice(id, raw, err)
}

// SendInvoice has Stripe mail an invoice to its customer.
func (a *Actions) SendInvoice(ctx context.Context, key, id string) (Invoice, error) {
	raw, err := a.post(ctx, objectPath("invoice", id)+"/send", key, &stripego.InvoiceSendInvoiceParams{})
	return a.invoice(id, raw, err)
}

func (a *Actions) invoice(id string, raw json.RawMessage, err error) (Invoice, error) {
	invoice, err := answered(raw, err, func(raw json.RawMessage) (Invoice, error) {
		invoice, _, err := decodeInvoice(raw)
		return invoice, err
	})
	if err == nil && invoice.ID != id {
		err = unreadable(fmt.Errorf("the answer is about %.40q", invoice.ID))
	}
	return invoice, err
}

// SendReceipt has Stripe mail the receipt of a charge: it does whenever the address for it is set
// (https://docs.stripe.com/api/charges/update#update_charge-receipt_email). In test mode nothing is mailed.
func (a *Actions) SendReceipt(ctx context.Context, key, charge, email string) (Charge, error) {
	raw, err := a.post(ctx, objectPath("charge", charge), key, &stripego.ChargeParams{Params: metadataOf(key), ReceiptEmail: stripego.String(email)})
	c, err := answered(raw, err, func(raw json.RawMessage) (Charge, error) {
		c, _, _, err := decodeCharge(raw)
		return c, err
	})
	if err == nil && c.ID != charge {
		err = unreadable(fmt.Errorf("the answer is about %.40q", c.ID))
	}
	return c, err
}

func metadataOf(key string) stripego.Params {
	return stripego.Params{Metadata: map[string]string{ActionID: key}}
}

// answered decodes the answer to a change.
func answered[T any](raw json.RawMessage, err error, decode func(json.RawMessage) (T, error)) (T, error) {
	var object T
	if err == nil {
		if object, err = decode(raw); err != nil {
			err = unreadable(err)
		}
	}
	return object, err
}

func sameID(id string) func(Subscription, error) (Subscription, error) {
	return func(s Subscription, err error) (Subscription, error) {
		if err == nil && s.ID != id {
			err = unreadable(fmt.Errorf("the answer is about %.40q", s.ID))
		}
		return s, err
	}
}

func (a *Actions) post(ctx context.Context, path, key string, params stripego.ParamsContainer) (json.RawMessage, error) {
	return a.send(ctx, http.MethodPost, path, key, params)
}

// send makes one request that changes something.
func (a *Actions) send(ctx context.Context, method, path, key string, params stripego.ParamsContainer) (json.RawMessage, error) {
	if key == "" {
		return nil, &Error{Kind: ErrRefused, Message: "a change without an idempotency key is not sent"}
	}
	c := a.client
	if err := c.limit.Wait(ctx); err != nil {
		return nil, &Error{Kind: ErrUnavailable, Message: "waiting for our own rate limit: " + err.Error(), Cause: err}
	}
	ctx = seenBy(ctx)
	common := params.GetParams()
	common.Context = ctx
	common.SetIdempotencyKey(key)
	var answer stripego.APIResource
	if err := c.backend.Call(method, path, c.key, params, &answer); err != nil {
		return nil, c.changeError(ctx, err)
	}
	return answer.LastResponse.RawJSON, nil
}

// changeError is callError for changes. Of two 4xx the change may have happened all the same: the key is in
// use by a request that is still under way, or was used with other parameters
// (https://docs.stripe.com/api/idempotent_requests).
func (c *Client) changeError(ctx context.Context, err error) error {
	e := c.callError(ctx, err)
	var answer *stripego.Error
	var known *Error
	if errors.As(err, &answer) && errors.As(e, &known) &&
		(answer.HTTPStatusCode == http.StatusConflict || answer.Type == stripego.ErrorTypeIdempotency) {
		known.Kind = ErrUnavailable
	}
	return e
}
