package demo

import (
	"fmt"
	"slices"
	"time"
)

// endpoint is https://docs.stripe.com/api/webhook_endpoints/object.
type endpoint struct {
	id, url, version, description string
	events                        []string // "*" for all
	secrets                       []secret
	disabled                      bool
	metadata                      map[string]string
	created                       time.Time
}

// secret signs webhooks until a moment of real time; the zero time is for ever.
type secret struct {
	value string
	until time.Time
}

func (ep *endpoint) ident() string { return ep.id }

func (ep *endpoint) render() object {
	status := "enabled"
	if ep.disabled {
		status = "disabled"
	}
	events := make([]any, 0, len(ep.events))
	for _, e := range ep.events {
		events = append(events, e)
	}
	return object{
		"id": ep.id, "object": "webhook_endpoint", "api_version": orNull(ep.version), "application": nil,
		"created": ep.created.Unix(), "description": orNull(ep.description), "enabled_events": events,
		"livemode": false, "metadata": labels(ep.metadata), "status": status, "url": ep.url,
	}
}

func (ep *endpoint) wants(kind string) bool {
	return !ep.disabled && (slices.Contains(ep.events, "*") || slices.Contains(ep.events, kind))
}

// active lists the secrets that sign at a time, the newest first.
func (ep *endpoint) active(now time.Time) []string {
	var out []string
	for _, sec := range ep.secrets {
		if sec.until.IsZero() || now.Before(sec.until) {
			out = append(out, sec.value)
		}
	}
	return out
}

// Endpoint adds a webhook endpoint with a secret of the caller's choice and returns its
// id. Without event types it gets every event.
func (s *Stripe) Endpoint(url, signingSecret string, events ...string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(events) == 0 {
		events = []string{"*"}
	}
	return s.newEndpoint(&endpoint{url: url, events: events, secrets: []secret{{value: signingSecret}}}).id
}

// RollSecret gives an endpoint a new secret and returns it. The old ones keep signing,
// beside the new one, for overlap of real time; Stripe allows up to 24 hours.
func (s *Stripe) RollSecret(endpointID string, overlap time.Duration) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ep, ok := s.endpoints.byID[endpointID]
	if !ok {
		return "", missing("webhook_endpoint", endpointID, "id")
	}
	for i := range ep.secrets {
		if ep.secrets[i].until.IsZero() {
			ep.secrets[i].until = time.Now().Add(overlap)
		}
	}
	fresh := s.id("whsec_")
	ep.secrets = append([]secret{{value: fresh}}, ep.secrets...)
	return fresh, nil
}

// Disable switches an endpoint off, as Stripe does after days of failures.
func (s *Stripe) Disable(endpointID string) {
	s.editEndpoint(endpointID, func(ep *endpoint) { ep.disabled = true })
}

// Enable switches an endpoint on again.
func (s *Stripe) Enable(endpointID string) {
	s.editEndpoint(endpointID, func(ep *endpoint) { ep.disabled = false })
}

// EndpointVersion gives an endpoint an API version of its own, which can be chosen only where it is made.
func (s *Stripe) EndpointVersion(endpointID, version string) {
	s.editEndpoint(endpointID, func(ep *endpoint) { ep.version = version })
}

// editEndpoint changes an endpoint; one that is not there stays so.
func (s *Stripe) editEndpoint(id string, edit func(*endpoint)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ep, ok := s.endpoints.byID[id]; ok {
		edit(ep)
	}
}

func (s *Stripe) newEndpoint(ep *endpoint) *endpoint {
	ep.id, ep.created = s.id("we_"), s.now
	s.endpoints.add(ep)
	return ep
}

// createEndpoint shows the secret, this one time.
func (s *Stripe) createEndpoint(c *call) (object, error) {
	events := c.list("enabled_events")
	switch {
	case !c.has("url"):
		return nil, missingParam("url")
	case len(events) == 0:
		return nil, missingParam("enabled_events")
	case len(s.endpoints.all) >= 16:
		return nil, invalid("", "", fmt.Sprintf("You have reached the maximum of %d test webhook endpoints.", 16))
	}
	ep := s.newEndpoint(&endpoint{
		url: c.text("url"), version: c.text("api_version"), description: c.text("description"), events: events,
		secrets: []secret{{value: s.id("whsec_")}}, metadata: c.metadata(nil),
	})
	o := ep.render()
	o["secret"] = ep.secrets[0].value
	return o, nil
}

func (s *Stripe) getEndpoint(c *call) (object, error) {
	ep, err := find(&s.endpoints, "webhook_endpoint", c.id())
	if err != nil {
		return nil, err
	}
	return ep.render(), nil
}

func (s *Stripe) updateEndpoint(c *call) (object, error) {
	ep, err := find(&s.endpoints, "webhook_endpoint", c.id())
	if err != nil {
		return nil, err
	}
	if c.has("disabled") {
		if ep.disabled, err = c.truth("disabled"); err != nil {
			return nil, err
		}
	}
	c.set("url", &ep.url)
	c.set("description", &ep.description)
	ep.metadata = c.metadata(ep.metadata)
	if events := c.list("enabled_events"); len(events) > 0 {
		ep.events = events
	}
	return ep.render(), nil
}

func (s *Stripe) deleteEndpoint(c *call) (object, error) {
	ep, err := find(&s.endpoints, "webhook_endpoint", c.id())
	if err != nil {
		return nil, err
	}
	s.endpoints.remove(ep)
	return object{"id": ep.id, "object": "webhook_endpoint", "deleted": true}, nil
}

func (s *Stripe) listEndpoints(c *call) (object, error) {
	return page(c, s.endpoints.all, func(*endpoint) bool { return true })
}
