package billing_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bursar/app/billing"
	"bursar/app/customer"
	"bursar/app/db"
	"bursar/app/demo"
	"bursar/app/stripe"
)

func TestTheSameEventManyTimesAtOnce(t *testing.T) {
	t.Parallel()
	_, sent := storyNamed("a purchase").sent(t)
	f := newFile(t, nil, nil)
	var receipts [50]billing.Receipt
	var together sync.WaitGroup
	for i := range receipts {
		together.Go(func() {
			e, err := stripe.DecodeEvent(sent[0])
			if err == nil {
				receipts[i], err = f.Receive(t.Context(), e, billing.Webhook)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	together.Wait()
	first := slices.DeleteFunc(receipts[:], func(r billing.Receipt) bool { return r.Duplicate })
	if len(first) != 1 {
		t.Errorf("%d receipts say it is new, want 1", len(first))
	}
	counts, err := f.DB.Read().CountEvents(t.Context(), db.Time{})
	f.check(err)
	if jobs := f.jobs("", ""); counts.Total != 1 || len(jobs) != 1 {
		t.Errorf("%d events and %d jobs, want 1 and 1", counts.Total, len(jobs))
	}
}

func TestEventsThatMustNotCount(t *testing.T) {
	t.Parallel()
	s, sent := storyNamed("a purchase").sent(t)
	live := func(body []byte) []byte {
		return []byte(strings.Replace(string(renamed(body, 1)), "\n  \"livemode\": false", "\n  \"livemode\": true", 1))
	}
	connected := func(body []byte) []byte {
		return []byte(strings.Replace(string(renamed(body, 2)), `"object": "event",`, `"object": "event", "account": "acct_other",`, 1))
	}
	for name, client := range map[string]*stripe.Client{"the mode is the key's": apiOf(t, s), "the mode is the first event's": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFile(t, client, plansOf(s))
			for _, body := range sent {
				f.receive(connected(body), body, live(body))
			}
			f.workOff()
			counts, err := f.DB.Read().CountEvents(t.Context(), db.Time{})
			f.check(err)
			if want := int64(len(sent)); counts.Total != 3*want || counts.IgnoredTotal != 2*want {
				t.Errorf("%d events, %d of them ignored, want %d and %d", counts.Total, counts.IgnoredTotal, 3*want, 2*want)
			}
			if got := f.facts(f.customer().ID).Linked("stripe"); len(got) != 1 || strings.Contains(got[0], "x") {
				t.Errorf("Stripe customers: %q", got)
			}
			e, err := stripe.DecodeEvent(live([]byte(strings.Replace(string(sent[0]), `"evt_`, `"evt_again`, 1))))
			f.check(err)
			receipt, err := f.Receive(t.Context(), e, billing.Replay)
			f.check(err)
			if receipt.Ignored != "it is of live mode and this file holds test mode" {
				t.Errorf("ignored because %q", receipt.Ignored)
			}
		})
	}
}

func TestAPriceThatNobodyNamed(t *testing.T) {
	t.Parallel()
	s, sent := storyNamed("a purchase").sent(t)
	f := newFile(t, nil, nil)
	for _, body := range sent {
		f.take([]byte(strings.ReplaceAll(string(body), `"lookup_key": "starter"`, `"lookup_key": null`)))
	}
	if plan := f.customer().Plan; plan != s.Price("starter") {
		t.Errorf("the plan is %q, want the price %q", plan, s.Price("starter"))
	}
}

// TestShapesOfAnEvent wants the same rows whatever API version the account has, and from thin events.
func TestShapesOfAnEvent(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a purchase", "a failed payment that recovers", "one refund that fails of two", "a dispute"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// Each account plays the story for itself, so ids differ: they are numbered instead. A second
			// between any two steps gives all of them the same order.
			play := func(set func(*demo.Stripe), asking bool) string {
				s := demo.NewStripe(1, began)
				set(s)
				var client *stripe.Client
				if asking {
					client = apiOf(t, s)
				}
				f := newFile(t, client, plansOf(s))
				seen := 0
				storyNamed(name).tell(t, s, func() {
					f.take(s.Events()[seen:]...)
					seen = len(s.Events())
					s.Advance(time.Second)
				})
				return numbered(f.books()[0].text(t))
			}
			want := play(func(*demo.Stripe) {}, false)
			for _, version := range []string{"2025-03-31.basil", "2026-03-25.dahlia"} {
				sameText(t, play(func(s *demo.Stripe) { s.SetAPIVersion(version) }, false), want)
			}
			sameText(t, play(func(s *demo.Stripe) { s.SetThin(true) }, true), want)
		})
	}
}

// numbered replaces ids by the number of their first use.
func numbered(text string) string {
	known := map[string]string{}
	return stripeID.ReplaceAllStringFunc(text, func(id string) string {
		if known[id] == "" {
			kind, _, _ := strings.Cut(id, "_")
			known[id] = fmt.Sprintf("%s_%d", kind, len(known))
		}
		return known[id]
	})
}

var (
	stripeID = regexp.MustCompile(`(cus|sub|price|prod|in|ch|pi|re|dp|cs_test)_[A-Za-z0-9]{14,}\b`)
	began    = time.Now().Add(-time.Minute)
)

func TestARefundBeforeEverythingElse(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a full refund", "a dispute"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, sent := storyNamed(name).sent(t)
			usual, early := newFile(t, nil, plansOf(s)), newFile(t, nil, plansOf(s))
			usual.take(sent...)
			nobodys := func(body []byte) bool { return eventOf(t, body).Customer == "" }
			early.take(slices.DeleteFunc(slices.Clone(sent), func(body []byte) bool { return !nobodys(body) })...)
			if n := len(early.customers()); n != 0 {
				t.Errorf("%d customers of nobody's events", n)
			}
			early.take(slices.DeleteFunc(slices.Clone(sent), nobodys)...)
			sameBooks(t, early.books(), usual.books())
		})
	}
}

func TestReplayOfTheOldPast(t *testing.T) {
	t.Parallel()
	s := newStripe(1, 29*day)
	p, err := s.Buy(demo.BuyOptions{Email: "ada@example.com"})
	told(t, err)
	invoice, err := s.FailPayment(p.Subscription)
	told(t, err)
	seen := s.Events()
	failure := seen[slices.Index(kindsOf(t, seen), "invoice.payment_failed")]
	s.Advance(day)
	told(t, s.RecoverPayment(invoice))
	for _, withAPI := range []bool{true, false} {
		var client *stripe.Client
		if withAPI {
			client = apiOf(t, s)
		}
		f := newFile(t, client, plansOf(s))
		f.take(slices.DeleteFunc(s.Events(), func(body []byte) bool { return string(body) == string(failure) })...)
		f.take(failure)
		if tickets := f.tickets(1); len(tickets) > 0 {
			t.Errorf("asking the API: %t: tickets about the past: %q", withAPI, tickets)
		}
		if r := f.customer(); r.Access != customer.Full {
			t.Errorf("asking the API: %t: access is %s", withAPI, r.Access)
		}
	}
}
