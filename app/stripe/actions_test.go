package stripe

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stripe/stripe-mock/embedded"
	"github.com/stripe/stripe-mock/server"
)

// everyChange are the changes, with the object each is answered with.
var everyChange = []struct {
	name, object, method, path string
	do                         func(ctx context.Context, a *Actions) error
	body                       url.Values
}{
	{"refund", `{"id":"re_1","object":"refund","charge":"ch_1","amount":700}`, "POST", "/v1/refunds", func(ctx context.Context, a *Actions) error {
		_, err := a.Refund(ctx, "key_1", "ch_1", 700)
		return err
	}, url.Values{"charge": {"ch_1"}, "amount": {"700"}, "metadata[action_id]": {"key_1"}}},
	{"change plan", `{"id":"sub_1","object":"subscription"}`, "POST", "/v1/subscriptions/sub_1", func(ctx context.Context, a *Actions) error {
		_, err := a.ChangePlan(ctx, "key_1", PlanChange{"sub_1", "si_1", "price_1", 2, "always_invoice", time.Unix(1700000000, 0)})
		return err
	}, url.Values{"items[0][id]": {"si_1"}, "items[0][price]": {"price_1"}, "items[0][quantity]": {"2"}, "proration_behavior": {"always_invoice"},
		"proration_date": {"1700000000"}, "metadata[action_id]": {"key_1"}}},
	{"change plan without settling", `{"id":"sub_1","object":"subscription"}`, "POST", "/v1/subscriptions/sub_1", func(ctx context.Context, a *Actions) error {
		_, err := a.ChangePlan(ctx, "key_1", PlanChange{"sub_1", "si_1", "price_1", 1, "none", time.Unix(1700000000, 0)})
		return err
	}, url.Values{"items[0][id]": {"si_1"}, "items[0][price]": {"price_1"}, "items[0][quantity]": {"1"}, "proration_behavior": {"none"}, "metadata[action_id]": {"key_1"}}},
	{"cancel now", `{"id":"sub_1","object":"subscription"}`, "DELETE", "/v1/subscriptions/sub_1", func(ctx context.Context, a *Actions) error {
		_, err := a.CancelNow(ctx, "key_1", "sub_1")
		return err
	}, url.Values{"invoice_now": {"false"}, "prorate": {"false"}, "cancellation_details[comment]": {"Cancelled with Bursar, key_1"}}},
	{"cancel at period end", `{"id":"sub_1","object":"subscription"}`, "POST", "/v1/subscriptions/sub_1", func(ctx context.Context, a *Actions) error {
		_, err := a.CancelAtPeriodEnd(ctx, "key_1", "sub_1", true)
		return err
	}, url.Values{"cancel_at_period_end": {"true"}, "metadata[action_id]": {"key_1"}}},
	{"keep", `{"id":"sub_1","object":"subscription"}`, "POST", "/v1/subscriptions/sub_1", func(ctx context.Context, a *Actions) error {
		_, err := a.CancelAtPeriodEnd(ctx, "key_1", "sub_1", false)
		return err
	}, url.Values{"cancel_at_period_end": {"false"}, "metadata[action_id]": {"key_1"}}},
	{"pause", `{"id":"sub_1","object":"subscription"}`, "POST", "/v1/subscriptions/sub_1", func(ctx context.Context, a *Actions) error {
		_, err := a.PauseCollection(ctx, "key_1", "sub_1", "keep_as_draft")
		return err
	}, url.Values{"pause_collection[behavior]": {"keep_as_draft"}, "metadata[action_id]": {"key_1"}}},
	{"resume", `{"id":"sub_1","object":"subscription"}`, "POST", "/v1/subscriptions/sub_1", func(ctx context.Context, a *Actions) error {
		_, err := a.ResumeCollection(ctx, "key_1", "sub_1")
		return err
	}, url.Values{"pause_collection": {""}, "metadata[action_id]": {"key_1"}}},
	{"pay", `{"id":"in_1","object":"invoice"}`, "POST", "/v1/invoices/in_1/pay", func(ctx context.Context, a *Actions) error {
		_, err := a.PayInvoice(ctx, "key_1", "in_1")
		return err
	}, url.Values{}},
	{"send an invoice", `{"id":"in_1","object":"invoice"}`, "POST", "/v1/invoices/in_1/send", func(ctx context.Context, a *Actions) error {
		_, err := a.SendInvoice(ctx, "key_1", "in_1")
		return err
	}, url.Values{}},
	{"send a receipt", `{"id":"ch_1","object":"charge"}`, "POST", "/v1/charges/ch_1", func(ctx context.Context, a *Actions) error {
		_, err := a.SendReceipt(ctx, "key_1", "ch_1", "ada@example.com")
		return err
	}, url.Values{"receipt_email": {"ada@example.com"}, "metadata[action_id]": {"key_1"}}},
}

