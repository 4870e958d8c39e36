package stripe

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const testKey = "sk_test_veryverysecret"

// serve starts a stand-in for Stripe and returns a client for it.
func serve(t *testing.T, handler http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return New(testKey, server.URL)
}

func answer(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

func TestStateFailures(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		handler http.HandlerFunc
		want    Error
	}{
		{"too many requests", answer(429, `{"error":{"type":"invalid_request_error","code":"rate_limit","message":"Slow down"}}`, "Retry-After", "7", "Request-Id", "req_9"),
			Error{Kind: ErrRateLimited, Status: 429, RetryAfter: 7 * time.Second, RequestID: "req_9", Code: "rate_limit", Message: "Slow down"}},
		{"wrong key, repeated in the text", answer(401, `{"error":{"type":"invalid_request_error","message":"Invalid API Key provided: `+testKey+`"}}`),
			Error{Kind: ErrUnauthorized, Status: 401, Message: "Invalid API Key provided: [secret]"}},
		{"missing permission", answer(403, `{"error":{"type":"invalid_request_error","message":"Having the 'rak_customer_read' permission would allow this"}}`),
			Error{Kind: ErrUnauthorized, Status: 403, Message: "Having the 'rak_customer_read' permission would allow this"}},
		{"no such customer", answer(404, `{"error":{"type":"invalid_request_error","code":"resource_missing","message":"No such customer: 'cus_1'"}}`),
			Error{Kind: ErrNotFound, Status: 404, Code: "resource_missing", Message: "No such customer: 'cus_1'"}},
		{"no such page", answer(404, `{"error":{"type":"invalid_request_error","message":"Unrecognized request URL"}}`),
			Error{Kind: ErrRefused, Status: 404, Message: "Unrecognized request URL"}},
		{"bad request", answer(400, `{"error":{"type":"invalid_request_error","code":"parameter_unknown","param":"limt","message":"Received unknown parameter"}}`),
			Error{Kind: ErrRefused, Status: 400, Code: "parameter_unknown", Param: "limt", Message: "Received unknown parameter"}},
		{"server error", answer(500, `{"error":{"type":"api_error","message":"Sorry"}}`, "Retry-After", "soon"),
			Error{Kind: ErrUnavailable, Status: 500, Message: "Sorry"}},
		{"server error without Stripe's form", answer(500, `{}`), Error{Kind: ErrUnavailable, Status: 500}},
		{"gateway error in HTML", answer(502, `<html>`+testKey, "Request-Id", "req_8"), Error{Kind: ErrUnavailable, Status: 502, RequestID: "req_8"}},
		{"HTML with 200", answer(200, `<html>`+testKey), Error{Kind: ErrUnavailable, Status: 200}},
		{"{} with 200", answer(200, `{}`), Error{Kind: ErrUnavailable}},
		{"null with 200", answer(200, `null`), Error{Kind: ErrUnavailable}},
		{"empty id", answer(200, `{"id":"","object":"customer"}`), Error{Kind: ErrUnavailable}},
		{"another object", answer(200, `{"id":"ch_1","object":"charge"}`), Error{Kind: ErrUnavailable}},
		{"half an answer", answer(200, `{"id":"cus_1","object":"customer"}`, "Content-Length", "1000"), Error{Kind: ErrUnavailable, Status: 200}},
		{"a connection that breaks", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, Error{Kind: ErrUnavailable}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			state, err := serve(t, tt.handler).State(t.Context(), "cus_1", All)
			var got *Error
			if !errors.As(err, &got) || !errors.Is(err, tt.want.Kind) {
				t.Fatalf("error %v, want %v", err, tt.want.Kind)
			}
			if got.Status != tt.want.Status || got.RetryAfter != tt.want.RetryAfter || got.RequestID != tt.want.RequestID ||
				got.Code != tt.want.Code || got.Param != tt.want.Param ||
				tt.want.Message != "" && got.Message != tt.want.Message {
				t.Errorf("got  %+v\nwant %+v", *got, tt.want)
			}
			if tt.want.Status != 0 && !strings.Contains(err.Error(), "HTTP "+strconv.Itoa(tt.want.Status)) {
				t.Errorf("the text hides the status: %v", err)
			}
			if strings.Contains(err.Error(), testKey) || strings.Contains(err.Error(), "127.0.0.1") {
				t.Errorf("error text tells too much: %v", err)
			}
			if !equal(state, State{}) {
				t.Errorf("a state in spite of the error: %+v", state)
			}
		})
	}
}

