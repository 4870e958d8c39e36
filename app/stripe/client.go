package stripe

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	stripego "github.com/stripe/stripe-go/v76"
	"golang.org/x/time/rate"
)

const (
	callTimeout = 15 * time.Second

	// callsPerSecond stays below the 25 a second that Stripe allows a sandbox, and one
	// endpoint of a live account: https://docs.stripe.com/rate-limits.
	callsPerSecond = 20
)

// Client reads from Stripe's API, always in version 2023-10-16. It never retries: its callers
// are jobs, which do. All its errors wrap an *Error, and it is safe for concurrent use.
type Client struct {
	backend stripego.Backend
	http    *http.Client
	key     string
	limit   *rate.Limiter
	reads   *reads
	names   *names
	purpose string // what the requests are for
}

// New returns a client for a secret or restricted key. base is the URL of a stand-in for
// Stripe, or empty.
func New(key, base string) *Client {
	caller := &http.Client{
		Transport: headKeeper{http.DefaultTransport},
		Timeout:   callTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // the API has none: the key goes nowhere else
		},
	}
	config := &stripego.BackendConfig{
		HTTPClient:        caller,
		MaxNetworkRetries: stripego.Int64(0),
		EnableTelemetry:   stripego.Bool(false),
		LeveledLogger:     &stripego.LeveledLogger{Level: stripego.LevelNull}, // it prints parts of answers; errors say the rest
	}
	if base != "" {
		config.URL = stripego.String(base)
	}
	return &Client{
		backend: stripego.GetBackendWithConfig(stripego.APIBackend, config),
		http:    caller,
		key:     key,
		limit:   rate.NewLimiter(callsPerSecond, callsPerSecond),
		reads:   &reads{n: map[string]int64{}},
		names:   &names{known: map[string]named{}},
		purpose: "other",
	}
}

// Livemode reports whether key is one of live mode (sk_live_…, rk_live_…).
func Livemode(key string) bool {
	_, rest, _ := strings.Cut(key, "_")
	return strings.HasPrefix(rest, "live_")
}

// Account returns the id of the account the key belongs to, acct_….
func (c *Client) Account(ctx context.Context) (string, error) {
	raw, err := c.get(ctx, "/v1/account", nil)
	if err != nil {
		return "", err
	}
	account, err := decode[wireHead](raw, "account")
	if err != nil {
		return "", unreadable(err)
	}
	return account.ID, nil
}

// CustomerOf returns the id of the Stripe customer an event is about. Where its object does
// not name one (refunds, disputes, thin events), the objects it belongs to are asked. It is
// ErrNotFound when there is none, as with a payment of a guest.
func (c *Client) CustomerOf(ctx context.Context, ev Event) (string, error) {
	for range 3 { // a thin event → its refund → the charge
		if ev.Customer != "" {
			return ev.Customer, nil
		}
		path := parentPath(ev)
		if path == "" {
			break
		}
		raw, err := c.get(ctx, path, nil)
		if err != nil {
			return "", err
		}
		object, err := decodeReferences(raw)
		if err != nil {
			return "", unreadable(err)
		}
		ev = Event{}
		object.fill(&ev)
	}
	if ev.Customer == "" {
		return "", &Error{Kind: ErrNotFound, Message: "the event names no customer"}
	}
	return ev.Customer, nil
}

// parentPath is where to ask for the customer of ev: the object it belongs to, or the object
// itself where the event does not carry it.
func parentPath(ev Event) string {
	switch {
	case ev.Charge != "":
		return objectPath("charge", ev.Charge)
	case ev.PaymentIntent != "":
		return objectPath("payment_intent", ev.PaymentIntent)
	case ev.Invoice != "":
		return objectPath("invoice", ev.Invoice)
	case ev.Subscription != "":
		return objectPath("subscription", ev.Subscription)
	case ev.Thin && ev.ObjectID != "":
		return objectPath(ev.ObjectType, ev.ObjectID)
	}
	return ""
}

// objectPath is empty for types that belong to no customer, or are not in version 2023-10-16.
func objectPath(objectType, id string) string {
	var collection string
	switch objectType {
	case "charge", "payment_intent", "invoice", "subscription", "refund", "dispute":
		collection = objectType + "s"
	case "checkout.session":
		collection = "checkout/sessions"
	default:
		return ""
	}
	return "/v1/" + collection + "/" + url.PathEscape(id)
}

func decodeReferences(raw json.RawMessage) (wireReferences, error) {
	var o wireReferences
	if err := json.Unmarshal(raw, &o); err != nil || o.ID == "" || o.Object == "" {
		return o, errors.New("the answer is not a Stripe object")
	}
	return o, nil
}

// get returns the answer to one request as Stripe sent it.
func (c *Client) get(ctx context.Context, path string, query url.Values) (json.RawMessage, error) {
	var answer stripego.APIResource
	if err := c.call(ctx, path, query, &answer); err != nil {
		return nil, err
	}
	return answer.LastResponse.RawJSON, nil
}

// call makes one request and decodes the answer into v.
func (c *Client) call(ctx context.Context, path string, query url.Values, v stripego.LastResponseSetter) error {
	if err := c.limit.Wait(ctx); err != nil {
		return &Error{Kind: ErrUnavailable, Message: "waiting for our own rate limit: " + err.Error(), Cause: err}
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	c.reads.add(c.purpose)
	ctx = seenBy(ctx)
	params := &stripego.Params{Context: ctx}
	if err := c.backend.Call(http.MethodGet, path, c.key, params, v); err != nil {
		return c.callError(ctx, err)
	}
	return nil
}

// Pace changes how many requests a second the client makes at most. Stripe's own limits are lower than
// anything but a simulator needs (https://docs.stripe.com/rate-limits).
func (c *Client) Pace(perSecond float64) {
	c.limit.SetLimit(rate.Limit(perSecond))
	c.limit.SetBurst(max(int(perSecond), 1))
}

// Patience changes how long one request may take, for a simulator beside which nothing is as fast or slow as
// Stripe. Call it before the first request.
func (c *Client) Patience(d time.Duration) { c.http.Timeout = d }
