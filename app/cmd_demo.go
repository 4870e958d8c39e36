package app

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"bursar/app/auth"
	"bursar/app/billing"
	"bursar/app/connect"
	"bursar/app/db"
	"bursar/app/demo"
	"bursar/app/queue"
	"bursar/app/reconcile"
	"bursar/app/server"
	"bursar/app/stripe"
)

const (
	// demoSeed makes every demo the same company.
	demoSeed = 20
	// demoPace is how many requests a second the simulated Stripe gets: nobody waits for its limits.
	demoPace = 500
)

type demoCmd struct {
	Addr      string `help:"Where to listen, on this machine only; a free port if it is taken." default:"127.0.0.1:8099"`
	NoBrowser bool   `help:"Do not open a browser."`
	CRM       string `help:"Keep the contacts in a simulated CRM of another company: hubspot or intercom." default:"builtin"`
	Desk      string `help:"Keep the tickets on a simulated desk of another company: hubspot, zendesk or intercom." default:"builtin"`
}

func (demoCmd) Help() string {
	return `A small company on a simulated Stripe, with six weeks behind it and buttons that make things go wrong. It listens
on this machine only, talks to nothing else, and keeps its file in a temporary folder that is removed at the end.`
}

func (d demoCmd) Run(ctx context.Context, env *Environment) (err error) {
	if err := d.check(env.Getenv); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "bursar-demo-")
	if err != nil {
		return fmt.Errorf("make a folder for the demo: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	company := demo.NewCompany(demoSeed, time.Now())
	api, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen for the simulated Stripe: %w", err)
	}
	vendor := &http.Server{Handler: company.Stripe, ReadHeaderTimeout: 5 * time.Second}
	vended := make(chan error, 1)
	go func() { vended <- vendor.Serve(api) }()
	defer func() { err = errors.Join(err, vendor.Close(), unlessClosed(<-vended)) }()

	vendors, err := startVendors(d.CRM, d.Desk)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, vendors.close()) }()

	listener, err := listenNear(d.Addr)
	if err != nil {
		return err
	}
	c, err := demoConfig(dir, listener.Addr().String(), "http://"+api.Addr().String(), company, vendors)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	log := env.logger(slog.LevelError)
	if err := playHistory(ctx, c, env, log, listener, company); err != nil {
		return fmt.Errorf("the history of the demo: %w", err)
	}
	return d.live(ctx, c, env, log, company, vendors)
}

// check refuses what the demo must never touch: a live key, and other machines.
func (d demoCmd) check(getenv func(string) string) error {
	for _, name := range []string{"STRIPE_API_KEY", "STRIPE_ACTIONS_KEY"} {
		key := strings.TrimSpace(getenv(name))
		if strings.HasPrefix(key, "sk_live_") || strings.HasPrefix(key, "rk_live_") {
			return fmt.Errorf("%s is a live key. The demo would not use it, and does not run beside one either; unset it for this command", name)
		}
	}
	host, _, err := net.SplitHostPort(d.Addr)
	if err != nil {
		return fmt.Errorf("--addr %q is not host:port like 127.0.0.1:8099", d.Addr)
	}
	if ip := net.ParseIP(host); host != "localhost" && !ip.IsLoopback() {
		return fmt.Errorf("--addr %s is not on this machine only; nobody signs in to the demo, so it listens on 127.0.0.1 alone", d.Addr)
	}
	return nil
}

// listenNear listens on addr, or on a free port beside it if that is taken.
func listenNear(addr string) (net.Listener, error) {
	l, err := server.Listen(addr)
	if err == nil {
		return l, nil
	}
	host, _, splitErr := net.SplitHostPort(addr)
	if splitErr != nil {
		return nil, err
	}
	l, freeErr := server.Listen(net.JoinHostPort(host, "0"))
	if freeErr != nil {
		return nil, err // why the first was refused says more
	}
	return l, nil
}

// demoConfig is read the way serve reads its settings, from settings of its own: the demo takes nothing
// from the environment.
func demoConfig(dir, addr, api string, company *demo.Company, vendors demoVendors) (Config, error) {
	var plans []string
	prices := company.Plans()
	for _, price := range slices.Sorted(maps.Keys(prices)) {
		plans = append(plans, price+"="+prices[price])
	}
	settings := map[string]string{
		"BURSAR_DB": filepath.Join(dir, "demo.db"), "BURSAR_ADDR": addr, "BURSAR_URL": "http://" + addr,
		"BURSAR_PLANS": strings.Join(plans, ","), "BURSAR_REPORT_TO": server.DemoEmail(auth.Owner),
		"STRIPE_WEBHOOK_SECRET": "whsec_" + rand.Text(), "STRIPE_API_KEY": "sk_test_" + rand.Text(), "STRIPE_API_BASE": api,
		"STRIPE_ACTIONS_KEY": "rk_test_" + rand.Text(),
	}
	maps.Copy(settings, vendors.settings)
	c, err := LoadConfig(func(name string) string { return settings[name] })
	for _, v := range []*connect.Settings{c.CRM, c.Desk} {
		if v != nil {
			v.Vendor.Rate, v.Vendor.Burst = rate.Inf, 1 // nobody waits for a simulation
		}
	}
	return c, err
}