func TestStateFollowsNoRedirect(t *testing.T) {
	t.Parallel()
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/elsewhere" {
			t.Error("the key was sent elsewhere")
		}
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
	if _, err := client.State(t.Context(), "cus_1", All); !errors.Is(err, ErrUnavailable) {
		t.Errorf("error %v, want ErrUnavailable", err)
	}
}

func TestStateEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	client := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel() // while the request is on its way
		<-r.Context().Done()
	})
	for range 2 { // the second time before the request
		_, err := client.State(ctx, "cus_1", All)
		if !errors.Is(err, ErrUnavailable) || !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want ErrUnavailable and context.Canceled", err)
		}
	}
}

func TestStateWithoutServer(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	if _, err := New(testKey, server.URL).State(t.Context(), "cus_1", All); !errors.Is(err, ErrUnavailable) {
		t.Errorf("error %v, want ErrUnavailable", err)
	}
}

func TestStateWithoutID(t *testing.T) {
	t.Parallel()
	client := serve(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("request to %s", r.URL) })
	if _, err := client.State(t.Context(), "", All); !errors.Is(err, ErrNotFound) {
		t.Errorf("error %v, want ErrNotFound", err)
	}
}

func TestClientRequests(t *testing.T) {
	t.Parallel()
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		h := r.Header
		if h.Get("Stripe-Version") != "2023-10-16" || h.Get("Authorization") != "Bearer "+testKey || h.Get("X-Stripe-Client-Telemetry") != "" {
			t.Errorf("headers %v", h)
		}
		w.Header().Set("Request-Id", "req_1")
		fmt.Fprint(w, `{"id":"acct_1","object":"account"}`)
	})
	for range 2 { // telemetry would come with the second request
		if id, err := client.Account(t.Context()); id != "acct_1" || err != nil {
			t.Errorf("account %q, %v", id, err)
		}
	}
}

// pagesOf serves lists from a map of path and starting_after to an answer.
func pagesOf(t *testing.T, pages map[string]string) *Client {
	t.Helper()
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		page, ok := pages[r.URL.Query().Get("starting_after")]
		if !ok {
			t.Errorf("request for %s", r.URL)
		}
		if page == "500" {
			answer(500, `{"error":{"type":"api_error","message":"Sorry"}}`)(w, r)
			return
		}
		if page == "half" {
			answer(200, `{"object":"list","data":[{"id":"cus_2",`, "Content-Length", "1000")(w, r)
			return
		}
		fmt.Fprint(w, page)
	})
}

func customers(more bool, ids ...string) string {
	var data []string
	for _, id := range ids {
		data = append(data, fmt.Sprintf(`{"id":%q,"object":"customer"}`, id))
	}
	return fmt.Sprintf(`{"object":"list","has_more":%v,"data":[%s]}`, more, strings.Join(data, ","))
}

