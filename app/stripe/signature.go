package stripe

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v76/webhook"
)

var (
	// ErrSignature is a missing, garbled or wrong Stripe-Signature header.
	ErrSignature = errors.New("stripe: no valid signature")

	// ErrTimestamp is a good signature made too long ago, or in the future. Stripe signs each
	// retry anew, so an event that arrives days late still has a fresh one.
	ErrTimestamp = errors.New("stripe: signature is more than 300 seconds away from now")
)

const tolerance = 300 * time.Second // Stripe's default: https://docs.stripe.com/webhooks#replay-attacks

// ParseEvent verifies the Stripe-Signature header over the raw body and decodes the envelope.
// Several secrets are in use while one is being rolled; an empty one never matches.
// The error is ErrSignature, ErrTimestamp or ErrBody and may be shown to the sender.
func ParseEvent(body []byte, header string, secrets []string, now time.Time) (Event, error) {
	signed := false
	for _, secret := range secrets { // every one is tried, so that timing does not tell which matched
		if secret != "" && webhook.ValidatePayloadIgnoringTolerance(body, header, secret) == nil {
			signed = true
		}
	}
	signedAt, ok := SignedAt(header)
	if !signed || !ok {
		return Event{}, ErrSignature
	}
	// stripe-go compares with the past only: a signature from the future would never expire.
	if now.Sub(signedAt).Abs() > tolerance {
		return Event{}, ErrTimestamp
	}
	return DecodeEvent(body)
}

// SignedAt reads the time of signing from the header, good or not; with several, stripe-go signs with the last one.
func SignedAt(header string) (at time.Time, ok bool) {
	for part := range strings.SplitSeq(header, ",") {
		if value, found := strings.CutPrefix(part, "t="); found {
			seconds, err := strconv.ParseInt(value, 10, 64)
			at, ok = time.Unix(seconds, 0), err == nil
		}
	}
	return at, ok
}
