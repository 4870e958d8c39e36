package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"bursar/app/auth"
	"bursar/app/db"
	"bursar/app/queue"
	"bursar/app/server"
)

// shutdownTimeout is for requests under way when the process is asked to stop; the worker has its own.
const shutdownTimeout = 5 * time.Second

type serveCmd struct{}

func (serveCmd) Help() string {
	return `Needs STRIPE_WEBHOOK_SECRET. Point a Stripe webhook endpoint, or stripe listen --forward-to, at
/api/webhooks/stripe. SIGTERM stops it after the jobs under way; a second one at once.`
}

func (serveCmd) Run(ctx context.Context, env *Environment) error {
	c, err := env.config()
	if len(c.WebhookSecrets) == 0 {
		err = errors.Join(err, errNoSecret)
	}
	if err != nil {
		return err
	}
	unlock, err := db.Lock(c.DB)
	if err != nil {
		return err
	}
	defer unlock()
	a, err := New(ctx, c, env.Files, env.logger(slog.LevelInfo))
	if err != nil {
		return err
	}
	defer a.Close()
	listener, err := server.Listen(c.Addr)
	if err != nil {
		return err
	}
	env.printf("Bursar %s\n  file     %s\n  listens  http://%s\n  webhook  %s/api/webhooks/stripe\n", version(), c.DB, listener.Addr(), c.URL)
	env.printf("  Stripe   %s\n", describeStripeKey(c.StripeKey))
	env.printf("  money    %s\n", describeActionsKey(c.ActionsKey))
	if c.SMTP == nil || len(c.ReportTo) == 0 {
		env.printf("  mail     stays in the outbox (bursar mail list); set SMTP_URL, BURSAR_MAIL_FROM and BURSAR_REPORT_TO to get it\n")
	}
	link, err := auth.FirstOwnerLink(ctx, a.DB, c.URL)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	if link != "" {
		env.printf("  welcome  nobody can sign in yet; open this within 30 minutes to become the owner:\n           %s\n", link)
	} else {
		env.printf("  pages    %s/admin\n", c.URL)
	}
	return a.Serve(ctx, listener)
}

// Serve answers requests, does the jobs and keeps the schedules until ctx ends or one of them fails.
func (a *App) Serve(ctx context.Context, listener net.Listener) error {
	handler, err := a.newServer()
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	web := handler.HTTPServer(a.Config.Addr)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	// Whichever part ends first ends the others.
	ended := make(chan error, 5)
	start := func(what string, run func() error) {
		go func() {
			defer stop()
			if err := run(); err != nil {
				ended <- fmt.Errorf("%s: %w", what, err)
				return
			}
			ended <- nil
		}()
	}
	start("worker", func() error { return a.Worker.Run(ctx) })
	start("schedules", func() error { return queue.RunSchedules(ctx, a.DB, a.Log, a.Alerts.Schedules, a.schedules()) })
	if len(a.Config.WebhookSecrets) > 0 {
		a.Alerts.Door = func(ctx context.Context) error { return handler.Probe(ctx, listener.Addr()) }
	}
	start("alerts", func() error { return a.Alerts.Run(ctx) })
	start("heartbeat", func() error { return a.Alerts.KeepBeating(ctx) })
	start("web server", func() error {
		if err := web.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	<-ctx.Done()
	a.Log.Info("stopping")
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	errs := []error{web.Shutdown(closing)}
	for range cap(ended) {
		errs = append(errs, <-ended)
	}
	return errors.Join(errs...)
}

func (a *App) newServer() (*server.Server, error) {
	key, err := a.secretKey()
	if err != nil {
		return nil, err
	}
	return server.New(server.Config{DB: a.DB, Billing: a.Billing, Desk: a.Desk, Policies: a.policies(), Hooks: a.Config.Desk, Connectors: a.Connectors, Money: a.Money, Secrets: a.Config.WebhookSecrets,
		Version: version(), Log: a.Log, Files: a.Files, Location: a.Config.Location, URL: a.Config.URL,
		Proxies: a.Config.Proxies, Settings: a.Config.Settings, Key: key, Mails: a.templates,
		Send: a.Config.SMTP != nil, Resets: a.Config.PasswordReset, Demo: a.Demo,
		Tally: a.Alerts.Tally, Alerts: a.Alerts, Worker: a.Worker})
}
