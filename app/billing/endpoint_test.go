package billing_test

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"bursar/app/billing"
	"bursar/app/demo"
	"bursar/app/stripe"
)

func TestTheWatchOverTheEndpoint(t *testing.T) {
	t.Parallel()
	const here = "https://bursar.example.com/api/webhooks/stripe"
	types := stripe.EventTypes()
	for _, row := range []struct {
		name    string
		setUp   func(s *demo.Stripe)
		url     string   // of Bursar; "" is the usual one
		want    []string // kinds of problems, a severe one with "!"
		unknown string   // part of the reason
	}{
		{"as it should be", func(s *demo.Stripe) { s.Endpoint(here, "whsec_1", types...) }, "", nil, ""},
		{"with a slash at the end, which is right too", func(s *demo.Stripe) { s.Endpoint(here+"/", "whsec_1", types...) }, "", nil, ""},
		{"with the port written out", func(s *demo.Stripe) {
			s.Endpoint("https://Bursar.example.com:443/api/webhooks/stripe", "whsec_1", types...)
		}, "", nil, ""},
		{"beside endpoints of other programs", func(s *demo.Stripe) {
			s.Endpoint(here, "whsec_1", types...)
			s.Endpoint("https://shop.example.com/webhooks/stripe", "whsec_2", "*")
		}, "", nil, ""},
		{"with more types than needed", func(s *demo.Stripe) { s.Endpoint(here, "whsec_1", append(types, "payout.paid")...) }, "", nil, ""},
		{"none", func(*demo.Stripe) {}, "", []string{"!missing"}, ""},
		{"only those of other programs", func(s *demo.Stripe) { s.Endpoint("https://shop.example.com/hook", "whsec_2", "*") }, "", []string{"!missing"}, ""},
		{"disabled", func(s *demo.Stripe) { s.Disable(s.Endpoint(here, "whsec_1", types...)) }, "", []string{"!disabled"}, ""},
		{"by http", func(s *demo.Stripe) { s.Endpoint(strings.Replace(here, "https", "http", 1), "whsec_1", types...) }, "", []string{"!wrong_url"}, ""},
		{"at www., which redirects", func(s *demo.Stripe) {
			s.Endpoint("https://www.bursar.example.com/api/webhooks/stripe", "whsec_1", types...)
		}, "", []string{"!wrong_url"}, ""},
		{"at another path of ours", func(s *demo.Stripe) { s.Endpoint("https://bursar.example.com/webhooks/stripe", "whsec_1", types...) }, "", []string{"!wrong_url"}, ""},
		{"a wrong one beside the right one", func(s *demo.Stripe) {
			s.Endpoint(here, "whsec_1", types...)
			s.Endpoint(strings.Replace(here, "https", "http", 1), "whsec_2", types...)
		}, "", []string{"wrong_url"}, ""},
		{"without customer.updated", func(s *demo.Stripe) { s.Endpoint(here, "whsec_1", slices.Delete(slices.Clone(types), 5, 6)...) }, "", []string{"!too_few_events"}, ""},
		{"with everything", func(s *demo.Stripe) { s.Endpoint(here, "whsec_1", "*") }, "", []string{"too_many_events"}, ""},
		{"with invoice.created", func(s *demo.Stripe) { s.Endpoint(here, "whsec_1", append(types, "invoice.created")...) }, "", []string{"too_many_events"}, ""},
		{"two of ours", func(s *demo.Stripe) {
			s.Endpoint(here, "whsec_1", types...)
			s.Endpoint(here, "whsec_2", types...)
		}, "", []string{"left_over"}, ""},
		{"one of ours left over and disabled, which is harmless", func(s *demo.Stripe) {
			s.Disable(s.Endpoint(here, "whsec_1", types...))
			s.Endpoint(here, "whsec_2", types...)
		}, "", nil, ""},
		{"in a version of the API that is newer than Bursar", func(s *demo.Stripe) { s.EndpointVersion(s.Endpoint(here, "whsec_1", types...), "2026-09-30.endive") }, "", []string{"too_new"}, ""},
		{"in the newest version that Bursar knows", func(s *demo.Stripe) { s.EndpointVersion(s.Endpoint(here, "whsec_1", types...), "2026-07-29.dahlia") }, "", nil, ""},
		{"no permission", func(s *demo.Stripe) {
			s.Endpoint(here, "whsec_1", types...)
			s.Fail(demo.APIFault{Path: "/v1/webhook_endpoints", Kind: demo.Forbidden, Count: 100})
		}, "", nil, "Webhook Endpoints: Read"},
		{"no answer", func(s *demo.Stripe) { s.Down(true) }, "", nil, "cannot be reached"},
		{"half the endpoints", func(s *demo.Stripe) {
			for range 4 {
				s.Endpoint(here, "whsec_1", types...)
			}
			s.Pages(2)
			s.Fail(demo.APIFault{Path: "/v1/webhook_endpoints", Kind: demo.Empty, Later: true})
		}, "", nil, "not answered with a list"},
		{"on a machine of one's own", func(*demo.Stripe) {}, "http://localhost:8080", nil, "stripe listen"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := newStripe(1, time.Hour)
			row.setUp(s)
			server := httptest.NewServer(s)
			t.Cleanup(server.Close)
			f := newFile(t, stripe.New(apiKey, server.URL), nil)
			f.URL = "https://bursar.example.com"
			if row.url != "" {
				f.URL = row.url
			}
			before := f.endpoint()
			if before.Known || before.Reason == "" {
				t.Errorf("before Stripe was asked: %+v", before)
			}
			f.insert(billing.WatchEndpoint{})
			f.workOff()
			is := f.endpoint()
			var kinds []string
			for _, p := range is.Problems {
				kind := p.Kind
				if p.Severe {
					kind = "!" + kind
				}
				kinds = append(kinds, kind)
				if p.Text == "" || p.Fix == "" || p.Since.IsZero() {
					t.Errorf("it does not say what to do: %+v", p)
				}
			}
			if !slices.Equal(kinds, row.want) {
				t.Errorf("problems: %v, want %v", is.Problems, row.want)
			}
			if is.Known != (row.unknown == "") || !strings.Contains(is.Reason, row.unknown) || is.AsOf.IsZero() {
				t.Errorf("known %v: %q, want %q", is.Known, is.Reason, row.unknown)
			}
			if due, err := f.WatchDue(t.Context(), f.DB.Read()); err != nil || due {
				t.Errorf("it is to be looked at again at once: %v, %v", due, err)
			}
		})
	}
}

