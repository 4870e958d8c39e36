package alert

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"bursar/app/db"
	"bursar/app/mail"
)

// What became of a request to the webhook, as the server counts it.
const (
	Stored       = "stored"
	Duplicate    = "duplicate"
	Ignored      = "ignored"
	BadSignature = "bad_signature"
	BadTimestamp = "bad_timestamp"
	Unavailable  = "unavailable"
)

const (
	webhookWindow   = 15 * time.Minute
	signatureWindow = 10 * time.Minute
	retriesFor      = 3 * 24 * time.Hour // how long Stripe sends an event again: https://docs.stripe.com/webhooks#retries
	enough          = 100                // below, a share says nothing
	minRejected     = 5
)

// critical are events without which somebody pays and gets nothing.
var critical = []string{"checkout.session.completed", "checkout.session.async_payment_succeeded", "customer.subscription.created", "invoice.paid"}

// webhookRules are about the way from Stripe to the file.
func webhookRules() []Rule {
	return []Rule{
		{Key: "webhook", Name: "Webhook deliveries", Title: "Webhook deliveries fail", Level: High, Link: "/admin/events", Roots: []string{database},
			What:  "Events with a good signature that could not be stored and have not come again since, of all events with a good signature in 15 minutes. Requests without a good signature never count.",
			Limit: "more than 1 % of at least 100 events; 2 events of fewer; any purchase or payment, for as long as Stripe tries again",
			Step:  "Look at the log for the reason. Stripe sends the events again for three days.", measure: measureWebhook},
		{Key: "signatures", Name: "Signatures of webhooks", Title: "Every webhook is rejected: does the signing secret differ?", Level: Low, Link: "/admin/settings",
			What:  "Requests in 10 minutes whose signature is wrong, while not one was right.",
			Limit: "5 or more rejected and none accepted",
			Step:  "Compare STRIPE_WEBHOOK_SECRET with the endpoint's signing secret in Stripe. If they agree, somebody else posts here, and nothing needs to be done.", measure: measureSignatures},
		{Key: "sweep", Name: "Stripe's list of events", Title: "Stripe's list of events cannot be read", Level: High, Link: "/admin/stripe", Roots: []string{database, "worker", "connector_stripe"},
			What:  "Bursar reads the list of events at Stripe every few minutes, to find what no webhook brought.",
			Limit: "not read whole for 45 minutes", Step: "Check that STRIPE_API_KEY may read events.", Age: true, measure: measureSweep},
		{Key: "missed", Name: "Events missed by the webhook", Title: "Stripe could not deliver events", Level: High, Link: "/admin/stripe", Roots: []string{database},
			What:  "Events that a webhook should have brought by then, and that were found by asking Stripe, in 24 hours. They are worked on all the same.",
			Limit: "1 event", Step: "Look at the endpoint's failed deliveries in Stripe under Developers, Webhooks.", Age: true, measure: measureMissed},
		{Key: "processing", Name: "Work on stored events", Title: "Stored events are not worked on", Level: High, Link: "/admin/jobs?state=discarded", Roots: []string{database, "worker", "connector_stripe"},
			What:  "Events are stored and answered at once, and worked on by jobs. These gave up, or wait for more than 15 minutes.",
			Limit: "1 job", Step: "Open the jobs, read the error, and retry them.", Age: true, measure: measureProcessing},
		{Key: "silence", Name: "Silence of Stripe", Title: "Events do not come any more", Level: High, Link: "/admin/stripe", Roots: []string{database, "connector_stripe"},
			What:  "The time since the last delivered event, while Stripe lists newer ones. A quiet shop is no alert.",
			Limit: "6 hours, or five times the usual gap if that is longer", Step: "Look whether the endpoint in Stripe is enabled and has the right address.", Age: true, measure: measureSilence},
		{Key: "endpoint", Name: "The webhook endpoint at Stripe", Title: "The webhook endpoint at Stripe is wrong", Level: High, Link: "/admin/stripe", Roots: []string{"connector_stripe"},
			What:  "The endpoint at Stripe: its address, whether it is enabled, and which events it sends.",
			Limit: "anything differs", Step: "Mend the endpoint in Stripe under Developers, Webhooks.", measure: measureEndpoint},
	}
}

