package billing_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

// TestStories follows each story twice, once with the API to ask and once with the events alone. Both must
// end in the same rows, and those are the ones the story says.
func TestStories(t *testing.T) {
	t.Parallel()
	for _, st := range stories() {
		t.Run(st.name, func(t *testing.T) {
			t.Parallel()
			s := newStripe(1, st.ago)
			asking := newFile(t, apiOf(t, s), plansOf(s))
			listening := newFile(t, nil, plansOf(s))
			seen := 0
			st.tell(t, s, func() {
				events := s.Events()
				asking.take(events[seen:]...)
				listening.take(events[seen:]...)
				seen = len(events)
			})
			for source, f := range map[string]*file{"api": asking, "events": listening} {
				if is := f.customer().Source; is != source {
					t.Errorf("source is %q, want %q", is, source)
				}
				f.expect(t, st.want)
			}
			sameBooks(t, listening.books(), asking.books())
		})
	}
}

// expect compares the only customer with the end of a story.
func (f *file) expect(t *testing.T, want outcome) {
	t.Helper()
	r := f.customer()
	got := outcome{access: r.Access, status: r.Status, plan: r.Plan, payment: r.LastPaymentStatus, amount: r.LastPaymentAmount,
		refunded: r.RefundedAmount, disputes: r.OpenDisputes, lifecycle: f.contact(r.ID).Lifecycle}
	for _, ticket := range f.tickets(r.ID) {
		got.tickets = append(got.tickets, withoutID(ticket))
	}
	for _, task := range f.tasks(r.ID) {
		got.tasks = append(got.tasks, withoutID(task))
	}
	if !slices.Equal(got.tickets, want.tickets) || !slices.Equal(got.tasks, want.tasks) {
		t.Errorf("%s: tickets %q and tasks %q, want %q and %q", r.Source, got.tickets, got.tasks, want.tickets, want.tasks)
	}
	got.tickets, got.tasks, want.tickets, want.tasks = nil, nil, nil, nil
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %+v, want %+v", r.Source, got, want)
	}
	if r.Name != "Ada Lovelace" || r.Email != "ada@example.com" {
		t.Errorf("%s: name %q, e-mail %q", r.Source, r.Name, r.Email)
	}
}

// withoutID makes "payment_failed:in_1 open billing" into "payment_failed open".
func withoutID(cause string) string {
	words := strings.Fields(cause)
	kind, _, _ := strings.Cut(words[0], ":")
	return kind + " " + words[1]
}
