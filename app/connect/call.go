package connect

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/time/rate"

	"bursar/app/queue"
)

const (
	// MaxAnswer is how many bytes an answer may have; a page of a list is far below it.
	MaxAnswer = 4 << 20

	maxMessage = 300 // bytes of what a vendor says
)

// Client calls one vendor's JSON API within its limits.
type Client struct {
	Label   string // of the vendor, for people
	Base    string // without a slash at the end
	HTTP    *http.Client
	Limit   *rate.Limiter
	Header  http.Header                          // of every request: the token, the version of the API
	Explain func(status int, body []byte) string // what an error body says; nil finds the usual fields

	watch *watch // counts what fails, nil counts nothing
}

// CallError is an answer that is not success, or none.
type CallError struct {
	Label   string
	Status  int           // of the answer, 0 if there was none
	Message string        // the vendor's, bounded and without addresses of people
	After   time.Duration // how long to wait, 0 if nothing was asked for
	Body    []byte        // of the answer, for the vendor's own file
	Sent    bool          // the request may have been worked on
	Err     error         // without an answer
}

func (e *CallError) Error() string {
	switch {
	case e.Status == 0:
		return fmt.Sprintf("%s does not answer: %v", e.Label, e.Err)
	case e.Message == "":
		return fmt.Sprintf("%s answers %d %s", e.Label, e.Status, http.StatusText(e.Status))
	}
	return fmt.Sprintf("%s answers %d: %s", e.Label, e.Status, e.Message)
}

func (e *CallError) Unwrap() error { return e.Err }

// refused says that nothing was done: the vendor said no, or heard nothing.
func (e *CallError) refused() bool {
	if e.Status == 0 {
		return !e.Sent
	}
	return e.Status >= 400 && e.Status < 500 && e.Status != http.StatusRequestTimeout
}

// errUnreadable is a success whose body is not what it must be: nobody knows what was done.
var errUnreadable = errors.New("its answer could not be understood")

// Unreadable is the error for a success without the id it must have, like {}: the outcome is not known.
func (c *Client) Unreadable(what string) error {
	return &CallError{Label: c.Label, Sent: true, Err: fmt.Errorf("%w: %s", errUnreadable, what)}
}

// Do sends in as JSON, unless it is nil, and decodes the answer into out, unless that is nil. Its errors are
// *CallError; what is done about them is for Keeper.
func (c *Client) Do(ctx context.Context, method, path string, in, out any) error {
	_, err := c.Send(ctx, method, path, nil, in, out)
	return err
}

// Send is Do with further headers, and gives the status and headers of a success.
func (c *Client) Send(ctx context.Context, method, path string, header http.Header, in, out any) (*http.Response, error) {
	if err := c.Limit.Wait(ctx); err != nil {
		return nil, &CallError{Label: c.Label, Err: fmt.Errorf("no turn came within the limit of requests: %w", err)}
	}
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("write a request to %s: %w", c.Label, err)
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.Base+path, body)
	if err != nil {
		return nil, fmt.Errorf("make a request to %s: %w", c.Label, err)
	}
	for _, h := range []http.Header{c.Header, header} {
		for name, values := range h {
			req.Header[name] = values
		}
	}
	req.Header.Set("Accept", "application/json")
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, text, err := c.exchange(req)
	if err == nil && out != nil && len(text) == 0 {
		err = c.Unreadable("it is empty")
	}
	if err == nil && out != nil {
		if json.Unmarshal(text, out) != nil {
			err = c.Unreadable("it is not the JSON that was asked for")
		}
	}
	c.watch.count(err)
	return res, err
}

// exchange sends a request and reads the answer.
func (c *Client) exchange(req *http.Request) (*http.Response, []byte, error) {
	res, err := c.HTTP.Do(req)
	if err != nil {
		return nil, nil, &CallError{Label: c.Label, Sent: !neverSent(err), Err: reason(err)}
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, MaxAnswer+1))
	if res.StatusCode >= 200 && res.StatusCode < 300 {
		if err != nil || len(text) > MaxAnswer {
			return nil, nil, &CallError{Label: c.Label, Sent: true, Err: fmt.Errorf("its answer is cut off or too long: %w", errors.Join(err, errUnreadable))}
		}
		return res, text, nil
	}
	return nil, nil, &CallError{Label: c.Label, Status: res.StatusCode, Message: c.message(res, text), Body: text, Sent: true,
		After: askedWait(res, time.Now())}
}

// neverSent says that no connection was made, so that nothing can have been done.
func neverSent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// reason is the error without the URL, whose query may name people.
func reason(err error) error {
	var u interface {
		Unwrap() error
		Timeout() bool
	}
	if errors.As(err, &u) && u.Unwrap() != nil {
		return u.Unwrap()
	}
	return err
}

// askedWait is how long the vendor asks to be left alone: in Retry-After, or until the Unix time in X-RateLimit-Reset,
// which is all that Intercom says.
func askedWait(res *http.Response, now time.Time) time.Duration {
	after := retryAfter(res.Header.Get("Retry-After"), now)
	if after > 0 || res.StatusCode != http.StatusTooManyRequests {
		return after
	}
	seconds, err := strconv.ParseInt(res.Header.Get("X-RateLimit-Reset"), 10, 64)
	if err != nil {
		return 0
	}
	return max(time.Unix(seconds, 0).Sub(now), 0)
}

// retryAfter reads the header in both its forms (RFC 9110, section 10.2.3).
func retryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(strings.TrimSpace(text)); err == nil {
		return max(time.Duration(seconds)*time.Second, 0)
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}

// message is what the vendor says of the error, fit for a page and a log.
func (c *Client) message(res *http.Response, body []byte) string {
	explain := c.Explain
	if explain == nil {
		explain = usualMessage
	}
	if kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); strings.HasSuffix(kind, "html") {
		return "" // of a proxy in between
	}
	return Redact(explain(res.StatusCode, body))
}

// usualMessage finds the text where most vendors put it.
func usualMessage(_ int, body []byte) string {
	var said struct {
		Message     string          `json:"message"`
		Description string          `json:"description"`
		Error       json.RawMessage `json:"error"`
	}
	if json.Unmarshal(body, &said) != nil {
		return string(body)
	}
	text := ""
	json.Unmarshal(said.Error, &text) // it is a word, or an object that says more
	for _, part := range []string{said.Message, said.Description} {
		if part != "" {
			text = strings.TrimPrefix(text+": "+part, ": ")
		}
	}
	return text
}

var address = regexp.MustCompile(`[^\s"'<>(),;:=]+@[^\s"'<>(),;:=]+`)

// Redact makes one line of what a vendor says, bounded and without e-mail addresses: errors go to the log.
func Redact(text string) string {
	text = address.ReplaceAllString(text, "[address]")
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "") + "…"
	}
	return text
}

// outcome says to the queue what to do about an error of a call.
func outcome(err error) error {
	var call *CallError
	if !errors.As(err, &call) {
		return err
	}
	switch {
	case call.Status == http.StatusUnauthorized || call.Status == http.StatusForbidden:
		return queue.Unauthorized(err)
	case call.Status == http.StatusTooManyRequests || !call.refused():
		return queue.Unavailable(err, call.After)
	case call.Status == 0: // the limit of requests, or nobody there
		return queue.Unavailable(err, 0)
	case call.Status == http.StatusConflict || call.Status == http.StatusLocked:
		return err // somebody else wrote it at the same moment
	}
	return queue.Discard(err) // the problem of this record
}
