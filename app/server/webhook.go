package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"time"

	"bursar/app/billing"
	"bursar/app/stripe"
)

const (
	maxEvent = 1 << 20 // bytes
	maxKept  = 64 << 10
	// eventTimeout bounds reading and storing together; Stripe waits longer, and comes again.
	eventTimeout = 5 * time.Second
)

// What became of a webhook, in bursar_webhook_requests_total.
const (
	stored       = "stored"
	duplicate    = "duplicate"
	ignored      = "ignored"
	badSignature = "bad_signature"
	badTimestamp = "bad_timestamp"
	badBody      = "bad_body"
	badMethod    = "bad_method"
	bodyTooLarge = "too_large"
	unavailable  = "unavailable"
	probed       = "probe"
)

// stripeWebhook answers 200 when an event is on disk, now or earlier, and never before. Anything else
// makes Stripe send it again, for three days (https://docs.stripe.com/webhooks#retries).
func (s *Server) stripeWebhook(w http.ResponseWriter, r *http.Request) error {
	outcome, err := s.receive(w, r)
	s.metrics.webhooks.WithLabelValues(outcome).Inc()
	if outcome != probed {
		s.Tally.Delivery(outcome)
	}
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, err = io.WriteString(w, "ok\n")
	return err
}

func (s *Server) receive(w http.ResponseWriter, r *http.Request) (outcome string, err error) {
	ctx, cancel := context.WithTimeout(r.Context(), eventTimeout)
	defer cancel()
	body := s.borrow()
	defer s.giveBack(body)
	if err := readEvent(w, r, body); err != nil {
		var known *HTTPError
		if errors.As(err, &known) && known.Code == http.StatusRequestEntityTooLarge {
			return bodyTooLarge, err
		}
		return badBody, err
	}
	now := time.Now()
	event, err := stripe.ParseEvent(body.Bytes(), r.Header.Get("Stripe-Signature"), s.Secrets, now)
	if event.Type == probeType {
		return probed, s.answerProbe(ctx, w)
	}
	if signedAt, ok := stripe.SignedAt(r.Header.Get("Stripe-Signature")); ok && (err == nil || errors.Is(err, stripe.ErrTimestamp)) {
		s.Tally.Signed(now.Sub(signedAt))
	}
	if err != nil {
		return refusal(err), &HTTPError{Code: http.StatusBadRequest, Msg: err.Error()}
	}
	receipt, err := s.Billing.Receive(ctx, event, billing.Webhook)
	switch {
	case err != nil:
		s.Tally.Failed(event.ID, event.Type)
		return unavailable, notStored(err)
	case receipt.Duplicate:
		return duplicate, nil
	case receipt.Ignored != "":
		return ignored, nil
	}
	return stored, nil
}

// readEvent reads the body. Stripe always says that it is JSON; the signature is what decides, so saying
// nothing is forgiven.
func readEvent(w http.ResponseWriter, r *http.Request, body *bytes.Buffer) error {
	if header := r.Header.Get("Content-Type"); header != "" {
		if kind, _, err := mime.ParseMediaType(header); err != nil || kind != "application/json" {
			return &HTTPError{Code: http.StatusUnsupportedMediaType, Msg: "send application/json"}
		}
	}
	return readBody(w, r, maxEvent, body)
}

// refusal is the outcome for an error of ParseEvent.
func refusal(err error) string {
	switch {
	case errors.Is(err, stripe.ErrSignature):
		return badSignature
	case errors.Is(err, stripe.ErrTimestamp):
		return badTimestamp
	}
	return badBody
}

// borrow gives an empty buffer, to be given back when nothing refers to its bytes any more. Receive does
// not return before the payload is on disk, or dropped.
func (s *Server) borrow() *bytes.Buffer {
	if b, ok := s.bodies.Get().(*bytes.Buffer); ok {
		return b
	}
	return new(bytes.Buffer)
}

func (s *Server) giveBack(b *bytes.Buffer) {
	if b.Cap() <= maxKept {
		b.Reset()
		s.bodies.Put(b)
	}
}
