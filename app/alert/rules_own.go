package alert

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"bursar/app/db"
	"bursar/app/mail"
)

// ownRules are about Bursar itself. They explain many others.
func ownRules() []Rule {
	return []Rule{
		{Key: database, Name: "Writes to the database", Title: "The database cannot be written", Level: Critical, Link: "/admin/alerts/" + database,
			What: "Every minute a row is written. What fails is told past the outbox, which is in the same file.", Limit: "two writes in a row fail",
			Step: "Look at the free space and the rights of the folder of BURSAR_DB, then at the log.", measure: measureDatabase},
		{Key: "worker", Name: "Worker and schedules", Title: "The worker or the schedules stand still", Level: Critical, Link: "/admin/jobs", Roots: []string{database},
			What:  "The worker looks for jobs every second, the schedules tick every 20 seconds.",
			Limit: "no sign of life for 5 minutes (worker) or 2 minutes (schedules)", Step: "Restart Bursar and look at the log.", measure: measureWorker},
		{Key: "door", Name: "The webhook's door", Title: "The webhook's door does not open", Level: Critical, Link: "/admin/events", Roots: []string{database},
			What:  "Every 5 minutes Bursar sends itself a signed probe through the webhook's address on this machine. It is not stored, and not counted anywhere.",
			Limit: "it fails two times in a row", Step: "Look at the log for the route of the webhook.", measure: measureDoor},
	}
}

func measureDatabase(context.Context, *look) (Measure, error) {
	return Measure{Verdict: Fine, Value: "written a moment ago"}, nil // or nothing would be measured
}

func measureWorker(_ context.Context, l *look) (Measure, error) {
	if l.Worker == nil || l.Schedules == nil || l.Worker.Pulse.At().IsZero() || l.Schedules.At().IsZero() {
		return notKnown("they have not begun yet"), nil
	}
	worker, schedules := l.now.Sub(l.Worker.Pulse.At()), l.now.Sub(l.Schedules.At())
	m := Measure{Verdict: Fine, Value: fmt.Sprintf("worker %s ago, schedules %s ago", spell(max(worker, 0)), spell(max(schedules, 0))), Number: worker.Seconds()}
	if worker > workerBehind || schedules > schedulesBehind {
		m.Verdict, m.Cause = Bad, "Jobs wait, and what is told through them waits too."
	}
	return m, nil
}

const doorEvery = 5 * time.Minute

func measureDoor(ctx context.Context, l *look) (Measure, error) {
	if l.Door == nil {
		return notKnown("there is no webhook: STRIPE_WEBHOOK_SECRET is not set"), nil
	}
	// After a failure it is asked at once again.
	if l.doorErr != nil || l.now.Sub(l.doorAt) >= doorEvery {
		l.doorErr, l.doorAt = l.Door(ctx), l.now
	}
	if l.doorErr != nil {
		return Measure{Verdict: Bad, Value: "the probe failed", Cause: mail.UpperFirst(mail.Line(l.doorErr.Error(), 300)) + ".", Number: 1}, nil
	}
	return Measure{Verdict: Fine, Value: "the probe came through"}, nil
}

// systems are those that jobs talk to.
var systems = [...]struct {
	name, shown, title, step, link string
}{
	{"stripe", "Stripe's API", "Stripe does not answer", "Check STRIPE_API_KEY in Stripe under Developers, API keys, and https://status.stripe.com.", "/admin/jobs?state=retryable"},
	{"stripe-actions", "Stripe's API, for money", "Stripe does not do what it is asked to", "Check STRIPE_ACTIONS_KEY in Stripe under Developers, API keys.", "/admin/jobs?state=retryable"},
	{"crm", "The CRM", "The CRM does not answer", "Check the CRM's credentials and its status page.", "/admin/jobs?state=retryable"},
	{"desk", "The support desk", "The support desk does not answer", "Check the desk's credentials and its status page.", "/admin/jobs?state=retryable"},
	{mailSystem, "The mail server", "The mail server does not answer", "Check SMTP_URL; mails wait in the outbox.", "/admin/outbox"},
	{slackSystem, "Slack", "Slack does not take messages", "Make a new incoming webhook and set SLACK_WEBHOOK_URL.", "/admin/alerts/connector_slack"},
}

// connectorRules are one for each system.
func connectorRules() (rules []Rule) {
	for _, s := range systems {
		rules = append(rules, Rule{Key: "connector_" + s.name, Name: s.shown, Title: s.title, Level: High, Step: s.step, Link: s.link, Roots: []string{database},
			What:  "A system that refuses the credentials, or does not answer five times in a row, is left alone for a while. Its jobs wait, and are not given up.",
			Limit: "it refuses the credentials, or does not answer five times in a row", measure: func(ctx context.Context, l *look) (Measure, error) { return measureConnector(ctx, l, s.name) }})
	}
	return rules
}

func measureConnector(ctx context.Context, l *look, system string) (Measure, error) {
	unset := system == "stripe" && !l.Stripe || system == slackSystem && l.Slack == nil
	if unset || l.Worker == nil || len(l.Worker.KindsOf(system)) == 0 {
		return notKnown("it is not set up"), nil
	}
	c, err := l.q.CircuitOf(ctx, system)
	if errors.Is(err, db.ErrNoRows) || err == nil && c.OpenedAt.IsZero() {
		m := Measure{Verdict: Fine, Value: "it answers"}
		if c.Failures > 0 {
			m.Value = fmt.Sprintf("%d failures in a row", c.Failures)
		}
		return m, nil
	}
	if err != nil {
		return Measure{}, err
	}
	waiting, err := l.q.WaitingOf(ctx, jsonList(l.Worker.KindsOf(system)))
	if err != nil {
		return Measure{}, err
	}
	return Measure{Verdict: Bad, Value: fmt.Sprintf("%s, %s", many(c.Failures, "failure", "failures"), many(waiting, "job waits", "jobs wait")), Number: 1,
		Cause: mail.UpperFirst(mail.Line(c.Reason, 300)) + "."}, nil
}

// many writes a number with its word.
func many(n int64, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

// share writes how many of how many.
func share(n, of int64, what string) string {
	if of <= 0 {
		return fmt.Sprintf("%d %s", n, what)
	}
	return fmt.Sprintf("%d of %d %s (%s %%)", n, of, what, strings.TrimSuffix(fmt.Sprintf("%.1f", 100*float64(n)/float64(of)), ".0"))
}

// failure is the last error of some job, as far as it fits.
func failure(text string) string {
	if text = mail.Line(text, 200); text == "" {
		return ""
	}
	return "The last error: " + strings.TrimSuffix(text, ".") + "."
}