func TestCustomersAreCompleteOrAnError(t *testing.T) {
	t.Parallel()
	one := customers(true, "cus_1", "cus_2")
	tests := []struct {
		name  string
		pages map[string]string
		ids   int
		want  error
	}{
		{"none", map[string]string{"": customers(false)}, 0, nil},
		{"one page", map[string]string{"": customers(false, "cus_1", "cus_2")}, 2, nil},
		{"three pages", map[string]string{"": one, "cus_2": customers(true, "cus_3"), "cus_3": customers(false, "cus_4")}, 4, nil},
		{"an empty last page", map[string]string{"": one, "cus_2": customers(false)}, 2, nil},

		{"the first page is {}", map[string]string{"": `{}`}, 0, ErrIncomplete},
		{"the second page is {}", map[string]string{"": one, "cus_2": `{}`}, 2, ErrIncomplete},
		{"the second page is null", map[string]string{"": one, "cus_2": `null`}, 2, ErrIncomplete},
		{"the second page has no data", map[string]string{"": one, "cus_2": `{"object":"list","has_more":false}`}, 2, ErrIncomplete},
		{"the second page has null data", map[string]string{"": one, "cus_2": `{"object":"list","data":null}`}, 2, ErrIncomplete},
		{"the second page is another object with data", map[string]string{"": one, "cus_2": `{"object":"search_result","data":[]}`}, 2, ErrIncomplete},
		{"the second page is an object", map[string]string{"": one, "cus_2": `{"id":"cus_3","object":"customer"}`}, 2, ErrIncomplete},
		{"the second page is a 500", map[string]string{"": one, "cus_2": "500"}, 2, ErrUnavailable},
		{"the second page is HTML", map[string]string{"": one, "cus_2": "<html>"}, 2, ErrUnavailable},
		{"the second page is cut off", map[string]string{"": one, "cus_2": "half"}, 2, ErrUnavailable},
		{"an element without an id", map[string]string{"": `{"object":"list","data":[{"id":"cus_1","object":"customer"},{"object":"customer"}]}`}, 0, ErrIncomplete},
		{"an element of another kind", map[string]string{"": `{"object":"list","data":[{"id":"ch_1","object":"charge"}]}`}, 0, ErrIncomplete},
		{"an element that is null", map[string]string{"": `{"object":"list","data":[null]}`}, 0, ErrIncomplete},
		{"more after an empty page", map[string]string{"": one, "cus_2": customers(true)}, 2, ErrIncomplete},
		{"the same page again", map[string]string{"": one, "cus_2": one}, 4, ErrIncomplete},
		{"pages in a circle", map[string]string{"": one, "cus_2": customers(true, "cus_3"), "cus_3": customers(true, "cus_2")}, 5, ErrIncomplete},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n, last := 0, error(nil)
			for customer, err := range pagesOf(t, tt.pages).Customers(t.Context()) {
				if last != nil {
					t.Fatalf("%+v, %v after an error", customer, err)
				}
				if last = err; err == nil {
					n++
				}
			}
			if n != tt.ids || !errors.Is(last, tt.want) {
				t.Errorf("%d customers and %v, want %d and %v", n, last, tt.ids, tt.want)
			}
			if tt.want != nil && !errors.Is(last, ErrUnavailable) {
				t.Errorf("%v is no ErrUnavailable", last)
			}
		})
	}
}

func TestCustomersStopWhenTold(t *testing.T) {
	t.Parallel()
	client := pagesOf(t, map[string]string{"": customers(true, "cus_1", "cus_2")}) // and no second page
	for customer, err := range client.Customers(t.Context()) {
		if customer.ID != "cus_1" || err != nil {
			t.Errorf("customer %+v, %v", customer, err)
		}
		break
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if got := r.URL.Query().Get("created[gte]"); got != "1700000000" {
			t.Errorf("created[gte]=%s", got)
		}
		fmt.Fprint(w, `{"object":"list","data":[{"id":"evt_2","object":"event","type":"b","created":1700000001},{"id":"evt_1","object":"event","type":"a","created":1700000000}]}`)
	})
	var ids []string
	for ev, err := range client.Events(t.Context(), EventQuery{Since: unix(1700000000)}) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, ev.ID)
	}
	if !slices.Equal(ids, []string{"evt_2", "evt_1"}) {
		t.Errorf("events %v", ids)
	}
}

// objects serves Stripe objects by path; others are missing. It notes the paths asked for.
type objects struct {
	mu      sync.Mutex
	asked   []string
	objects map[string]string
}

