package demo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"testing"
	"time"

	stripe "github.com/stripe/stripe-go/v76"
)

// TestFaults arranges each fault for the creation of a refund, and tries again with the
// same idempotency key.
func TestFaults(t *testing.T) {
	t.Parallel()
	rows := []struct {
		what   string
		kind   FaultKind
		status int  // of the first answer; 0 when there is none
		done   bool // the first call made the refund
		second int  // the status of the second answer
	}{
		{"too many requests", RateLimited, 429, false, 200},
		{"a server error, which is repeated", ServerError, 500, false, 500},
		{"no answer", Hang, 0, false, 200},
		{"an empty answer", Empty, 200, true, 200},
		{"a cut connection", Drop, 0, true, 200},
		{"half an answer", HalfBody, 0, true, 200},
		{"a server error after the work, which is repeated", BrokenAfter, 500, true, 500},
	}
	for _, row := range rows {
		t.Run(row.what, func(t *testing.T) {
			t.Parallel()
			s := NewStripe(1, start())
			api := connect(t, s)
			p := must[Purchase](t)(s.Buy(BuyOptions{}))
			s.Fail(APIFault{Method: http.MethodPost, Path: "/v1/refunds", Kind: row.kind, RetryAfter: 3 * time.Second})
			refund := func(wait time.Duration) (*stripe.Refund, int) {
				params := &stripe.RefundParams{Charge: stripe.String(p.Charge), Amount: stripe.Int64(700)}
				params.SetIdempotencyKey("key_1")
				ctx, stop := context.WithTimeout(t.Context(), wait)
				defer stop()
				params.Context = ctx
				re, err := api.Refunds.New(params)
				var e *stripe.Error
				switch {
				case err == nil:
					return re, http.StatusOK
				case errors.As(err, &e):
					return re, e.HTTPStatusCode
				}
				return re, 0
			}
			wait := time.Minute
			if row.kind == Hang {
				wait = 50 * time.Millisecond
			}
			if _, status := refund(wait); status != row.status {
				t.Errorf("the first answer is %d, want %d", status, row.status)
			}
			if done := len(refundIDs(s)) == 1; done != row.done {
				t.Errorf("refund made by the first call: %v, want %v", done, row.done)
			}
			re, status := refund(time.Minute)
			made := refundIDs(s)
			if status != row.second || status == http.StatusOK && re.ID != made[0] {
				t.Errorf("the second answer is %d, want %d", status, row.second)
			}
			if len(made) > 1 {
				t.Error("refunded twice")
			}
		})
	}
}

func refundIDs(s *Stripe) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, re := range s.refunds.all {
		out = append(out, re.id)
	}
	return out
}

func TestDown(t *testing.T) {
	t.Parallel()
	s := NewStripe(1, start())
	api := connect(t, s)
	for _, down := range []bool{true, false} {
		s.Down(down)
		if _, err := api.Accounts.Get(); (err != nil) != down {
			t.Errorf("down %v: %v", down, err)
		}
	}
}

func TestIdempotencyKeys(t *testing.T) {
	t.Parallel()
	s := NewStripe(1, start())
	api := serve(t, s)
	create := func(key, name string) (*stripe.Customer, error) {
		params := &stripe.CustomerParams{Name: stripe.String(name)}
		params.SetIdempotencyKey(key)
		return api.Customers.New(params)
	}
	first := must[*stripe.Customer](t)(create("a", "Ann"))
	again := must[*stripe.Customer](t)(create("a", "Ann"))
	if again.ID != first.ID || again.LastResponse.Header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("the repeated call made %s, want %s", again.ID, first.ID)
	}
	_, err := create("a", "Bob")
	var e *stripe.Error
	if !errors.As(err, &e) || e.Type != stripe.ErrorTypeIdempotency || e.HTTPStatusCode != 400 {
		t.Errorf("the key with other parameters: %v", err)
	}
	for _, kind := range []FaultKind{ServerError, BrokenAfter} {
		s.Fail(APIFault{Method: "POST", Path: "/v1/customers", Kind: kind})
		key := fmt.Sprint("broken ", kind)
		for i, replayed := range []string{"", "true", "true"} {
			_, err := create(key, "Cat")
			if !errors.As(err, &e) || e.HTTPStatusCode != 500 || e.LastResponse.Header.Get("Idempotent-Replayed") != replayed {
				t.Errorf("answer %d to a key whose first request broke: %v, replayed %q", i, err, e.LastResponse.Header.Get("Idempotent-Replayed"))
			}
		}
	}
	s.Advance(25 * time.Hour)
	if late := must[*stripe.Customer](t)(create("a", "Ann")); late.ID == first.ID {
		t.Error("the key is still known after 25 hours")
	}
}

func TestPagination(t *testing.T) {
	t.Parallel()
	s := NewStripe(1, start())
	must[[]Purchase](t)(s.Populate(250))
	api := serve(t, s)
	for _, limit := range []int64{1, 7, 100} {
		t.Run(fmt.Sprintf("pages of %d", limit), func(t *testing.T) {
			t.Parallel()
			seen := map[string]bool{}
			params := &stripe.CustomerListParams{}
			params.Limit = stripe.Int64(limit)
			it := api.Customers.List(params)
			for it.Next() {
				if seen[it.Customer().ID] {
					t.Fatalf("%s comes twice", it.Customer().ID)
				}
				seen[it.Customer().ID] = true
			}
			if it.Err() != nil || len(seen) != 250 {
				t.Errorf("%d customers, %v", len(seen), it.Err())
			}
			back := map[string]bool{}
			params = &stripe.CustomerListParams{}
			params.Limit, params.EndingBefore = stripe.Int64(limit), stripe.String(s.customers.all[0].id)
			for it := api.Customers.List(params); it.Next(); {
				back[it.Customer().ID] = true
			}
			if delete(seen, s.customers.all[0].id); !maps.Equal(seen, back) {
				t.Errorf("backwards there are %d customers, want %d", len(back), len(seen))
			}
		})
	}
}

func TestPopulateIsSilentAndMixed(t *testing.T) {
	t.Parallel()
	s := NewStripe(1, start())
	must[[]Purchase](t)(s.Populate(200))
	got := map[string]int{}
	for _, sub := range s.subscriptions.all {
		got[sub.status]++
	}
	want := map[string]int{"active": 174, "trialing": 10, "past_due": 10, "canceled": 6}
	if !maps.Equal(got, want) || len(s.Events()) != 0 || len(s.Calls()) != 0 {
		t.Errorf("states %v, want %v; %d events", got, want, len(s.Events()))
	}
}
