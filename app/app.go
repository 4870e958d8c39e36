// Package app joins the parts and runs the commands. It is the only place where parts meet.
package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strconv"
	"time"

	"bursar/app/billing"
	"bursar/app/crm"
	"bursar/app/db"
	"bursar/app/mail"
	"bursar/app/queue"
	"bursar/app/reconcile"
	"bursar/app/stripe"
	"bursar/app/support"
)

// App is Bursar with its parts joined, on one open file.
type App struct {
	Config     Config
	Files      fs.FS // schema.sql and web/
	DB         *db.DB
	Worker     *queue.Worker
	Billing    *billing.Billing
	Desk       support.Desk
	Reconciler *reconcile.Reconciler
	Log        *slog.Logger
}

// New opens the file and joins the parts. files holds schema.sql and web/. Close it after use.
func New(ctx context.Context, c Config, files fs.FS, log *slog.Logger) (*App, error) {
	schema, err := fs.ReadFile(files, "schema.sql")
	if err != nil {
		return nil, fmt.Errorf("read the schema: %w", err)
	}
	templates, err := mail.ParseTemplates(files)
	if err != nil {
		return nil, fmt.Errorf("parse the mail templates: %w", err)
	}
	d, err := db.Open(ctx, c.DB, string(schema))
	if err != nil {
		return nil, err
	}
	a := &App{Config: c, Files: files, DB: d, Log: log, Worker: queue.NewWorker(d, log), Desk: support.Builtin{DB: d}}
	var client *stripe.Client
	if c.StripeKey != "" {
		client = stripe.New(c.StripeKey, c.StripeBase)
	}
	contacts := crm.Builtin{DB: d}
	a.Billing = &billing.Billing{DB: d, Stripe: client, Live: stripe.Livemode(c.StripeKey), Plans: c.Plans}
	a.Reconciler = &reconcile.Reconciler{DB: d, Stripe: client, CRM: contacts, Desk: a.Desk, Templates: templates,
		To: c.ReportTo, Send: c.SMTP != nil && len(c.ReportTo) > 0, URL: c.URL, Location: c.Location}

	a.Billing.Handle(a.Worker)
	crm.Handle(a.Worker, d, contacts)
	support.Handle(a.Worker, a.Desk)
	a.Reconciler.Handle(a.Worker)
	queue.HandlePrune(a.Worker)
	if c.SMTP != nil {
		sender := &mail.Sender{DB: d, SMTP: *c.SMTP}
		queue.Handle(a.Worker, queue.Options{System: "mail"}, sender.Send)
	}
	// Paid-to-active counts from here on: what was bought earlier did not wait for Bursar.
	err = d.Tx(ctx, func(q *db.Queries) error {
		return q.SetMeta(ctx, "installed_at", strconv.FormatInt(time.Now().UnixMilli(), 10))
	})
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return a, nil
}

// Close closes the file.
func (a *App) Close() error { return a.DB.Close() }

// schedules is everything that runs by the calendar.
func (a *App) schedules() []queue.Schedule {
	return []queue.Schedule{
		{Name: "report", Spec: a.Config.ReportAt, Location: a.Config.Location,
			Job: func(r queue.Run) queue.Args { return reconcile.Reconcile{Day: r.Day, Late: r.Late} }},
		{Name: "prune", Spec: "20 4 * * *", Location: a.Config.Location,
			Job: func(queue.Run) queue.Args { return queue.Prune{} }},
	}
}

// workAside makes sure that somebody works on the jobs while fn runs: a serve that is up, or else this
// process. fn waits for what it wants to see done.
func (a *App) workAside(ctx context.Context, fn func(ctx context.Context) error) error {
	unlock, err := db.Lock(a.Config.DB)
	if errors.Is(err, db.ErrLocked) {
		return fn(ctx)
	}
	if err != nil {
		return err
	}
	defer unlock()
	working, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- a.Worker.Run(working) }()
	err = fn(ctx)
	stop()
	return errors.Join(err, <-done)
}

// await asks until done says yes.
func await(ctx context.Context, done func() (bool, error)) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		yes, err := done()
		if yes || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
