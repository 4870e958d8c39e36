package billing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"bursar/app/db"
	"bursar/app/queue"
	"bursar/app/stripe"
)

// WatchEndpoint asks Stripe how our webhook endpoint is configured.
type WatchEndpoint struct{}

func (WatchEndpoint) Kind() string { return "watch_endpoint" }

// Key is the same for all.
func (WatchEndpoint) Key() string { return "webhook" }

const (
	watchEvery   = time.Hour      // how often the endpoint is looked at
	watchGoodFor = 3 * watchEvery // how long what Stripe said last counts as known
)

// webhookPath is where webhooks come in.
const webhookPath = "/api/webhooks/stripe"

// EndpointProblem is something wrong with the webhook endpoint.
type EndpointProblem struct {
	Kind     string    `json:"kind"` // one of the Endpoint… constants
	Endpoint string    `json:"endpoint,omitempty"`
	Text     string    `json:"text"` // what is wrong
	Fix      string    `json:"fix"`  // what to do about it
	Severe   bool      `json:"severe"`
	Since    time.Time `json:"since"` // when it was first seen
}

// Kinds of problems of an endpoint.
const (
	EndpointMissing   = "missing"
	EndpointDisabled  = "disabled"
	EndpointWrongURL  = "wrong_url"
	EndpointTooFew    = "too_few_events"
	EndpointTooMany   = "too_many_events"
	EndpointWrongMode = "wrong_mode"
	EndpointLeftOver  = "left_over"
	EndpointTooNew    = "too_new"
	EndpointSilent    = "silent"
)

// EndpointStatus is what is known of the webhook endpoint. Without problems it is right only if it is Known.
type EndpointStatus struct {
	Known    bool
	Reason   string // why it is not known
	AsOf     time.Time
	Problems []EndpointProblem // severe ones first
}

// WatchDue says whether the endpoint is to be looked at again.
func (b *Billing) WatchDue(ctx context.Context, q *db.Queries) (bool, error) {
	if b.Stripe == nil {
		return false, nil
	}
	row, err := q.EndpointCheck(ctx)
	if missingIsFine(&err) != nil {
		return false, fmt.Errorf("plan the look at the endpoint: %w", err)
	}
	age := time.Since(row.AsOfAt.Time)
	return age >= watchEvery-sweepSlack || age < 0, nil
}

