package billing_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"bursar/app/customer"
	"bursar/app/demo"
)

// TestTimeAlone ends things without any news. The clock is synctest's, and there is no API: HTTP does not
// work on that clock.
func TestTimeAlone(t *testing.T) {
	t.Parallel()
	type step struct {
		wait    time.Duration
		access  string
		tickets []string
	}
	for _, row := range []struct {
		name  string
		tell  func(t testing.TB, s *demo.Stripe, p demo.Purchase)
		late  []string // events that arrive after the last step
		steps []step
	}{
		{"the grace period ends after 14 days", func(t testing.TB, s *demo.Stripe, p demo.Purchase) {
			_, err := s.FailPayment(p.Subscription)
			told(t, err)
		}, nil, []step{
			{0, customer.Grace, []string{"payment_failed open"}},
			{customer.GracePeriod - time.Second, customer.Grace, []string{"payment_failed open"}},
			{time.Second, customer.None, []string{"payment_failed open"}},
		}},
		{"a cancelled subscription ends with its period", func(t testing.TB, s *demo.Stripe, p demo.Purchase) {
			told(t, s.Cancel(p.Subscription, true))
		}, nil, []step{
			{0, customer.Full, nil},
			{31*day - time.Second, customer.Full, nil}, // January
			{time.Second, customer.None, nil},
		}},
		{"two minutes after a checkout without a subscription somebody looks", nil,
			[]string{"customer.subscription.created", "customer.subscription.updated"}, []step{
				{0, customer.Pending, nil},
				{2*time.Minute - time.Millisecond, customer.Pending, nil},
				{time.Millisecond, customer.Pending, []string{"not_active open"}},
			}},
		{"an active subscription just goes on", nil, nil, []step{{0, customer.Full, nil}, {100 * day, customer.Full, nil}}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newStripe(1, 0)
				p, err := s.Buy(demo.BuyOptions{Email: "ada@example.com"})
				told(t, err)
				if row.tell != nil {
					row.tell(t, s, p)
				}
				f := newFile(t, nil, plansOf(s))
				isLate := func(body []byte) bool { return slices.Contains(row.late, eventOf(t, body).Type) }
				f.receive(slices.DeleteFunc(s.Events(), isLate)...)
				for i, want := range row.steps {
					time.Sleep(want.wait)
					f.workOff()
					f.expectStep(i, want.access, want.tickets)
				}
				if row.late != nil {
					f.take(s.Events()...)
					f.expectStep(len(row.steps), customer.Full, []string{"not_active closed"})
				}
				f.check(f.DB.Close())
			})
		})
	}
}

func (f *file) expectStep(step int, access string, tickets []string) {
	f.tb.Helper()
	var are []string
	for _, ticket := range f.tickets(f.customer().ID) {
		are = append(are, withoutID(ticket))
	}
	if is := f.customer().Access; is != access || !slices.Equal(are, tickets) {
		f.tb.Errorf("step %d: access is %s with tickets %q, want %s with %q", step, is, are, access, tickets)
	}
}