// TestChangesAreSentAsTheyAre: method, path, key, every parameter, and nothing twice.
func TestChangesAreSentAsTheyAre(t *testing.T) {
	t.Parallel()
	for _, row := range everyChange {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			requests := 0
			web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				requests++
				body, _ := io.ReadAll(r.Body)
				got, _ := url.ParseQuery(string(body) + "&" + r.URL.RawQuery)
				if r.Method != row.method || r.URL.Path != row.path || got.Encode() != row.body.Encode() {
					t.Errorf("%s %s %s\nwant %s %s %s", r.Method, r.URL.Path, got.Encode(), row.method, row.path, row.body.Encode())
				}
				if h := r.Header; h.Get("Idempotency-Key") != "key_1" || h.Get("Authorization") != "Bearer "+testKey || h.Get("Stripe-Version") != "2023-10-16" {
					t.Errorf("headers %v", h)
				}
				io.WriteString(w, row.object)
			}))
			t.Cleanup(web.Close)
			if err := row.do(t.Context(), NewActions(testKey, web.URL)); err != nil || requests != 1 {
				t.Errorf("%d requests, %v", requests, err)
			}
		})
	}
}

// TestWhatAnAnswerToAChangeMeans: refused is only what Stripe says it did not do.
func TestWhatAnAnswerToAChangeMeans(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		handler http.HandlerFunc
		kind    error
		refused bool
	}{
		{"400", answer(400, `{"error":{"type":"invalid_request_error","code":"charge_already_refunded","message":"No"}}`), ErrRefused, true},
		{"402, the card declines", answer(402, `{"error":{"type":"card_error","code":"card_declined","message":"No"}}`), ErrRefused, true},
		{"401", answer(401, `{"error":{"type":"invalid_request_error","message":"No"}}`), ErrUnauthorized, true},
		{"403", answer(403, `{"error":{"type":"invalid_request_error","message":"No"}}`), ErrUnauthorized, true},
		{"404", answer(404, `{"error":{"type":"invalid_request_error","code":"resource_missing","message":"No"}}`), ErrNotFound, true},
		{"429", answer(429, `{"error":{"type":"invalid_request_error","code":"lock_timeout","message":"No"}}`), ErrRateLimited, false},
		{"409, the key is in use", answer(409, `{"error":{"type":"idempotency_error","code":"idempotency_key_in_use","message":"No"}}`), ErrUnavailable, false},
		{"400, the key was used otherwise", answer(400, `{"error":{"type":"idempotency_error","message":"No"}}`), ErrUnavailable, false},
		{"500", answer(500, `{"error":{"type":"api_error","message":"Sorry"}}`), ErrUnavailable, false},
		{"502 by a proxy", answer(502, `<html>`), ErrUnavailable, false},
		{"400 by a proxy", answer(400, `<html>`), ErrUnavailable, false},
		{"200 with {}", answer(200, `{}`), ErrUnavailable, false},
		{"200 with HTML", answer(200, `<html>`), ErrUnavailable, false},
		{"200 with another object", answer(200, `{"id":"evt_1","object":"event"}`), ErrUnavailable, false},
		{"200 with half an answer", answer(200, `{"id":"re_1","object":"refund"}`, "Content-Length", "1000"), ErrUnavailable, false},
		{"a redirect", answer(307, ``, "Location", "/elsewhere"), ErrUnavailable, false},
		{"a cut connection", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, ErrUnavailable, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			web := httptest.NewServer(row.handler)
			t.Cleanup(web.Close)
			for _, change := range everyChange {
				err := change.do(t.Context(), NewActions(testKey, web.URL))
				if !errors.Is(err, row.kind) || Refused(err) != row.refused || strings.Contains(err.Error(), testKey) {
					t.Errorf("%s: %v (refused %t), want %v (refused %t)", change.name, err, Refused(err), row.kind, row.refused)
				}
			}
		})
	}
}