func (f *file) endpoint() billing.EndpointStatus {
	f.tb.Helper()
	s, err := f.EndpointStatus(f.tb.Context(), f.DB.Read())
	f.check(err)
	return s
}

func TestAnEndpointOfTheOtherMode(t *testing.T) {
	t.Parallel()
	s := newStripe(1, time.Hour)
	s.Endpoint("https://bursar.example.com/api/webhooks/stripe", "whsec_1", stripe.EventTypes()...)
	f := newFile(t, apiOf(t, s), nil)
	f.URL, f.Live = "https://bursar.example.com", true
	f.insert(billing.WatchEndpoint{})
	f.workOff()
	if is := f.endpoint(); len(is.Problems) != 1 || is.Problems[0].Kind != billing.EndpointWrongMode {
		t.Errorf("problems: %+v", is.Problems)
	}
}

// A problem keeps the time at which it was first seen, and is gone when it is mended.
func TestAProblemOfTheEndpointHasItsTime(t *testing.T) {
	t.Parallel()
	s := newStripe(1, time.Hour)
	id := s.Endpoint("https://bursar.example.com/api/webhooks/stripe", "whsec_1", stripe.EventTypes()...)
	f := newFile(t, apiOf(t, s), nil)
	f.URL = "https://bursar.example.com"
	s.Disable(id)
	look := func() billing.EndpointStatus {
		f.insert(billing.WatchEndpoint{})
		f.workOff()
		return f.endpoint()
	}
	first, second := look(), look()
	if len(first.Problems) != 1 || len(second.Problems) != 1 || !first.Problems[0].Since.Equal(second.Problems[0].Since) || !second.AsOf.After(first.AsOf) {
		t.Errorf("first %+v, then %+v", first, second)
	}
	s.Enable(id)
	if third := look(); len(third.Problems) != 0 || !third.Known {
		t.Errorf("mended, and %+v", third)
	}
}
