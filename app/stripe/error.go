package stripe

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	stripego "github.com/stripe/stripe-go/v76"

	"bursar/app/redact"
)

// The kinds of failure of a call to Stripe, to be told apart with errors.Is.
var (
	ErrNotFound     = errors.New("not at Stripe")                  // no such object, or it names no customer
	ErrUnauthorized = errors.New("Stripe refuses the API key")     // 401, 403; the text names a missing permission
	ErrRateLimited  = errors.New("Stripe asks for fewer requests") // 429; see Error.RetryAfter
	ErrUnavailable  = errors.New("Stripe cannot be reached")       // network, timeout, 5xx, or an answer that is not Stripe's
	ErrIncomplete   = errors.New("Stripe's list is incomplete")    // always an ErrUnavailable as well
	ErrRefused      = errors.New("Stripe refused the request")     // other 4xx: asking again will not help
)

// Error is a failed call to Stripe. Its text holds no secrets and nothing of the answer but
// Stripe's own message (https://docs.stripe.com/api/errors).
type Error struct {
	Kind       error         // one of the Err… above
	Status     int           // HTTP status, 0 where none was seen
	RetryAfter time.Duration // what Stripe asked for, or 0
	RequestID  string        // req_…, to be quoted to Stripe's support
	Message    string
	Cause      error // a context or network error, or ErrUnavailable beside ErrIncomplete; may be nil
}

func (e *Error) Error() string {
	text := e.Kind.Error()
	if e.Message != "" {
		text += ": " + e.Message
	}
	if e.RequestID != "" {
		text += " (" + e.RequestID + ")"
	}
	return text
}

// Unwrap lets errors.Is find the kind and the cause.
func (e *Error) Unwrap() []error {
	if e.Cause == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Cause}
}

// callError turns what stripe-go returned into an Error. Only the text of a Stripe error or of
// a network error is kept: others quote the body of the answer.
func (c *Client) callError(ctx context.Context, err error) error {
	var answer *stripego.Error
	if errors.As(err, &answer) {
		return c.answerError(answer)
	}
	if ctx.Err() != nil {
		return &Error{Kind: ErrUnavailable, Message: ctx.Err().Error(), Cause: ctx.Err()}
	}
	var network *url.Error
	if errors.As(err, &network) { // its own text repeats the URL
		return &Error{Kind: ErrUnavailable, Message: c.redact(network.Err.Error()), Cause: network.Err}
	}
	return &Error{Kind: ErrUnavailable, Message: "the answer is cut off or not from Stripe"}
}

func (c *Client) answerError(answer *stripego.Error) error {
	e := &Error{
		Kind:      ErrRefused,
		Status:    answer.HTTPStatusCode,
		RequestID: c.redact(answer.RequestID),
		Message:   c.redact(answer.Msg),
	}
	switch {
	case e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden:
		e.Kind = ErrUnauthorized
	case e.Status == http.StatusNotFound && answer.Code == stripego.ErrorCodeResourceMissing:
		e.Kind = ErrNotFound
	case e.Status == http.StatusTooManyRequests:
		e.Kind = ErrRateLimited
		e.RetryAfter = retryAfter(answer.LastResponse.Header)
	case e.Status >= http.StatusInternalServerError:
		e.Kind = ErrUnavailable
		e.RetryAfter = retryAfter(answer.LastResponse.Header)
	}
	return e
}

// redact takes secrets out of a text: an answer may repeat the key it was asked with.
func (c *Client) redact(text string) string { return redact.New(c.key).Text(text) }

// retryAfter reads the header in its form of whole seconds, the one Stripe sends.
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.ParseUint(h.Get("Retry-After"), 10, 16)
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// unreadable is an answer with status 200 that is not what was asked for.
func unreadable(err error) error {
	return &Error{Kind: ErrUnavailable, Status: http.StatusOK, Message: err.Error()}
}

// incomplete is a list that cannot be trusted to hold everything.
func incomplete(format string, args ...any) error {
	return &Error{Kind: ErrIncomplete, Message: fmt.Sprintf(format, args...), Cause: ErrUnavailable}
}
