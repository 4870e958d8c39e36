package billing_test

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"bursar/app/demo"
	"bursar/app/stripe"
)

// TestAnyOrderGivesTheSameRows lets the webhooks of a story arrive in other orders than they were sent in,
// most of them of one second. What follows from each is done before the next arrives.
func TestAnyOrderGivesTheSameRows(t *testing.T) {
	t.Parallel()
	for name, kinds := range map[string][]string{
		"a purchase":                     {"customer.created", "customer.subscription.created", "customer.subscription.updated", "invoice.paid", "checkout.session.completed"},
		"a failed payment":               {"customer.subscription.created", "invoice.paid", "charge.failed", "invoice.payment_failed", "customer.subscription.updated"},
		"a cancellation at once":         {"customer.created", "customer.subscription.updated", "invoice.paid", "checkout.session.completed", "customer.subscription.deleted"},
		"a full refund":                  {"invoice.paid", "charge.succeeded", "refund.created", "charge.refunded"},
		"a refund that fails afterwards": {"invoice.paid", "refund.created", "charge.refunded", "refund.updated", "refund.failed"},
		"a dispute that is won":          {"invoice.paid", "charge.dispute.created", "charge.updated", "charge.dispute.closed", "charge.dispute.funds_reinstated"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, sent := storyNamed(name).sent(t)
			few := slices.DeleteFunc(slices.Clone(sent), func(body []byte) bool { return !slices.Contains(kinds, kindOf(t, body)) })
			want := openBooks(t, s, few)
			for order := range permutations(few) {
				compareOrder(t, s, order, want)
			}
			want = openBooks(t, s, sent)
			rng := rand.New(rand.NewPCG(1, 1))
			for range 10 {
				rng.Shuffle(len(sent), func(i, j int) { sent[i], sent[j] = sent[j], sent[i] })
				compareOrder(t, s, sent, want)
			}
		})
	}
}

func compareOrder(t *testing.T, s *demo.Stripe, order [][]byte, want []books) {
	t.Helper()
	if sameBooks(t, openBooks(t, s, order), want); t.Failed() {
		var kinds []string
		for _, body := range order {
			kinds = append(kinds, kindOf(t, body))
		}
		t.Fatalf("in the order\n\t%s", strings.Join(kinds, "\n\t"))
	}
}

// openBooks are the books that bodies in this order lead to. A ticket or task that came and went on the way
// does not count: it depends on what was known first.
func openBooks(t *testing.T, s *demo.Stripe, bodies [][]byte) []books {
	t.Helper()
	f := newFile(t, nil, plansOf(s))
	f.take(bodies...)
	all := f.books()
	for i := range all {
		all[i].Tickets = slices.DeleteFunc(all[i].Tickets, func(ticket string) bool { return strings.Contains(ticket, " closed ") })
		all[i].Tasks = slices.DeleteFunc(all[i].Tasks, func(task string) bool { return strings.HasSuffix(task, " done") })
	}
	f.check(f.DB.Close())
	return all
}

// TestAnyOrderWithTheAPI shuffles everything that was sent, and asks Stripe on the way and at the end.
func TestAnyOrderWithTheAPI(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a purchase", "a failed payment that recovers", "a customer who comes back", "one refund that fails of two"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, sent := storyNamed(name).sent(t)
			in := newFile(t, apiOf(t, s), plansOf(s))
			in.receive(sent...)
			in.workOff()
			rng := rand.New(rand.NewPCG(2, 2))
			for range 3 {
				rng.Shuffle(len(sent), func(i, j int) { sent[i], sent[j] = sent[j], sent[i] })
				shuffled := newFile(t, apiOf(t, s), plansOf(s))
				for half := range slices.Chunk(sent, len(sent)/2+1) {
					shuffled.receive(half...)
					shuffled.workOff()
				}
				sameBooks(t, shuffled.books(), in.books())
			}
		})
	}
}

// TestRepeatedNewsChangeNothing sends everything several times under its own id, and once more under
// another: Stripe makes two events of one change now and then.
func TestRepeatedNewsChangeNothing(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a purchase", "a failed payment", "a cancellation at once", "several refunds", "a dispute"} {
		for _, asking := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, asking the API: %t", name, asking), func(t *testing.T) {
				t.Parallel()
				s, sent := storyNamed(name).sent(t)
				var client *stripe.Client
				if asking {
					client = apiOf(t, s)
				}
				once, often := newFile(t, client, plansOf(s)), newFile(t, client, plansOf(s))
				once.receive(sent...)
				once.workOff()
				for range 3 {
					often.receive(sent...)
					often.workOff()
				}
				for _, body := range sent {
					id := eventOf(t, body).ID
					often.receive([]byte(strings.Replace(string(body), id, id+"twin", 1)))
				}
				often.workOff()
				sameBooks(t, often.books(), once.books())
			})
		}
	}
}

func storyNamed(name string) story {
	all := stories()
	return all[slices.IndexFunc(all, func(st story) bool { return st.name == name })]
}

// sent plays a story through and gives all webhook bodies.
func (st story) sent(t *testing.T) (*demo.Stripe, [][]byte) {
	t.Helper()
	s := newStripe(1, st.ago)
	st.tell(t, s, func() {})
	return s, s.Events()
}

func eventOf(t *testing.T, body []byte) stripe.Event {
	t.Helper()
	e, err := stripe.DecodeEvent(body)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func kindOf(t *testing.T, body []byte) string {
	t.Helper()
	return eventOf(t, body).Type
}

// permutations are all orders of a list. The list it yields is only good until the next.
func permutations[T any](list []T) iter.Seq[[]T] {
	var from func(i int, list []T, yield func([]T) bool) bool
	from = func(i int, list []T, yield func([]T) bool) bool {
		if i == len(list) {
			return yield(list)
		}
		for j := i; j < len(list); j++ {
			list[i], list[j] = list[j], list[i]
			if !from(i+1, list, yield) {
				return false
			}
			list[i], list[j] = list[j], list[i]
		}
		return true
	}
	return func(yield func([]T) bool) { from(0, slices.Clone(list), yield) }
}
