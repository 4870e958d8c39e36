package stripe

import (
	"slices"
	"time"
)

// WebhookEndpoint is https://docs.stripe.com/api/webhook_endpoints/object.
type WebhookEndpoint struct {
	ID         string
	URL        string
	Status     string   // enabled or disabled
	APIVersion string   // "" for the account's default
	Events     []string // event types, or "*"
	Livemode   bool
	CreatedAt  time.Time
}

type wireEndpoint struct {
	wireHead
	URL        string   `json:"url"`
	Status     string   `json:"status"`
	APIVersion string   `json:"api_version"`
	Events     []string `json:"enabled_events"`
	Livemode   bool     `json:"livemode"`
	Created    stamp    `json:"created"`
}

func (w *wireEndpoint) endpoint() WebhookEndpoint {
	return WebhookEndpoint{ID: w.ID, URL: w.URL, Status: w.Status, APIVersion: w.APIVersion, Events: w.Events,
		Livemode: w.Livemode, CreatedAt: time.Time(w.Created)}
}

// eventTypes are the events that say something about a customer, and that an endpoint should send.
var eventTypes = [...]string{
	"checkout.session.completed", "checkout.session.async_payment_succeeded", "checkout.session.async_payment_failed",
	"checkout.session.expired", "customer.created", "customer.updated", "customer.deleted",
	"customer.subscription.created", "customer.subscription.updated", "customer.subscription.deleted",
	"customer.subscription.paused", "customer.subscription.resumed", "customer.subscription.trial_will_end",
	"customer.subscription.pending_update_applied", "customer.subscription.pending_update_expired",
	"invoice.paid", "invoice.payment_failed", "invoice.payment_action_required", "invoice.voided",
	"invoice.marked_uncollectible", "charge.refunded", "charge.refund.updated", "refund.created", "refund.updated",
	"charge.dispute.created", "charge.dispute.updated", "charge.dispute.closed", "charge.dispute.funds_withdrawn",
	"charge.dispute.funds_reinstated",
}

// EventTypes are the types of events that an endpoint of Bursar's should send.
func EventTypes() []string { return slices.Clone(eventTypes[:]) }

// OptionalEvent is worth having, but endpoints of older API versions cannot be asked to send it.
const OptionalEvent = "refund.failed"

// HoldsInvoices is the event that must not be asked for: Stripe waits up to 72 hours for its success before
// it finalizes an invoice (https://docs.stripe.com/billing/invoices/subscription#invoice-finalization).
const HoldsInvoices = "invoice.created"

// Wanted says whether an endpoint should send events of a type.
func Wanted(kind string) bool { return slices.Contains(eventTypes[:], kind) }

// notUnderstood is the first release of the API that the decoders here have not been held against.
const notUnderstood = "2026-09-30"

// Understood says whether payloads of an API version can be read here. "" is the account's default, of
// which nothing is known.
func Understood(version string) bool { return version == "" || version < notUnderstood }
