// Package demo holds simulated vendors that answer over real HTTP.
//
// Stripe is a stateful Stripe: what is created stays, time passes when it is told
// to, and everything that happens sends the events that the real one sends.
package demo

import (
	"container/heap"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// version is the API version of every answer, the one stripe-go v76 asks for.
const version = "2023-10-16"

// Stripe is a simulated Stripe account in test mode. It is an http.Handler for the API
// (/v1/…), delivers webhooks by HTTP, and has story methods (Buy, FailPayment, Refund …)
// for what people do. Ids, order and content depend on the seed and the calls alone.
// It is safe for concurrent use.
type Stripe struct {
	// Client posts the webhooks. Set it before the first delivery.
	Client *http.Client

	mu      sync.Mutex
	rng     *rand.Rand
	now     time.Time
	agenda  agenda
	entries uint64 // ever put on the agenda
	mux     *http.ServeMux
	apiState
	books
	outbox
}

// books are the objects of the account.
type books struct {
	customers     table[*customer]
	products      table[*product]
	prices        table[*price]
	subscriptions table[*subscription]
	invoices      table[*invoice]
	intents       table[*intent]
	charges       table[*charge]
	refunds       table[*refund]
	disputes      table[*dispute]
	checkouts     table[*checkout]
	account       string
	numbered      int    // invoices finalized so far
	afterDunning  string // what becomes of a subscription after the last failed retry
}

// NewStripe opens an account at the time start with the prices starter (19.00), team
// (49.00) and scale (199.00) in USD a month, team_eur (490.00 EUR a year) and starter_jpy
// (2800 JPY a month, a currency without minor units).
func NewStripe(seed uint64, start time.Time) *Stripe {
	s := &Stripe{
		Client: &http.Client{Timeout: 30 * time.Second},
		rng:    rand.New(rand.NewPCG(seed, seed)),
		now:    start.UTC().Truncate(time.Second),
	}
	s.account = s.id("acct_")
	s.afterDunning = "canceled"
	s.version = version
	s.wake = make(chan struct{}, 1)
	s.calls = map[string]int{}
	s.revoked = map[string]bool{}
	s.answers = map[string]*stored{}
	s.mux = http.NewServeMux()
	for _, r := range s.routes() {
		s.mux.HandleFunc(r.pattern, func(w http.ResponseWriter, req *http.Request) { s.answer(w, req, r) })
	}
	s.mux.HandleFunc("/", func(w http.ResponseWriter, req *http.Request) {
		s.answer(w, req, route{pattern: "unknown", handle: unknownRoute})
	})
	s.stock()
	return s
}

// stock puts the default products and prices on the shelf.
func (s *Stripe) stock() {
	for _, p := range []struct {
		name, key, currency, interval string
		amount                        int64
	}{
		{"Starter", "starter", "usd", "month", 1900},
		{"Team", "team", "usd", "month", 4900},
		{"Scale", "scale", "usd", "month", 19900},
		{"Team (yearly)", "team_eur", "eur", "year", 49000},
		{"Starter (Japan)", "starter_jpy", "jpy", "month", 2800},
	} {
		prod := &product{id: s.id("prod_"), name: p.name, active: true, created: s.now}
		s.products.add(prod)
		s.prices.add(&price{
			id: s.id("price_"), product: prod, active: true, currency: p.currency, amount: p.amount,
			interval: p.interval, every: 1, lookupKey: p.key, created: s.now,
		})
	}
}

// Now is the time in the account. It moves with Advance and Run only.
func (s *Stripe) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// Advance lets d pass: trials end, subscriptions renew, invoices are collected and
// retried, what was cancelled ends. Webhooks that become due wait for Deliver.
func (s *Stripe) Advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	end := s.now.Add(d)
	s.catchUp(end)
	s.now = end
}

// catchUp does what is on the agenda up to the time end, each at its time.
func (s *Stripe) catchUp(end time.Time) {
	for len(s.agenda) > 0 && !s.agenda[0].at.After(end) {
		due := heap.Pop(&s.agenda).(entry)
		if due.at.After(s.now) {
			s.now = due.at
		}
		due.do()
	}
}

// at puts do on the agenda. When its time comes the world may have moved on, so do
// must check that it still applies.
func (s *Stripe) at(t time.Time, do func()) {
	s.entries++
	heap.Push(&s.agenda, entry{at: t, nr: s.entries, do: do})
}

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// id makes an id that looks like Stripe's, for example sub_1OPouiJN5vQBdWExOgfg6t5C.
func (s *Stripe) id(prefix string) string {
	n, lead := 23, "1"
	switch prefix {
	case "cus_", "prod_", "si_", "req_":
		n, lead = 14, ""
	case "acct_":
		n = 15
	case "ch_", "pi_", "re_":
		lead = "3"
	case "cs_test_":
		n, lead = 57, "a"
	case "whsec_":
		n, lead = 32, ""
	}
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[s.rng.IntN(len(alphabet))]
	}
	return prefix + lead + string(b)
}
