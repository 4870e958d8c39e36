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

	"bursar/app/alert"
	"bursar/app/auth"
	"bursar/app/billing"
	"bursar/app/connect"
	"bursar/app/crm"
	"bursar/app/db"
	"bursar/app/mail"
	"bursar/app/money"
	"bursar/app/privacy"
	"bursar/app/queue"
	"bursar/app/reconcile"
	"bursar/app/remote"
	"bursar/app/server"
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
	Money      *money.Money
	CRM        crm.CRM
	Desk       support.Desk
	Reconciler *reconcile.Reconciler
	Connectors []*connect.Keeper // systems of other companies
	Demo       *server.Demo      // the panel of bursar demo, nil elsewhere
	Alerts     *alert.Watch
	Log        *slog.Logger

	templates *mail.Templates
}

// New opens the file and joins the parts. files holds schema.sql and web/. Close it after use.
func New(ctx context.Context, c Config, files fs.FS, log *slog.Logger) (*App, error) {
	a, err := open(ctx, c, files, log)
	if err != nil {
		return nil, err
	}
	a.join()
	return a, nil
}

// open opens the file. Where the customers are written to can be changed until join.
func open(ctx context.Context, c Config, files fs.FS, log *slog.Logger) (*App, error) {
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
	// Paid-to-active counts from here on: what was bought earlier did not wait for Bursar.
	err = d.Tx(ctx, func(q *db.Queries) error {
		return q.SetMeta(ctx, "installed_at", strconv.FormatInt(time.Now().UnixMilli(), 10))
	})
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	worker := queue.NewWorker(d, log)
	worker.Redact = c.Redact
	a := &App{Config: c, Files: files, DB: d, Log: log, Worker: worker, CRM: crm.Builtin{DB: d},
		Desk: support.Builtin{DB: d}, templates: templates}
	if err := a.connect(ctx); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return a, nil
}

// connect puts other companies' systems in the place of the built-in ones.
func (a *App) connect(ctx context.Context) error {
	c := a.Config
	web := remote.NewClient(remote.Options{Allow: c.AllowInternal, MaxBody: connect.MaxAnswer})
	contacts := ""
	if c.CRM != nil {
		k, err := c.CRM.Connect(ctx, a.DB, connect.AreaCRM, web, c.CRMFields)
		if err != nil {
			return err
		}
		contacts, a.Connectors = k.System, append(a.Connectors, k)
		if a.CRM, err = connect.NewCRM(ctx, k, c.URL); err != nil {
			return err
		}
	}
	if c.Desk != nil {
		k, err := c.Desk.Connect(ctx, a.DB, connect.AreaDesk, web, nil)
		if err != nil {
			return err
		}
		desk, err := connect.NewDesk(ctx, k, contacts)
		if err != nil {
			return err
		}
		desk.Handle(a.Worker)
		for _, other := range a.Connectors {
			if other.System == desk.Contacts {
				other.Linked = desk.Linked
			}
		}
		a.Desk, a.Connectors = desk, append(a.Connectors, k)
	}
	connect.HandleFollow(a.Worker, a.Connectors, a.Desk)
	return nil
}

