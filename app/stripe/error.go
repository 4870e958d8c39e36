package stripe

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
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
	Code       string        // Stripe's code of the error, or ""
	Param      string        // the parameter that it is about, or ""
	Replayed   bool          // Stripe repeats what it answered to the first request with this idempotency key
	Message    string
	Cause      error // a context or network error, or ErrUnavailable beside ErrIncomplete; may be nil
}

func (e *Error) Error() string {
	text := e.Kind.Error()
	if e.Message != "" {
		text += ": " + e.Message
	}
	var details []string
	if e.Status != 0 {
		details = append(details, "HTTP "+strconv.Itoa(e.Status))
	}
	for _, detail := range []string{e.Code, e.Param, e.RequestID} {
		if detail != "" {
			details = append(details, detail)
		}
	}
	if len(details) > 0 {
		text += " (" + strings.Join(details, ", ") + ")"
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

// callError turns what stripe-go returned for a request of seenBy(ctx) into an Error. Only the text of a
// Stripe error or of a network error is kept: others quote the body of the answer.
func (c *Client) callError(ctx context.Context, err error) error {
	e := c.errorOf(ctx, err)
	if head, ok := ctx.Value(headKey{}).(*head); ok && head.status != 0 {
		e.Status, e.RequestID = head.status, c.redact(head.header.Get("Request-Id"))
		e.Replayed = head.header.Get("Idempotent-Replayed") == "true"
		if errors.Is(e, ErrRateLimited) || e.Status >= http.StatusInternalServerError {
			e.RetryAfter = retryAfter(head.header)
		}
	}
	return e
}

func (c *Client) errorOf(ctx context.Context, err error) *Error {
	var answer *stripego.Error
	if errors.As(err, &answer) {
		return &Error{Kind: kindOf(answer), Code: c.redact(string(answer.Code)), Param: c.redact(answer.Param), Message: c.redact(answer.Msg)}
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

func kindOf(answer *stripego.Error) error {
	switch status := answer.HTTPStatusCode; {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return ErrUnauthorized
	case status == http.StatusNotFound && answer.Code == stripego.ErrorCodeResourceMissing:
		return ErrNotFound
	case status == http.StatusTooManyRequests:
		return ErrRateLimited
	case status >= http.StatusInternalServerError:
		return ErrUnavailable
	}
	return ErrRefused
}

// head is the beginning of an answer, which stripe-go does not give out where the rest is not Stripe's.
type head struct {
	status int
	header http.Header
}

type headKey struct{}

// seenBy is a context for one request, whose answer's head is kept in it.
func seenBy(ctx context.Context) context.Context { return context.WithValue(ctx, headKey{}, new(head)) }

// headKeeper is a transport that keeps them.
type headKeeper struct{ http.RoundTripper }

func (k headKeeper) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := k.RoundTripper.RoundTrip(r)
	if head, ok := r.Context().Value(headKey{}).(*head); ok && err == nil {
		head.status, head.header = res.StatusCode, res.Header
	}
	return res, err
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