func (o *objects) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked = append(o.asked, r.URL.Path)
	body, ok := o.objects[r.URL.Path]
	if !ok {
		answer(404, `{"error":{"type":"invalid_request_error","code":"resource_missing","message":"No such object"}}`)(w, r)
		return
	}
	fmt.Fprint(w, body)
}

func TestCustomerOf(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		event   Event
		objects map[string]string
		want    string
		err     error
		asked   int
	}{
		{"named by the event", Event{Customer: "cus_1"}, nil, "cus_1", nil, 0},
		{"a dispute, by its charge", Event{ObjectType: "dispute", ObjectID: "dp_1", Charge: "ch_1", PaymentIntent: "pi_1"},
			map[string]string{"/v1/charges/ch_1": `{"id":"ch_1","object":"charge","customer":"cus_1"}`}, "cus_1", nil, 1},
		{"a refund, by its payment intent", Event{ObjectType: "refund", ObjectID: "re_1", PaymentIntent: "pi_1"},
			map[string]string{"/v1/payment_intents/pi_1": `{"id":"pi_1","object":"payment_intent","customer":"cus_1"}`}, "cus_1", nil, 1},
		{"an invoice_payment, by its invoice", Event{ObjectType: "invoice_payment", ObjectID: "inpay_1", Invoice: "in_1"},
			map[string]string{"/v1/invoices/in_1": `{"id":"in_1","object":"invoice","customer":"cus_1"}`}, "cus_1", nil, 1},
		{"a thin event of a subscription", Event{Thin: true, ObjectType: "subscription", ObjectID: "sub_1"},
			map[string]string{"/v1/subscriptions/sub_1": `{"id":"sub_1","object":"subscription","customer":"cus_1"}`}, "cus_1", nil, 1},
		{"a thin event of a checkout session", Event{Thin: true, ObjectType: "checkout.session", ObjectID: "cs_1"},
			map[string]string{"/v1/checkout/sessions/cs_1": `{"id":"cs_1","object":"checkout.session","customer":"cus_1"}`}, "cus_1", nil, 1},
		{"a thin event of a refund, by its charge", Event{Thin: true, ObjectType: "refund", ObjectID: "re_1"}, map[string]string{
			"/v1/refunds/re_1": `{"id":"re_1","object":"refund","charge":"ch_1"}`,
			"/v1/charges/ch_1": `{"id":"ch_1","object":"charge","customer":"cus_1"}`}, "cus_1", nil, 2},
		{"the payment of a guest", Event{Charge: "ch_1"},
			map[string]string{"/v1/charges/ch_1": `{"id":"ch_1","object":"charge","customer":null}`}, "", ErrNotFound, 1},
		{"a charge Stripe does not have", Event{Charge: "ch_1"}, nil, "", ErrNotFound, 1},
		{"an object that has no customer", Event{ObjectType: "price", ObjectID: "price_1"}, nil, "", ErrNotFound, 0},
		{"a thin event of an unknown object", Event{Thin: true, ObjectType: "v2.thing", ObjectID: "x"}, nil, "", ErrNotFound, 0},
		{"a charge that is {}", Event{Charge: "ch_1"}, map[string]string{"/v1/charges/ch_1": `{}`}, "", ErrUnavailable, 1},
		{"objects that point in a circle", Event{Charge: "ch_1"},
			map[string]string{"/v1/charges/ch_1": `{"id":"ch_1","object":"charge","charge":"ch_1"}`}, "", ErrNotFound, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			handler := &objects{objects: tt.objects}
			got, err := serve(t, handler.ServeHTTP).CustomerOf(t.Context(), tt.event)
			if got != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("got %q and %v, want %q and %v", got, err, tt.want, tt.err)
			}
			if len(handler.asked) != tt.asked {
				t.Errorf("asked for %v", handler.asked)
			}
		})
	}
}

func TestLivemode(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]bool{
		"sk_live_1": true, "rk_live_1": true, "sk_test_1": false, "rk_test_live_1": false, "": false, "live_": false,
	} {
		if got := Livemode(key); got != want {
			t.Errorf("Livemode(%q) = %v", key, got)
		}
	}
}