// TestWhatStripeBrokeAndRepeats: only the repeated error of a request that has ended.
func TestWhatStripeBrokeAndRepeats(t *testing.T) {
	t.Parallel()
	const sorry = `{"error":{"type":"api_error","message":"Sorry"}}`
	for _, row := range []struct {
		name    string
		handler http.HandlerFunc
		broken  bool
	}{
		{"500", answer(500, sorry), false},
		{"500 repeated", answer(500, sorry, "Idempotent-Replayed", "true"), true},
		{"500 repeated without Stripe's form", answer(500, `{}`, "Idempotent-Replayed", "true"), true},
		{"500 that says it is not repeated", answer(500, sorry, "Idempotent-Replayed", "false"), false},
		{"402 repeated", answer(402, `{"error":{"type":"card_error","message":"No"}}`, "Idempotent-Replayed", "true"), false},
		{"409, the key is in use", answer(409, `{"error":{"type":"idempotency_error","message":"No"}}`), false},
		{"half a repeated answer", answer(200, `{"id":"re_1"`, "Content-Length", "1000", "Idempotent-Replayed", "true"), false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			web := httptest.NewServer(row.handler)
			t.Cleanup(web.Close)
			for _, change := range everyChange {
				if err := change.do(t.Context(), NewActions(testKey, web.URL)); err == nil || Broken(err) != row.broken {
					t.Errorf("%s: %v (broken %t)", change.name, err, Broken(err))
				}
			}
		})
	}
}

// TestTheAnswerIsAboutWhatWasAsked: of another object it is no answer.
func TestTheAnswerIsAboutWhatWasAsked(t *testing.T) {
	t.Parallel()
	for _, row := range everyChange {
		other := strings.NewReplacer(`"sub_1"`, `"sub_2"`, `"in_1"`, `"in_2"`, `"id":"ch_1"`, `"id":"ch_2"`, `"amount":700`, `"amount":7000`).Replace(row.object)
		web := httptest.NewServer(answer(200, other))
		if err := row.do(t.Context(), NewActions(testKey, web.URL)); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s answered with %s: %v", row.name, other, err)
		}
		web.Close()
	}
}

func TestAChangeWithoutAKeyIsNotSent(t *testing.T) {
	t.Parallel()
	web := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it is sent") }))
	t.Cleanup(web.Close)
	if _, err := NewActions(testKey, web.URL).Refund(t.Context(), "", "ch_1", 1); !Refused(err) {
		t.Error(err)
	}
}

// TestChangesAgainstStripeMock: Stripe's own mock refuses what version 2023-10-16 does not know.
func TestChangesAgainstStripeMock(t *testing.T) {
	t.Parallel()
	spec, err := server.LoadSpec(embedded.OpenAPISpec, "")
	if err != nil {
		t.Fatal(err)
	}
	fixtures, err := server.LoadFixtures(embedded.OpenAPIFixtures, "")
	if err != nil {
		t.Fatal(err)
	}
	stub, err := server.NewStubServer(fixtures, spec, true, false)
	if err != nil {
		t.Fatal(err)
	}
	mock := httptest.NewServer(http.HandlerFunc(stub.HandleRequest))
	t.Cleanup(mock.Close)
	a, ctx := NewActions("sk_test_123", mock.URL), t.Context()
	for _, row := range everyChange {
		// The mock makes up the numbers and the charge of a refund.
		if err := row.do(ctx, a); err != nil && (row.name != "refund" || !strings.Contains(err.Error(), "the refund re_")) {
			t.Errorf("%s: %v", row.name, err)
		}
	}
	if _, _, err := a.Charge(ctx, "ch_1"); err != nil {
		t.Error(err)
	}
	if _, err := a.RefundsOf(ctx, "ch_1"); err != nil {
		t.Error(err)
	}
	if _, err := a.Invoice(ctx, "in_1"); err != nil {
		t.Error(err)
	}
	if s, err := a.Subscription(ctx, "sub_1"); err != nil || len(s.Items) == 0 || s.Items[0].ID == "" {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := a.Prices(ctx, "usd"); err != nil {
		t.Error(err)
	}
	p, err := a.PreviewChange(ctx, "cus_1", PlanChange{"sub_1", "si_1", "price_1", 2, "create_prorations", time.Unix(1700000000, 0)})
	if err != nil || p.Currency == "" || len(p.Lines) == 0 {
		t.Errorf("preview %+v, %v", p, err)
	}
}

func TestAPreviewThatIsNone(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{}`, `null`, `{"object":"invoice"}`, `{"object":"invoice","currency":"usd","lines":{"data":[]}}`, `{"object":"list","data":[]}`, `<html>`} {
		web := httptest.NewServer(answer(200, body))
		if p, err := NewActions(testKey, web.URL).PreviewChange(t.Context(), "cus_1", PlanChange{}); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: %+v, %v", body, p, err)
		}
		web.Close()
	}
}