// watchEndpoint looks at the endpoints of the account. What cannot be read is stored as not known: an error
// for the queue would leave all of Stripe alone because of one missing permission.
func (b *Billing) watchEndpoint(ctx context.Context, _ WatchEndpoint) error {
	if b.Stripe == nil {
		return nil
	}
	var endpoints []stripe.WebhookEndpoint
	var failed error
	for e, err := range b.Stripe.For(forWatch).WebhookEndpoints(ctx) {
		if failed = err; err != nil {
			break
		}
		endpoints = append(endpoints, e)
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	store := context.WithoutCancel(ctx)
	return b.DB.Tx(store, func(q *db.Queries) error {
		row := db.SaveEndpointCheckParams{Known: failed == nil, Problems: "[]", AsOfAt: db.Now()}
		if failed != nil {
			row.Reason = whyUnknown(failed)
			return q.SaveEndpointCheck(store, row)
		}
		var problems []EndpointProblem
		problems, row.Reason = b.checkEndpoints(endpoints)
		row.Known = row.Reason == ""
		before, err := storedEndpoint(store, q)
		if err != nil {
			return err
		}
		for i := range problems {
			problems[i].Since = since(before.Problems, problems[i], row.AsOfAt.Time)
		}
		text, err := json.Marshal(slices.Concat([]EndpointProblem{}, problems))
		row.Problems = string(text)
		return errors.Join(err, q.SaveEndpointCheck(store, row))
	})
}

func whyUnknown(err error) string {
	var e *stripe.Error
	if errors.As(err, &e) && e.Status == http.StatusForbidden {
		return "STRIPE_API_KEY may not read webhook endpoints; give the restricted key the permission Webhook Endpoints: Read"
	}
	return err.Error()
}

func since(before []EndpointProblem, p EndpointProblem, now time.Time) time.Time {
	for _, old := range before {
		if old.Kind == p.Kind && old.Endpoint == p.Endpoint {
			return old.Since
		}
	}
	return now.UTC()
}

// checkEndpoints says what is wrong with the endpoints, or why that cannot be said.
func (b *Billing) checkEndpoints(all []stripe.WebhookEndpoint) (problems []EndpointProblem, unknown string) {
	want := b.URL + webhookPath
	var ours, near []stripe.WebhookEndpoint
	for _, e := range all {
		switch matchURL(want, e.URL) {
		case sameURL:
			ours = append(ours, e)
		case nearURL:
			near = append(near, e)
		}
	}
	if len(ours) == 0 && len(near) == 0 && onlyHere(want) {
		return nil, "BURSAR_URL is an address of this machine, which Stripe cannot call; with stripe listen there is no endpoint to look at"
	}
	enabled := slices.DeleteFunc(slices.Clone(ours), func(e stripe.WebhookEndpoint) bool { return e.Status != "enabled" })
	for _, e := range near {
		if e.Status == "enabled" || len(ours) == 0 {
			problems = append(problems, EndpointProblem{Kind: EndpointWrongURL, Endpoint: e.ID, Severe: len(enabled) == 0,
				Text: fmt.Sprintf("An endpoint sends to %s, and Bursar is at %s. Stripe follows no redirects.", e.URL, want),
				Fix:  "Change its URL in Stripe under Developers, Webhooks."})
		}
	}
	switch {
	case len(ours) == 0 && len(near) == 0:
		problems = append(problems, EndpointProblem{Kind: EndpointMissing, Severe: true, Text: "Stripe has no endpoint for " + want + ".",
			Fix: "Add one in Stripe under Developers, Webhooks, and put its signing secret into STRIPE_WEBHOOK_SECRET."})
	case len(ours) > 0 && len(enabled) == 0:
		problems = append(problems, EndpointProblem{Kind: EndpointDisabled, Endpoint: ours[0].ID, Severe: true, Text: "The endpoint is disabled: Stripe sends nothing.",
			Fix: "Enable it in Stripe under Developers, Webhooks. Stripe disables endpoints that fail for days; what was missed is taken in by the sweep."})
	}
	for i, e := range enabled {
		problems = append(problems, b.checkEndpoint(e)...)
		if i > 0 {
			problems = append(problems, EndpointProblem{Kind: EndpointLeftOver, Endpoint: e.ID,
				Text: "A second endpoint sends to the same address, so every event comes twice. Stripe allows 16 endpoints.",
				Fix:  "Delete the one whose signing secret is not in STRIPE_WEBHOOK_SECRET."})
		}
	}
	slices.SortStableFunc(problems, func(a, b EndpointProblem) int { return severity(b) - severity(a) })
	return problems, ""
}

func severity(p EndpointProblem) int {
	if p.Severe {
		return 1
	}
	return 0
}

// checkEndpoint says what is wrong with an endpoint that has the right address and is enabled.
func (b *Billing) checkEndpoint(e stripe.WebhookEndpoint) (problems []EndpointProblem) {
	add := func(kind string, severe bool, text, fix string) {
		problems = append(problems, EndpointProblem{Kind: kind, Endpoint: e.ID, Severe: severe, Text: text, Fix: fix})
	}
	all := slices.Contains(e.Events, "*")
	var few []string
	for _, kind := range stripe.EventTypes() {
		if !all && !slices.Contains(e.Events, kind) {
			few = append(few, kind)
		}
	}
	if len(few) > 0 {
		add(EndpointTooFew, true, "The endpoint does not send "+strings.Join(few, ", ")+".", "Add these event types in Stripe under Developers, Webhooks.")
	}
	if all || slices.Contains(e.Events, stripe.HoldsInvoices) {
		add(EndpointTooMany, false, "The endpoint sends "+stripe.HoldsInvoices+". Stripe then holds invoices back, for up to three days, until Bursar answers.",
			"Choose the event types one by one, without "+stripe.HoldsInvoices+".")
	}
	if e.Livemode != b.Live {
		add(EndpointWrongMode, true, "The endpoint is of "+mode(e.Livemode)+" mode, and STRIPE_API_KEY of "+mode(b.Live)+" mode.",
			"Make an endpoint in "+mode(b.Live)+" mode, and use its signing secret.")
	}
	if !stripe.Understood(e.APIVersion) {
		add(EndpointTooNew, false, "The endpoint sends API version "+e.APIVersion+", which this Bursar was not tried with. It reads the objects from Stripe's API in a version of its own, so this matters only while Stripe does not answer.",
			"Update Bursar when there is a newer one.")
	}
	return problems
}

func storedEndpoint(ctx context.Context, q *db.Queries) (s EndpointStatus, err error) {
	row, err := q.EndpointCheck(ctx)
	if missingIsFine(&err) != nil {
		return s, err
	}
	if row.ID == 0 {
		return EndpointStatus{Reason: "Stripe has not been asked yet"}, nil
	}
	s = EndpointStatus{Known: row.Known, Reason: row.Reason, AsOf: row.AsOfAt.Time}
	return s, json.Unmarshal([]byte(row.Problems), &s.Problems)
}

// EndpointStatus says what is wrong with the webhook endpoint, as far as that is known: what Stripe says of
// it, and whether webhooks arrive.
func (b *Billing) EndpointStatus(ctx context.Context, q *db.Queries) (EndpointStatus, error) {
	if b.Stripe == nil {
		return EndpointStatus{Reason: "there is no STRIPE_API_KEY, so Stripe cannot be asked"}, nil
	}
	s, err := storedEndpoint(ctx, q)
	if err != nil {
		return s, fmt.Errorf("read the check of the endpoint: %w", err)
	}
	if s.Known && time.Since(s.AsOf) > watchGoodFor {
		s.Known, s.Reason = false, "Stripe was last asked more than three hours ago"
	}
	sweeps, err := b.SweepStatus(ctx, q)
	if err != nil {
		return s, err
	}
	if sweeps.Silent() {
		s.Problems = slices.Insert(s.Problems, 0, EndpointProblem{Kind: EndpointSilent, Severe: true, Since: sweeps.MissingAt,
			Text: fmt.Sprintf("Stripe has news and no webhook brings them: %d events of 24 hours were found by asking Stripe.", sweeps.Missing),
			Fix:  "Look at the endpoint in Stripe under Developers, Webhooks: it shows what each attempt was answered."})
	}
	return s, nil
}

// handleSweeps registers the jobs that ask Stripe by the clock.
func (b *Billing) handleSweeps(w *queue.Worker) {
	o := queue.Options{System: system, Timeout: sweepTimeout}
	queue.Handle(w, o, func(ctx context.Context, a Sweep) error {
		return b.saving(ctx, func() error { return b.sweep(ctx, a) })
	})
	queue.Handle(w, o, func(ctx context.Context, a WatchEndpoint) error {
		return b.saving(ctx, func() error { return b.watchEndpoint(ctx, a) })
	})
	queue.Handle(w, o, func(ctx context.Context, a Backfill) error {
		return b.saving(ctx, func() error { return b.backfill(ctx, a) })
	})
}