func measureWebhook(ctx context.Context, l *look) (Measure, error) {
	taken, err := l.q.CountStoredByWebhook(ctx, l.ago(webhookWindow))
	if err != nil {
		return Measure{}, err
	}
	failed, err := l.q.UnhealedDeliveries(ctx, l.ago(retriesFor))
	if err != nil {
		return Measure{}, err
	}
	var bad, grave int64
	var kinds []string
	for _, f := range failed {
		recent := l.now.Sub(f.LastAt.Time) <= webhookWindow
		if recent {
			bad++
		}
		if slices.Contains(critical, f.Type) {
			grave++
		}
		if (recent || slices.Contains(critical, f.Type)) && !slices.Contains(kinds, f.Type) {
			kinds = append(kinds, f.Type)
		}
	}
	n := taken + bad
	m := Measure{Verdict: Fine, Value: share(bad, n, "deliveries"), Size: max(bad, grave)}
	if n > 0 {
		m.Number = float64(bad) / float64(n)
	}
	switch {
	case grave > 0:
		m.Verdict, m.Level = Bad, Critical
		m.Value += fmt.Sprintf("; %s of a purchase or payment not stored yet", many(grave, "event", "events"))
	case n >= enough && bad*100 > n, n < enough && bad >= 2:
		m.Verdict = Bad
	case n == 0 && len(failed) == 0:
		m.Value = "no deliveries in 15 minutes"
	}
	if m.Verdict == Bad {
		m.Cause = "Not stored: " + mail.Line(strings.Join(kinds[:min(len(kinds), 5)], ", "), 200) + "."
	}
	return m, nil
}

func measureSignatures(ctx context.Context, l *look) (Measure, error) {
	counts, err := deliveries(ctx, l.q, l.ago(signatureWindow))
	if err != nil {
		return Measure{}, err
	}
	rejected, accepted := counts[BadSignature], counts[Stored]+counts[Duplicate]+counts[Ignored]+counts[BadTimestamp]+counts[Unavailable]
	m := Measure{Verdict: Fine, Value: fmt.Sprintf("%d rejected, %d accepted in 10 minutes", rejected, accepted), Number: float64(rejected)}
	switch {
	case rejected+accepted == 0:
		return notKnown("no requests in 10 minutes"), nil
	case accepted == 0 && rejected >= minRejected:
		m.Verdict, m.Cause = Bad, "Either the signing secret here is not the endpoint's (was it rolled?), or somebody else posts to the webhook."
	}
	return m, nil
}

func deliveries(ctx context.Context, q *db.Queries, since db.Time) (map[string]int64, error) {
	rows, err := q.CountDeliveries(ctx, since)
	counts := map[string]int64{}
	for _, r := range rows {
		counts[r.Outcome] = r.N
	}
	return counts, err
}

func measureMissed(ctx context.Context, l *look) (Measure, error) {
	if m, known, err := l.swept(ctx); err != nil || !known {
		m.Verdict = NotKnown
		return m, err
	}
	row, err := l.q.SweptSince(ctx, l.ago(24*time.Hour))
	if err != nil {
		return Measure{}, err
	}
	if row.Missing == 0 {
		return Measure{Verdict: Fine, Value: "none in 24 hours"}, nil
	}
	return Measure{Verdict: Bad, Value: many(row.Missing, "event", "events") + " in 24 hours", Size: row.Missing, Number: float64(row.Missing),
		Cause: "The oldest was " + spell(time.Duration(row.LateMs)*time.Millisecond) + " old when it was found."}, nil
}

// sweptLimit is three times the longest rest between two looks at Stripe's list.
const sweptLimit = 45 * time.Minute

// swept says how far Stripe's list of events is known. What is not known lately says nothing.
func (l *look) swept(ctx context.Context) (m Measure, known bool, err error) {
	if !l.Stripe {
		return notKnown("only Stripe knows, and there is no STRIPE_API_KEY to ask with"), false, nil
	}
	last, err := l.q.LastCompleteSweep(ctx, false)
	if errors.Is(err, db.ErrNoRows) {
		return notKnown("Stripe's list of events was not read yet"), false, nil
	}
	if err != nil {
		return Measure{}, false, err
	}
	age := l.now.Sub(last.StartedAt.Time)
	m = Measure{Verdict: Fine, Value: "read " + spell(max(age, 0)) + " ago", Number: age.Seconds()}
	if age <= sweptLimit {
		return m, true, nil
	}
	newest, err := l.q.LastSweep(ctx)
	m.Value, m.Cause = "last read whole "+spell(age)+" ago", failure(newest.Error)
	return m, false, err
}