// playHistory lets six weeks pass. Their webhooks come in by the real door and their jobs are done week by
// week, from the events alone: Stripe's limit of requests would make this take longer than anybody waits.
func playHistory(ctx context.Context, c Config, env *Environment, log *slog.Logger, listener net.Listener, company *demo.Company) (err error) {
	c.StripeKey = ""
	a, err := New(ctx, c, env.Files, log)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	err = errors.Join(addDemoUsers(ctx, a), goLive(ctx, a))
	handler, handlerErr := a.newServer()
	if err := errors.Join(err, handlerErr); err != nil {
		return errors.Join(err, listener.Close())
	}
	web := handler.HTTPServer("")
	ended := make(chan error, 1)
	go func() { ended <- web.Serve(listener) }()
	company.Stripe.Endpoint(c.URL+"/api/webhooks/stripe", c.WebhookSecrets[0], stripe.EventTypes()...)
	err = company.History(func() error {
		return errors.Join(company.Stripe.Deliver(ctx), a.Worker.WorkOff(ctx))
	})
	company.Stripe.Client.CloseIdleConnections()
	return errors.Join(err, web.Shutdown(ctx), unlessClosed(<-ended))
}

// addDemoUsers adds people with a password that nobody knows.
func addDemoUsers(ctx context.Context, a *App) error {
	gate, err := auth.NewGate(auth.Key{}, a.Config.URL)
	if err != nil {
		return err
	}
	hash, err := gate.HashPassword(ctx, "", rand.Text())
	if err != nil {
		return err
	}
	return server.AddDemoUsers(ctx, a.DB, hash)
}

func unlessClosed(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// live compares everything once, and then serves while time passes in the company.
func (d demoCmd) live(ctx context.Context, c Config, env *Environment, log *slog.Logger, company *demo.Company, vendors demoVendors) (err error) {
	a, err := open(ctx, c, env.Files, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	contacts := &demoCRM{CRM: a.CRM}
	a.CRM = contacts
	a.join()
	panel := &demoPanel{app: a, company: company, crm: contacts, vendors: vendors, hurt: map[int64]bool{}}
	a.Demo = panel.demo()

	if err := a.lookFirst(ctx); err != nil {
		return err
	}
	listener, err := server.Listen(c.Addr)
	if err != nil {
		return err
	}
	env.printf("Bursar %s, demo: nothing here is real, and nothing leaves this machine\n  open  %s\n  stop  Ctrl-C; its file is removed then\n", version(), c.URL)
	if !d.NoBrowser {
		openBrowser(c.URL, env.Getenv)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 2)
	company.Stripe.Advance(time.Since(company.Stripe.Now())) // the history took a moment
	go func() { ended <- company.Stripe.Run(ctx) }()
	go func() { ended <- company.Live(ctx, panel.tell) }()
	err = a.Serve(ctx, listener)
	stop()
	for range cap(ended) {
		if other := <-ended; !errors.Is(other, context.Canceled) {
			err = errors.Join(err, other)
		}
	}
	return err
}

// lookFirst reads all of the simulated Stripe and compares everything, so that the first page somebody opens
// has it confirmed.
func (a *App) lookFirst(ctx context.Context) error {
	a.Billing.Stripe.Pace(demoPace)
	for _, begin := range []func(*db.Queries) error{
		func(q *db.Queries) error { return billing.StartBackfill(ctx, q, "the demo begins") },
		func(q *db.Queries) error {
			return errors.Join(queue.Insert(ctx, q, billing.Sweep{}), queue.Insert(ctx, q, billing.WatchEndpoint{}))
		},
		func(q *db.Queries) error { return queue.Insert(ctx, q, reconcile.Reconcile{}) },
	} {
		if err := errors.Join(a.DB.Tx(ctx, begin), a.Worker.WorkOff(ctx)); err != nil {
			return fmt.Errorf("look at everything for the first time: %w", err)
		}
	}
	return nil
}

// openBrowser opens a page where there is a screen. The address is printed too, so that it matters little
// if that fails.
func openBrowser(url string, getenv func(string) string) {
	var command *exec.Cmd
	switch {
	case runtime.GOOS == "darwin":
		command = exec.Command("open", url)
	case runtime.GOOS == "windows":
		command = exec.Command("rundll32", "url.dll,FileProtocolHandler", url)
	case cmp.Or(getenv("DISPLAY"), getenv("WAYLAND_DISPLAY")) != "":
		command = exec.Command("xdg-open", url)
	default:
		return
	}
	if command.Start() == nil {
		go command.Wait() // so that it does not stay a zombie
	}
}
