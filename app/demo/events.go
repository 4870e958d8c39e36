package demo

import (
	"bytes"
	"encoding/json"
	"reflect"
	"time"
)

// outbox is what happened and who is to be told.
type outbox struct {
	version    string // in which new events are rendered, as the account's default
	thin       bool
	quiet      bool // nothing is announced
	events     table[*event]
	endpoints  table[*endpoint]
	deliveries []*delivery // not finished
	webhooks   webhookFaults
	wake       chan struct{}
}

// event is https://docs.stripe.com/api/events/object. Its data never changes.
type event struct {
	id, kind, version string
	created           time.Time
	data              map[string]json.RawMessage // by API version
	request           any
	object, related   string // kind and id of the object it is about
	thin              bool
	pending           int // endpoints that have not confirmed it
}

func (e *event) ident() string { return e.id }

// render is the event as the API lists it: in the version it was created with, whatever
// the caller asks for.
func (e *event) render() object { return e.snapshot(e.version) }

func (e *event) snapshot(v string) object {
	return object{
		"id": e.id, "object": "event", "api_version": v, "created": e.created.Unix(), "data": e.data[v],
		"livemode": false, "pending_webhooks": e.pending, "request": e.request, "type": e.kind,
	}
}

// payload is the body of the webhook for an endpoint with its own version, or "".
// The real one is indented too, so a receiver that checks the signature of a body that it
// decoded and encoded again is found out.
func (e *event) payload(v string) []byte {
	o := e.snapshot(e.version)
	switch {
	case e.thin:
		o = e.thinned()
	case e.data[v] != nil:
		o = e.snapshot(v)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, jsonReply(0, o).body, "", "  "); err != nil {
		return nil
	}
	return out.Bytes()
}

// SetAPIVersion sets the account's API version: events from now on are rendered in it.
// Versions from 2025-03-31.basil on have the newer shape. Answers of the API stay in
// version 2023-10-16, which is what stripe-go v76 asks for.
func (s *Stripe) SetAPIVersion(v string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version = v
}

// SetThin makes events from now on thin: they name the object but do not show it
// (https://docs.stripe.com/event-destinations#thin-events). GET /v1/events stays as it is.
func (s *Stripe) SetThin(is bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.thin = is
}

// Events returns the webhook bodies of all events so far, the oldest first.
func (s *Stripe) Events() [][]byte { return s.EventsFrom(0) }

// EventsFrom returns the webhook bodies of all events but the first n.
func (s *Stripe) EventsFrom(n int) [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([][]byte, 0, len(s.events.all)-n)
	for _, e := range s.events.all[n:] {
		out = append(out, e.payload(""))
	}
	return out
}

// change changes an object and announces it with what it was before.
func (s *Stripe) change(e entity, kind string, mutate func()) {
	before := e.render()
	mutate()
	s.emit(kind, e, before)
}

// emit announces an event to every endpoint that listens to it. Before is the object as
// it was, or nil.
func (s *Stripe) emit(kind string, about entity, before object) {
	if s.quiet {
		return
	}
	after := about.render()
	name, _ := after["object"].(string)
	e := &event{
		id: s.id("evt_"), kind: kind, version: s.version, created: s.now, thin: s.thin,
		object: name, related: about.ident(), data: map[string]json.RawMessage{},
		request: object{"id": nil, "idempotency_key": nil},
	}
	if s.cause != nil {
		e.request = s.cause
	}
	e.data[e.version] = eventData(e.version, after, before)
	for _, ep := range s.endpoints.all {
		if v := ep.version; v != "" && e.data[v] == nil {
			e.data[v] = eventData(v, after, before)
		}
	}
	s.events.add(e)
	s.enqueue(e)
	if inv, ok := about.(*invoice); ok && kind == "invoice.paid" && inv.intent != nil && newShape(e.version) {
		s.emit("invoice_payment.paid", &invoicePayment{inv, s.id("inpay_")}, nil)
	}
}

// eventData is data of an event in one API version.
func eventData(v string, after, before object) json.RawMessage {
	data := object{"object": inVersion(v, after)}
	if before != nil {
		if old := changed(inVersion(v, before), inVersion(v, after)); len(old) > 0 {
			data["previous_attributes"] = old
		}
	}
	return jsonReply(0, data).body
}

// changed is what before had in the fields that differ. Objects are compared field by
// field, lists as a whole.
func changed(before, after object) object {
	out := object{}
	for _, name := range names(before, after) {
		was, is := before[name], after[name]
		if reflect.DeepEqual(was, is) {
			continue
		}
		wasObject, a := was.(object)
		isObject, b := is.(object)
		if a && b {
			out[name] = changed(wasObject, isObject)
		} else {
			out[name] = was
		}
	}
	return out
}

// names are the fields of both objects.
func names(a, b object) []string {
	var out []string
	for name := range a {
		out = append(out, name)
	}
	for name := range b {
		if _, both := a[name]; !both {
			out = append(out, name)
		}
	}
	return out
}

// thinned is the event without its object.
func (e *event) thinned() object {
	url := "/v1/" + e.object + "s/" + e.related
	if e.object == "checkout.session" {
		url = "/v1/checkout/sessions/" + e.related
	}
	return object{
		"id": e.id, "object": "v2.core.event", "type": "v1." + e.kind, "created": e.created.Format("2006-01-02T15:04:05.000Z"),
		"livemode": false, "reason": nil, "context": nil,
		"related_object": object{"id": e.related, "type": e.object, "url": url},
	}
}

// listEvents reaches back 30 days (https://docs.stripe.com/api/events).
func (s *Stripe) listEvents(c *call) (object, error) {
	types := c.list("types")
	if len(types) > 20 {
		return nil, invalid("", "types", "You may pass up to 20 event types.")
	}
	oldest := s.now.AddDate(0, 0, -30)
	return page(c, s.events.all, func(e *event) bool {
		return !e.created.Before(oldest) && among(types, e.kind) && c.is("type", e.kind) &&
			c.agrees("delivery_success", e.pending == 0) && c.createdWithin(e.created)
	})
}

func (s *Stripe) getEvent(c *call) (object, error) {
	e, err := find(&s.events, "event", c.id())
	if err == nil && e.created.Before(s.now.AddDate(0, 0, -30)) {
		err = missing("event", c.id(), "id")
	}
	if err != nil {
		return nil, err
	}
	return e.render(), nil
}
