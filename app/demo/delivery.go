package demo

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"
)

// delivery is one event on its way to one endpoint.
type delivery struct {
	event    *event
	endpoint *endpoint
	attempts int
	next     time.Time
	extra    bool // a duplicate, which is sent once and not retried
}

// webhookFaults is what goes wrong between Stripe and the endpoints.
type webhookFaults struct {
	lose, repeat int
	delay        time.Duration
	shuffle      *rand.Rand
}

// Lose makes the next n events never arrive. They count as not delivered.
func (s *Stripe) Lose(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.webhooks.lose = n
}

// Repeat sends every event from now on n times more than needed.
func (s *Stripe) Repeat(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.webhooks.repeat = n
}

// Delay holds every event from now on back for d, in the time of the account.
func (s *Stripe) Delay(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.webhooks.delay = d
}

// Reorder shuffles what is due together; the seed decides how.
func (s *Stripe) Reorder(seed uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.webhooks.shuffle = rand.New(rand.NewPCG(seed, seed))
}

// enqueue plans the deliveries of a new event.
func (s *Stripe) enqueue(e *event) {
	lost := s.webhooks.lose > 0
	if lost {
		s.webhooks.lose--
	}
	for _, ep := range s.endpoints.all {
		if !ep.wants(e.kind) {
			continue
		}
		e.pending++
		for i := 0; i <= s.webhooks.repeat && !lost; i++ {
			s.deliveries = append(s.deliveries, &delivery{
				event: e, endpoint: ep, next: s.now.Add(s.webhooks.delay), extra: i > 0,
			})
		}
	}
	select {
	case s.wake <- struct{}{}:
	default: // Run has been told already
	}
}

// Deliver sends the webhooks that are due now, one after the other, each once, and waits
// for the answers. What fails is due again later, see retryAfter. The error is ctx's.
func (s *Stripe) Deliver(ctx context.Context) error {
	due := s.takeDue()
	for i, d := range due {
		if ctx.Err() != nil {
			s.putBack(due[i:])
			break
		}
		s.book(d, s.post(ctx, d))
	}
	return ctx.Err()
}

// takeDue removes what is due from the queue, so that nobody else sends it meanwhile.
func (s *Stripe) takeDue() []*delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	var due, later []*delivery
	for _, d := range s.deliveries {
		if d.next.After(s.now) {
			later = append(later, d)
			continue
		}
		due = append(due, d)
	}
	s.deliveries = later
	if r := s.webhooks.shuffle; r != nil {
		r.Shuffle(len(due), func(i, j int) { due[i], due[j] = due[j], due[i] })
	}
	return due
}

// putBack returns what was not sent to the queue.
func (s *Stripe) putBack(unsent []*delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deliveries = append(unsent, s.deliveries...)
}

// post makes one attempt with a signature of this moment. Signatures carry the real time,
// not the account's, because the receiver compares them with its own clock.
func (s *Stripe) post(ctx context.Context, d *delivery) bool {
	s.mu.Lock()
	body, url := d.event.payload(d.endpoint.version), d.endpoint.url
	header := Sign(body, time.Now(), d.endpoint.active(time.Now())...)
	s.mu.Unlock()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return false
	}
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	r.Header.Set("User-Agent", "Stripe/1.0 (+https://stripe.com/docs/webhooks)")
	r.Header.Set("Stripe-Signature", header)
	client := *s.Client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // Stripe does not follow
	resp, err := client.Do(r)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20)) // so that the connection is used again
	return resp.StatusCode/100 == 2
}

// Sign is the Stripe-Signature header for a body, with one signature for each secret
// (https://docs.stripe.com/webhooks#verify-manually).
func Sign(body []byte, at time.Time, secrets ...string) string {
	header := fmt.Sprintf("t=%d", at.Unix())
	for _, secret := range secrets {
		mac := hmac.New(sha256.New, []byte(secret))
		fmt.Fprintf(mac, "%d.%s", at.Unix(), body)
		header += ",v1=" + hex.EncodeToString(mac.Sum(nil))
	}
	return header
}

// book records the outcome of an attempt. After three days of failures the event is given
// up and stays undelivered.
func (s *Stripe) book(d *delivery, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d.attempts++
	d.next = s.now.Add(retryAfter(d.attempts))
	switch {
	case d.extra:
	case ok:
		d.event.pending--
	case d.next.Before(d.event.created.AddDate(0, 0, 3)) && !d.endpoint.disabled && s.endpoints.byID[d.endpoint.id] == d.endpoint:
		s.deliveries = append(s.deliveries, d)
	}
}

// retryAfter is the wait after the nth failed attempt: 1, 4, 16 … minutes, at most 12
// hours. Stripe says only that it is exponential and ends after three days.
func retryAfter(attempts int) time.Duration {
	return min(time.Minute<<min(2*(attempts-1), 10), 12*time.Hour)
}

// Run lets the account's time pass as real time does and delivers webhooks as they become
// due, until ctx ends.
func (s *Stripe) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	last := time.Now()
	for {
		now := time.Now()
		s.Advance(now.Sub(last))
		last = now
		if err := s.Deliver(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		case <-s.wake:
		}
	}
}
