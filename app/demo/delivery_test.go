package demo

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stripe/stripe-go/v76/webhook"
)

// receiver collects webhooks. It answers with the codes in turn, then with 200.
type receiver struct {
	mu      sync.Mutex
	codes   []int
	headers []string
	bodies  [][]byte
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.headers = append(r.headers, req.Header.Get("Stripe-Signature"))
	r.bodies = append(r.bodies, body)
	code := http.StatusOK
	if len(r.codes) > 0 {
		code, r.codes = r.codes[0], r.codes[1:]
	}
	if err != nil {
		code = http.StatusBadRequest
	}
	if code/100 == 3 {
		w.Header().Set("Location", "/elsewhere")
	}
	w.WriteHeader(code)
}

// ids are the ids of the events in the order of their arrival.
func (r *receiver) ids(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, body := range r.bodies {
		var e struct{ ID string }
		check(t, json.Unmarshal(body, &e))
		out = append(out, e.ID)
	}
	return out
}

// listen puts a receiver on loopback and points an endpoint of the account at it.
func listen(t *testing.T, s *Stripe, codes ...int) *receiver {
	t.Helper()
	r := &receiver{codes: codes}
	srv := httptest.NewServer(r)
	t.Cleanup(srv.Close)
	s.Endpoint(srv.URL, "whsec_test")
	return r
}

func eventIDs(t *testing.T, s *Stripe) []string {
	t.Helper()
	return (&receiver{bodies: s.Events()}).ids(t)
}

func TestDeliversInOrderAndOnce(t *testing.T) {
	t.Parallel()
	s := NewStripe(1, start())
	r := listen(t, s)
	must[Purchase](t)(s.Buy(BuyOptions{Email: "ann@example.com"}))
	check(t, s.Deliver(t.Context()))
	check(t, s.Deliver(t.Context()))
	if got, want := r.ids(t), eventIDs(t, s); !slices.Equal(got, want) {
		t.Errorf("arrived %v, want %v", got, want)
	}
	for i, body := range r.bodies {
		if _, err := webhook.ConstructEvent(body, r.headers[i], "whsec_test"); err != nil {
			t.Error(err)
		}
	}
}

func TestWebhookFaults(t *testing.T) {
	t.Parallel()
	rows := []struct {
		what    string
		arrange func(s *Stripe)
		arrived func(sent []string) []string
	}{
		{"the first two are lost", func(s *Stripe) { s.Lose(2) }, func(sent []string) []string { return sent[2:] }},
		{"each comes three times", func(s *Stripe) { s.Repeat(2) }, func(sent []string) []string {
			var out []string
			for _, id := range sent {
				out = append(out, id, id, id)
			}
			return out
		}},
		{"nothing comes within the hour", func(s *Stripe) { s.Delay(time.Hour) }, func([]string) []string { return nil }},
		{"only what is listened to", func(s *Stripe) {
			for _, ep := range s.endpoints.all {
				ep.events = []string{"customer.created"}
			}
		}, func(sent []string) []string { return sent[:1] }},
	}
	for _, row := range rows {
		t.Run(row.what, func(t *testing.T) {
			t.Parallel()
			s := NewStripe(1, start())
			r := listen(t, s)
			row.arrange(s)
			must[Purchase](t)(s.Buy(BuyOptions{}))
			s.Advance(59 * time.Minute)
			check(t, s.Deliver(t.Context()))
			if got, want := r.ids(t), row.arrived(eventIDs(t, s)); !slices.Equal(got, want) {
				t.Errorf("arrived %v, want %v", got, want)
			}
		})
	}
}

func TestReorderLosesNothing(t *testing.T) {
	t.Parallel()
	s := NewStripe(1, start())
	r := listen(t, s)
	s.Reorder(3)
	must[Purchase](t)(s.Buy(BuyOptions{}))
	check(t, s.Deliver(t.Context()))
	got, want := r.ids(t), eventIDs(t, s)
	if slices.Equal(got, want) {
		t.Error("the order is unchanged")
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("arrived %v, want %v in any order", got, want)
	}
}