func measureSweep(ctx context.Context, l *look) (Measure, error) {
	m, known, err := l.swept(ctx)
	if !known && m.Verdict == Fine {
		m.Verdict = Bad
	}
	return m, err
}

func measureProcessing(ctx context.Context, l *look) (Measure, error) {
	late, err := l.q.LateSyncs(ctx, l.ago(webhookWindow))
	if err != nil {
		return Measure{}, err
	}
	dead, err := l.q.DeadSyncs(ctx)
	if err != nil {
		return Measure{}, err
	}
	open, err := l.q.CountOpenSyncs(ctx)
	if err != nil {
		return Measure{}, err
	}
	n := late.N + dead.N
	m := Measure{Verdict: Fine, Value: fmt.Sprintf("none of %s late", many(open, "job", "jobs")), Size: n, Number: float64(n)}
	if n > 0 {
		m.Verdict, m.Value = Bad, fmt.Sprintf("%d gave up, %d of %s for more than 15 minutes", dead.N, late.N, many(open, "job waits", "jobs wait"))
		m.Cause = failure(dead.Error)
		if dead.N == 0 {
			m.Cause = failure(late.Error)
		}
	}
	return m, nil
}

const quietLimit = 6 * time.Hour

func measureSilence(ctx context.Context, l *look) (Measure, error) {
	if m, known, err := l.swept(ctx); err != nil || !known {
		m.Verdict = NotKnown
		return m, err
	}
	gaps, err := l.q.EventGaps(ctx)
	if err != nil {
		return Measure{}, err
	}
	if gaps.N < 2 {
		return notKnown("too few events have come to know what is usual"), nil
	}
	newest := time.UnixMilli(gaps.NewestMs)
	usual := newest.Sub(time.UnixMilli(gaps.OldestMs)) / time.Duration(gaps.N-1)
	limit := max(quietLimit, 5*usual)
	quiet := l.now.Sub(newest)
	m := Measure{Verdict: Fine, Value: fmt.Sprintf("the last event came %s ago, usually every %s", spell(max(quiet, 0)), spell(usual)), Number: quiet.Seconds()}
	restored, err := db.ReadRestored(ctx, l.q)
	if err != nil {
		return Measure{}, err
	}
	if restored.At.After(newest) { // what was delivered before got lost with the file
		newest = restored.At
		quiet = l.now.Sub(newest)
	}
	if quiet <= limit {
		return m, nil
	}
	listed, err := l.q.NewestEventAtStripe(ctx, db.At(newest))
	if err != nil {
		return Measure{}, err
	}
	if time.UnixMilli(listed).After(newest) {
		m.Verdict, m.Cause = Bad, "Stripe lists newer events, the newest from "+spell(l.now.Sub(time.UnixMilli(listed)))+" ago."
	}
	return m, nil
}

func measureEndpoint(ctx context.Context, l *look) (Measure, error) {
	if l.Endpoint == nil {
		return notKnown("only Stripe knows, and Bursar may not ask for it"), nil
	}
	c, err := l.Endpoint(ctx)
	return l.checked(c, "it is not as it should be", "it is as it should be"), err
}

// checked puts what a check found into a measurement.
func (l *look) checked(c Checked, bad, fine string) Measure {
	switch {
	case c.NotKnown != "":
		return notKnown(mail.Line(c.NotKnown, 300))
	case c.At.IsZero():
		return notKnown("it was not checked yet")
	}
	when := ", checked " + spell(max(l.now.Sub(c.At), 0)) + " ago"
	if c.Problem != "" {
		return Measure{Verdict: Bad, Value: bad + when, Cause: mail.UpperFirst(mail.Line(c.Problem, 300)), Level: c.Level, Number: 1}
	}
	return Measure{Verdict: Fine, Value: fine + when}
}
