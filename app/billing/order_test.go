package billing_test

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"bursar/app/demo"
	"bursar/app/stripe"
)

// TestAnyOrderGivesTheSameRows lets the webhooks of a story arrive in other orders than they were sent in,
// most of them of one second. Each order happens to a customer of its own; what follows from the webhooks
// that came is done before the next arrive.
func TestAnyOrderGivesTheSameRows(t *testing.T) {
	t.Parallel()
	for name, all := range map[string][]string{ // of these webhooks all orders, of the whole story a few
		"a purchase":                     {"customer.created", "customer.subscription.created", "customer.subscription.updated", "invoice.paid", "checkout.session.completed"},
		"a failed payment":               {"invoice.paid", "invoice.payment_failed", "charge.failed", "customer.subscription.updated"},
		"a failed payment that recovers": nil,
		"a cancellation at once":         {"customer.subscription.created", "customer.subscription.updated", "invoice.paid", "customer.subscription.deleted"},
		"a full refund":                  nil,
		"a refund that fails afterwards": {"invoice.paid", "refund.created", "charge.refunded", "refund.failed"},
		"a dispute that is won":          nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, sent := storyNamed(name).sent(t)
			orders := [][][]byte{sent}
			rng := rand.New(rand.NewPCG(1, 1))
			for range 3 {
				shuffled := slices.Clone(sent)
				rng.Shuffle(len(sent), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
				orders = append(orders, shuffled)
			}
			compareOrders(t, plansOf(s), orders, 4)
			if all != nil && !testing.Short() {
				var orders [][][]byte
				for order := range slices.Chunk(slices.Collect(permutations(lastOfEach(t, sent, all))), oneIn) {
					orders = append(orders, order[0])
				}
				compareOrders(t, plansOf(s), orders, 1)
			}
		})
	}
}

// compareOrders wants the same rows from each order as from the first. So many webhooks arrive together.
func compareOrders(t *testing.T, plans map[string]string, orders [][][]byte, atOnce int) {
	t.Helper()
	f := newFile(t, nil, plans)
	for from := 0; from < len(orders[0]); from += atOnce {
		var together sync.WaitGroup
		for nr, order := range orders {
			for _, body := range order[from:min(from+atOnce, len(order))] {
				together.Go(func() { f.receive(renamed(body, nr)) })
			}
		}
		together.Wait()
		f.workOff()
	}
	want := map[string]string{}
	for _, b := range f.books() {
		b.Tickets, b.Tasks = open(b.Tickets), open(b.Tasks)
		nr := b.Facts.Stripe[0].ID[strings.LastIndex(b.Facts.Stripe[0].ID, "x"):]
		want[nr] = strings.ReplaceAll(b.text(t), nr, "")
	}
	for nr, order := range orders {
		if sameText(t, want[suffix(nr)], want[suffix(0)]); t.Failed() {
			t.Fatalf("in the order %s", strings.Join(kindsOf(t, order), ", "))
		}
	}
}

// open leaves out the tickets and tasks that came and went on the way: that depends on what was known first.
func open(list []string) (left []string) {
	for _, row := range list {
		if strings.Contains(row, " open") {
			left = append(left, row)
		}
	}
	return left
}

// renamed gives everything in a webhook's body that is about one customer another name.
func renamed(body []byte, nr int) []byte {
	return customersOwn.ReplaceAll(body, []byte("${1}"+suffix(nr)+`"`))
}

var customersOwn = regexp.MustCompile(`("(?:evt|cus|sub|si|in|il|ch|pi|re|dp|cs_test|user)_\w+)"`)

func suffix(nr int) string { return fmt.Sprintf("x%03d", nr) }

// lastOfEach are the last webhooks of some kinds.
func lastOfEach(t *testing.T, sent [][]byte, kinds []string) (list [][]byte) {
	t.Helper()
	for i, kind := range kindsOf(t, sent) {
		if slices.Contains(kinds, kind) && !slices.Contains(kindsOf(t, sent[i+1:]), kind) {
			list = append(list, sent[i])
		}
	}
	if len(list) != len(kinds) {
		t.Fatalf("the story sends %q, not all of %q", kindsOf(t, sent), kinds)
	}
	return list
}

// TestAnyOrderWithTheAPI shuffles everything that was sent, and asks Stripe on the way and at the end.
func TestAnyOrderWithTheAPI(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a purchase", "a failed payment that recovers", "a customer who comes back", "one refund that fails of two"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, sent := storyNamed(name).sent(t)
			in := newFile(t, apiOf(t, s), plansOf(s))
			in.take(sent...)
			rng := rand.New(rand.NewPCG(2, 2))
			for range 3 {
				rng.Shuffle(len(sent), func(i, j int) { sent[i], sent[j] = sent[j], sent[i] })
				shuffled := newFile(t, apiOf(t, s), plansOf(s))
				for half := range slices.Chunk(sent, len(sent)/2+1) {
					shuffled.take(half...)
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
	for _, name := range []string{"a failed payment", "a cancellation at once", "a dispute"} {
		for _, asking := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, asking the API: %t", name, asking), func(t *testing.T) {
				t.Parallel()
				s, sent := storyNamed(name).sent(t)
				var client *stripe.Client
				if asking {
					client = apiOf(t, s)
				}
				once, often := newFile(t, client, plansOf(s)), newFile(t, client, plansOf(s))
				once.take(sent...)
				for range 3 {
					often.take(sent...)
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

func kindsOf(t *testing.T, bodies [][]byte) (kinds []string) {
	t.Helper()
	for _, body := range bodies {
		kinds = append(kinds, eventOf(t, body).Type)
	}
	return kinds
}

// permutations are all orders of a list, the given one first.
func permutations[T any](list []T) iter.Seq[[]T] {
	var from func(i int, list []T, yield func([]T) bool) bool
	from = func(i int, list []T, yield func([]T) bool) bool {
		if i == len(list) {
			return yield(slices.Clone(list))
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