// TestRetriesInRealTime has a receiver that fails and then redirects, which is a failure too. Run is watched over minutes of
// the bubble's time, so there is no network in it.
func TestRetriesInRealTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := NewStripe(1, time.Now())
		r := &receiver{codes: []int{500, 301}}
		s.Client = &http.Client{Transport: direct{r}}
		s.Endpoint("http://receiver/", "whsec_test", "checkout.session.completed")
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		must[Purchase](t)(s.Buy(BuyOptions{}))
		time.Sleep(time.Hour)
		stop()
		<-done
		if len(r.bodies) != 3 {
			t.Fatalf("%d attempts, want 3", len(r.bodies))
		}
		if a, b := signedAt(r.headers[0]), signedAt(r.headers[2]); a == b || signedAt(r.headers[1]) == a {
			t.Errorf("the attempts are signed at %v", r.headers)
		}
		if !slices.Equal(r.bodies[0], r.bodies[2]) {
			t.Error("the retry has another body")
		}
	})
}

// direct is a transport without a network: it calls the handler.
type direct struct{ http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	d.ServeHTTP(rec, r)
	return rec.Result(), nil
}

func signedAt(header string) string {
	at, _, _ := strings.Cut(header, ",")
	return at
}

func TestRetriesInTheAccountsTime(t *testing.T) {
	t.Parallel()
	s := NewStripe(1, start())
	r := listen(t, s, 500, 500)
	s.endpoints.all[0].events = []string{"customer.created"}
	must[Purchase](t)(s.Buy(BuyOptions{}))
	for _, step := range []struct {
		wait time.Duration
		want int
	}{{0, 1}, {59 * time.Second, 1}, {time.Second, 2}, {4 * time.Minute, 3}, {4 * day, 3}} {
		s.Advance(step.wait)
		check(t, s.Deliver(t.Context()))
		if len(r.bodies) != step.want {
			t.Errorf("after %s more: %d attempts, want %d", step.wait, len(r.bodies), step.want)
		}
	}
	if e := s.events.all[0]; e.pending != 0 {
		t.Errorf("%d endpoints have not confirmed", e.pending)
	}
}

func TestGivesUpAfterThreeDays(t *testing.T) {
	t.Parallel()
	s := NewStripe(1, start())
	r := listen(t, s, slices.Repeat([]int{503}, 100)...)
	s.endpoints.all[0].events = []string{"customer.created"}
	must[Purchase](t)(s.Buy(BuyOptions{}))
	for range 7 * 24 {
		check(t, s.Deliver(t.Context()))
		s.Advance(time.Hour)
	}
	if len(s.deliveries) != 0 || len(r.bodies) < 5 || s.events.all[0].pending != 1 {
		t.Errorf("after a week: %d attempts, %d waiting, %d pending", len(r.bodies), len(s.deliveries), s.events.all[0].pending)
	}
}

func TestRolledSecretsSignBoth(t *testing.T) {
	t.Parallel()
	s := NewStripe(1, start())
	r := listen(t, s)
	fresh := must[string](t)(s.RollSecret(s.endpoints.all[0].id, time.Hour))
	must[Purchase](t)(s.Buy(BuyOptions{}))
	check(t, s.Deliver(t.Context()))
	for _, secret := range []string{fresh, "whsec_test"} {
		if err := webhook.ValidatePayload(r.bodies[0], r.headers[0], secret); err != nil {
			t.Errorf("%s: %v", secret, err)
		}
	}
}

func TestCancelledDeliveryIsNotLost(t *testing.T) {
	t.Parallel()
	s := NewStripe(1, start())
	r := listen(t, s)
	must[Purchase](t)(s.Buy(BuyOptions{}))
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := s.Deliver(ctx); err == nil {
		t.Error("a cancelled Deliver reports success")
	}
	check(t, s.Deliver(t.Context()))
	if len(r.bodies) != len(s.Events()) {
		t.Errorf("%d arrived of %d", len(r.bodies), len(s.Events()))
	}
}
