package app

import (
	"context"
	"strings"

	"bursar/app/alert"
	"bursar/app/auth"
	"bursar/app/billing"
	"bursar/app/queue"
	"bursar/app/reconcile"
	"bursar/app/remote"
)

// newAlerts makes the watch of this App. stripe says that there is a key to ask Stripe with.
func (a *App) newAlerts(stripe bool) *alert.Watch {
	c := a.Config
	w := &alert.Watch{DB: a.DB, Worker: a.Worker, Schedules: new(queue.Pulse), Tally: new(alert.Tally), Log: a.Log, Templates: a.templates,
		Location: c.Location, URL: c.URL, To: c.AlertsTo, SMTP: c.SMTP, Stripe: stripe, AuditChain: a.auditChain, Endpoint: a.endpoint,
		Drift: func(name string) (string, bool) { k := reconcile.KindOf(name); return k.Title, k.High }}
	client := remote.NewClient(remote.Options{Allow: c.AllowInternal})
	if c.SlackURL != "" {
		w.Slack = &alert.Slack{URL: c.SlackURL, Client: client}
	}
	if c.HeartbeatURL != "" {
		w.Heartbeat = &alert.Heartbeat{URL: c.HeartbeatURL, Client: client}
	}
	return w
}

// endpoint is what is wrong with the webhook endpoint at Stripe. That it is silent has a rule of its own.
func (a *App) endpoint(ctx context.Context) (alert.Checked, error) {
	s, err := a.Billing.EndpointStatus(ctx, a.DB.Read())
	if err != nil || !s.Known {
		return alert.Checked{NotKnown: s.Reason}, err
	}
	c := alert.Checked{At: s.AsOf, Level: alert.Low}
	var texts []string
	for _, p := range s.Problems {
		if p.Kind == billing.EndpointSilent {
			continue
		}
		if p.Severe {
			c.Level = alert.High
		}
		texts = append(texts, p.Text+" "+p.Fix)
	}
	c.Problem = strings.Join(texts, " ")
	return c, nil
}

// auditChain is what the nightly check of the audit found.
func (a *App) auditChain(ctx context.Context) (alert.Checked, error) {
	last, err := auth.LastAuditCheck(ctx, a.DB.Read())
	return alert.Checked{At: last.At, Problem: last.Broken}, err
}
