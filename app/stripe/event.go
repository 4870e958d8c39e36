// Package stripe reads Stripe: signed webhook events and the API. It is the only package
// that imports stripe-go, and hands out its own types (Event, State), which look the same
// in every API version from 2023-10-16 on.
package stripe

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"
)

// ErrBody is a body that is not a Stripe event. Its text never repeats the body.
var ErrBody = errors.New("stripe: body is not a Stripe event")

// Event is the envelope of a Stripe event: what is needed to store it and to find the
// customer it is about (https://docs.stripe.com/api/events/object). The ids after
// ObjectType are those data.object refers to, empty where it does not.
type Event struct {
	ID            string
	Type          string
	APIVersion    string // of the payload; empty for thin events
	Account       string // connected account (account or context), or empty
	Livemode      bool
	CreatedAt     time.Time // Stripe counts in seconds
	ObjectID      string
	ObjectType    string // Stripe's object: customer, subscription, invoice, …
	Customer      string // the object's own id when it is a customer
	Charge        string
	PaymentIntent string
	Invoice       string
	Subscription  string
	Thin          bool   // names an object without carrying it
	Payload       []byte // the body as it was received, not a copy
}

const maxNameLen = 200 // characters of an event id or type; Stripe's longest type has 66

// wireEvent is the part of an event that is decoded: https://docs.stripe.com/api/events/object
// and, for thin events, https://docs.stripe.com/api/v2/core/events/object.
type wireEvent struct {
	ID         string `json:"id"`
	Type       string `json:"type"`
	APIVersion string `json:"api_version"`
	Account    string `json:"account"`
	Context    string `json:"context"`
	Livemode   bool   `json:"livemode"`
	Created    stamp  `json:"created"`
	Data       struct {
		Object *wireReferences `json:"object"`
	} `json:"data"`
	Related struct {
		ID   string `json:"id"`
		Type string `json:"type"`
	} `json:"related_object"`
}

// wireReferences is how any object names itself and the objects it belongs to.
type wireReferences struct {
	wireHead
	Customer        ref         `json:"customer"`
	CustomerAccount ref         `json:"customer_account"` // instead of customer, from dahlia on
	Charge          ref         `json:"charge"`
	PaymentIntent   ref         `json:"payment_intent"`
	Invoice         ref         `json:"invoice"`
	Subscription    ref         `json:"subscription"`
	Payment         wirePayment `json:"payment"` // of an invoice_payment
	Parent          wireParent  `json:"parent"`  // of an invoice, from basil on
}

// DecodeEvent reads the envelope of an event and leaves its object alone. Every failure is
// an ErrBody. A field of an unexpected type is left empty: Stripe has hundreds of event types
// and refusing one of them would make it retry for days.
func DecodeEvent(body []byte) (Event, error) {
	if !utf8.Valid(body) {
		return Event{}, fmt.Errorf("%w: not UTF-8", ErrBody)
	}
	var w wireEvent
	var mismatch *json.UnmarshalTypeError // decoding went on after it
	if err := json.Unmarshal(body, &w); err != nil && !errors.As(err, &mismatch) {
		return Event{}, fmt.Errorf("%w: not readable as JSON", ErrBody)
	}
	if !validEventID(w.ID) {
		return Event{}, fmt.Errorf("%w: no event id", ErrBody)
	}
	if w.Type == "" || len(w.Type) > maxNameLen {
		return Event{}, fmt.Errorf("%w: no event type", ErrBody)
	}
	return w.event(body), nil
}

func (w *wireEvent) event(body []byte) Event {
	ev := Event{
		ID:         w.ID,
		Type:       w.Type,
		APIVersion: w.APIVersion,
		Account:    first(w.Account, w.Context),
		Livemode:   w.Livemode,
		CreatedAt:  time.Time(w.Created),
		Payload:    body,
	}
	if w.Data.Object != nil {
		w.Data.Object.fill(&ev)
		return ev
	}
	ev.Thin = true
	ev.ObjectID, ev.ObjectType = w.Related.ID, w.Related.Type
	if ev.ObjectType == "customer" {
		ev.Customer = ev.ObjectID
	}
	return ev
}

func (o *wireReferences) fill(ev *Event) {
	ev.ObjectID, ev.ObjectType = o.ID, o.Object
	ev.Customer = first(string(o.Customer), string(o.CustomerAccount))
	if o.Object == "customer" {
		ev.Customer = o.ID
	}
	ev.Charge = first(string(o.Charge), string(o.Payment.Charge))
	ev.PaymentIntent = first(string(o.PaymentIntent), string(o.Payment.PaymentIntent))
	ev.Invoice = string(o.Invoice)
	ev.Subscription = first(string(o.Subscription), string(o.Parent.Details.Subscription))
}

// validEventID reports whether id matches ^evt_[A-Za-z0-9_]+$.
func validEventID(id string) bool {
	if len(id) <= len("evt_") || len(id) > maxNameLen || id[:4] != "evt_" {
		return false
	}
	for _, c := range []byte(id[4:]) {
		if c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}