// join makes the parts that need others, and says what does each job.
func (a *App) join() {
	c := a.Config
	var client *stripe.Client
	if c.StripeKey != "" {
		client = stripe.New(c.StripeKey, c.StripeBase)
	}
	a.Billing = &billing.Billing{DB: a.DB, Stripe: readsFor(client, billing.ForSync), URL: c.URL, Live: stripe.Livemode(c.StripeKey), Plans: c.Plans}
	a.Money = &money.Money{DB: a.DB, Caps: c.MoneyCaps}
	if c.ActionsKey != "" {
		a.Money.Stripe = stripe.NewActions(c.ActionsKey, c.StripeBase)
	}
	a.Reconciler = &reconcile.Reconciler{DB: a.DB, Stripe: readsFor(client, billing.ForCompare), CRM: a.CRM, Desk: a.Desk, Templates: a.templates,
		To: c.ReportTo, Send: c.SMTP != nil && len(c.ReportTo) > 0, URL: c.URL, Location: c.Location,
		Billing: a.Billing, Cap: c.RepairCap, Policies: a.policies(), MinutesPerAction: c.MinutesPerAction}

	for _, k := range a.Connectors {
		a.Reconciler.Connectors = append(a.Reconciler.Connectors, k.System)
	}

	a.Billing.Handle(a.Worker)
	a.Money.Handle(a.Worker)
	crm.Handle(a.Worker, a.DB, a.CRM)
	support.Handle(a.Worker, a.Desk)
	a.Reconciler.Handle(a.Worker)
	queue.HandlePrune(a.Worker)
	privacy.Handle(a.Worker, c.Keep)
	auth.HandleCheckAudit(a.Worker)
	a.Alerts = a.newAlerts(client != nil)
	a.Alerts.Handle(a.Worker)
	if c.SMTP != nil {
		sender := &mail.Sender{DB: a.DB, SMTP: *c.SMTP, Redact: c.Redact, Open: a.openSecret,
			Templates: a.templates, URL: c.URL, Location: c.Location}
		queue.Handle(a.Worker, queue.Options{System: "mail"}, sender.Send)
	}
}

// policies of the contacts' fields: in the built-in CRM nobody else writes.
func (a *App) policies() crm.Policies {
	if a.Config.CRM == nil {
		return nil
	}
	return a.Config.CRMFields
}

// secretKey is the key of the secrets that must be read again: of the environment, or of a file beside the
// database, which is made when it is first needed.
func (a *App) secretKey() (auth.Key, error) {
	if a.Config.SecretKey != "" {
		return auth.ParseKey(a.Config.SecretKey)
	}
	return auth.LoadKey(a.Config.DB + ".key")
}

func (a *App) openSecret(sealed []byte, about string) (string, error) {
	key, err := a.secretKey()
	if err != nil {
		return "", err
	}
	return key.Open(sealed, about)
}

// accounts writes to people about their accounts.
func (a *App) accounts() mail.Accounts {
	return mail.Accounts{Templates: a.templates, URL: a.Config.URL, Location: a.Config.Location, Send: a.Config.SMTP != nil}
}

// readsFor is a client whose requests are counted under a purpose; nil stays nil.
func readsFor(client *stripe.Client, purpose string) *stripe.Client {
	if client == nil {
		return nil
	}
	return client.For(purpose)
}

// Close closes the file.
func (a *App) Close() error {
	var err error
	if a.Billing != nil { // open, and never joined
		err = a.Billing.SaveReads(context.Background())
	}
	return errors.Join(err, a.DB.Close())
}

// schedules is everything that runs by the calendar.
func (a *App) schedules() []queue.Schedule {
	return []queue.Schedule{
		{Name: "report", Spec: a.Config.ReportAt, Location: a.Config.Location,
			Job: func(r queue.Run) queue.Args { return reconcile.Reconcile{Day: r.Day, Late: r.Late} }},
		{Name: "prune", Spec: "20 4 * * *", Location: a.Config.Location,
			Job: func(queue.Run) queue.Args { return queue.Prune{} }},
		{Name: "follow", Every: time.Minute, Location: a.Config.Location,
			Job: func(queue.Run) queue.Args { return connect.Follow{} }},
		{Name: "sweep", Every: billing.SweepBeat, Location: a.Config.Location, Due: a.Billing.SweepDue,
			Job: func(queue.Run) queue.Args { return billing.Sweep{} }},
		{Name: "watch", Every: billing.SweepBeat, Location: a.Config.Location, Due: a.Billing.WatchDue,
			Job: func(queue.Run) queue.Args { return billing.WatchEndpoint{} }},
		{Name: "retain", Spec: "50 4 * * *", Location: a.Config.Location,
			Job: func(queue.Run) queue.Args { return privacy.Retain{} }},
		{Name: "audit", Spec: "40 4 * * *", Location: a.Config.Location,
			Job: func(queue.Run) queue.Args { return auth.CheckAudit{} }},
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
	if workErr := <-done; !errors.Is(workErr, context.Canceled) { // fn may end before the worker has begun
		err = errors.Join(err, workErr)
	}
	return err
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
