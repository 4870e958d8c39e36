// Package lab is a simulated company whose systems are put out of step on purpose, one way at a time or many at
// once, to measure what the reconciler finds, whether it says why, and what its repairs do.
package lab

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"bursar/app/billing"
	"bursar/app/crm"
	"bursar/app/db"
	"bursar/app/demo"
	"bursar/app/mail"
	"bursar/app/queue"
	"bursar/app/reconcile"
	"bursar/app/stripe"
	"bursar/app/support"
)

// Company is a Bursar beside a simulated Stripe, with customers in agreement everywhere. Its CRM and desk are
// the built-in ones.
type Company struct {
	Stripe     *demo.Stripe
	DB         *db.DB
	Billing    *billing.Billing
	Reconciler *reconcile.Reconciler
	Worker     *queue.Worker
	Hands      *sql.DB // somebody who changes things behind Bursar's back

	rng      *rand.Rand
	received int      // events so far
	fresh    []Victim // nobody did anything to them yet
	bought   int
	api      *http.Server
	live     bool // webhooks come and jobs are done by themselves
}

// Victim is a customer to whom something is done.
type Victim struct {
	demo.Purchase
	ID    int64 // our customer
	Name  string
	Email string
	User  string
	Price string
}

const (
	history = 26 * 24 * time.Hour // how long the company has been selling: nobody's month is over
	behind  = 10 * time.Minute    // Stripe's clock is behind, so that what was just done is not under way
	owner   = "owner@example.com" // who asks for repairs
)

// New makes a company of so many customers in a folder. files holds schema.sql and web/. The same seed makes
// the same company. Close it after use.
func New(ctx context.Context, dir string, files fs.FS, customers int, seed uint64) (*Company, error) {
	schema, err := fs.ReadFile(files, "schema.sql")
	if err != nil {
		return nil, err
	}
	templates, err := mail.ParseTemplates(files)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "lab.db")
	d, err := db.Open(ctx, path, string(schema))
	if err != nil {
		return nil, err
	}
	hands, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)")
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	c := &Company{Stripe: demo.NewStripe(seed, time.Now().Add(-history-behind)), DB: d, Hands: hands, rng: rand.New(rand.NewPCG(seed, 7))}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	c.api = &http.Server{Handler: c.Stripe, ReadHeaderTimeout: time.Minute}
	go c.api.Serve(listener)
	client := stripe.New("sk_test_lab", "http://"+listener.Addr().String())
	client.Pace(10_000)
	client.Patience(time.Minute) // a busy machine is no finding
	plans := map[string]string{}
	for _, key := range []string{"starter", "team", "scale"} {
		plans[c.Stripe.Price(key)] = key
	}
	c.Billing = &billing.Billing{DB: d, Plans: plans}
	c.Reconciler = &reconcile.Reconciler{DB: d, Stripe: client, CRM: crm.Builtin{DB: d}, Desk: support.Builtin{DB: d}, Templates: templates,
		URL: "http://lab.example", Location: time.UTC, Pause: time.Millisecond, Billing: c.Billing, Cap: 5}
	if err := c.populate(ctx, customers); err != nil {
		return nil, errors.Join(fmt.Errorf("populate the company: %w", err), c.Close())
	}
	c.Billing.Stripe = client
	c.Worker = c.worker()
	return c, d.Tx(ctx, func(q *db.Queries) error {
		_, err := q.InsertUser(ctx, owner, "owner", db.Now())
		return err
	})
}

// Visit is a company that lives by itself, as that of the demo: its webhooks come and its jobs are done without
// the laboratory. Close it after use; the file and Stripe stay.
func Visit(s *demo.Stripe, d *db.DB, b *billing.Billing) (*Company, error) {
	hands, err := sql.Open("sqlite", "file:"+d.Path()+"?_pragma=busy_timeout(10000)")
	if err != nil {
		return nil, err
	}
	return &Company{Stripe: s, DB: d, Billing: b, Hands: hands, live: true}, nil
}

// Close closes the file and the simulated Stripe.
func (c *Company) Close() error {
	if c.live {
		return c.Hands.Close()
	}
	var err error
	if c.api != nil {
		err = c.api.Close()
	}
	return errors.Join(err, c.Hands.Close(), c.DB.Close())
}

func (c *Company) worker() *queue.Worker {
	w := queue.NewWorker(c.DB, slog.New(slog.DiscardHandler))
	c.Billing.Handle(w)
	crm.Handle(w, c.DB, crm.Builtin{DB: c.DB})
	support.Handle(w, support.Builtin{DB: c.DB})
	c.Reconciler.Handle(w)
	return w
}

// populate lets people buy over the weeks. Their webhooks are worked on from the events alone, so that a
// thousand do not wait for a thousand readings.
func (c *Company) populate(ctx context.Context, customers int) error {
	c.Worker = c.worker()
	for range customers {
		v, err := c.buy(demo.BuyOptions{})
		if err != nil {
			return err
		}
		c.fresh = append(c.fresh, v)
		c.Stripe.Advance(history / time.Duration(customers+1))
	}
	if err := c.Deliver(ctx); err != nil {
		return err
	}
	for i := range c.fresh {
		known, err := c.DB.Read().StripeCustomer(ctx, c.fresh[i].Customer)
		if err != nil {
			return err
		}
		c.fresh[i].ID = known.CustomerID
	}
	c.rng.Shuffle(len(c.fresh), func(i, j int) { c.fresh[i], c.fresh[j] = c.fresh[j], c.fresh[i] })
	return nil
}

var plansSold = [...]string{"starter", "starter", "team", "team", "scale"}

// buy is somebody new buying something.
func (c *Company) buy(o demo.BuyOptions) (Victim, error) {
	c.bought++
	if o.Email == "" {
		o.Email = fmt.Sprintf("user%d@example.com", c.bought)
	}
	if o.Price == "" {
		o.Price = plansSold[c.bought%len(plansSold)]
	}
	o.Name, o.UserID = fmt.Sprintf("User %d", c.bought), fmt.Sprintf("user_%d", c.bought)
	p, err := c.Stripe.Buy(o)
	return Victim{Purchase: p, Name: o.Name, Email: o.Email, User: o.UserID, Price: o.Price}, err
}

// take is somebody to whom nothing was done yet.
func (c *Company) take() (Victim, error) {
	if len(c.fresh) == 0 {
		return Victim{}, errors.New("there are not enough customers for so many differences")
	}
	v := c.fresh[0]
	c.fresh = c.fresh[1:]
	return v, nil
}

// arrival is how long a living company is given to hear of something.
const arrival = 3 * time.Second

// Deliver takes in the events that have not been, and works off what follows.
func (c *Company) Deliver(ctx context.Context) error {
	if c.live {
		select {
		case <-time.After(arrival):
		case <-ctx.Done():
		}
		return ctx.Err()
	}
	if err := c.receive(ctx, nil); err != nil {
		return err
	}
	return c.WorkOff(ctx)
}

const senders = 32

// receive takes in the events that have not been, each changed by a function if there is one.
func (c *Company) receive(ctx context.Context, change func([]byte) []byte) error {
	bodies := c.Stripe.EventsFrom(c.received)
	c.received += len(bodies)
	var lanes [senders][]stripe.Event // those of one customer come in their order
	for _, body := range bodies {
		if change != nil {
			body = change(body)
		}
		e, err := stripe.DecodeEvent(body)
		if err != nil {
			return err
		}
		lane := crc32.ChecksumIEEE([]byte(e.Customer)) % senders
		lanes[lane] = append(lanes[lane], e)
	}
	var wg sync.WaitGroup
	var wrong [senders]error
	for i, events := range lanes {
		wg.Go(func() {
			for _, e := range events {
				if _, err := c.Billing.Receive(ctx, e, billing.Webhook); err != nil {
					wrong[i] = err
					return
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(wrong[:]...)
}

// unheard does something whose webhooks never arrive.
func (c *Company) unheard(do func() error) error {
	if c.live {
		c.Stripe.Lose(1000)
		defer c.Stripe.Lose(0)
		return do()
	}
	err := do()
	c.received += len(c.Stripe.EventsFrom(c.received))
	return err
}

const (
	soon   = 10 * time.Minute // what is due by then is done at once: nobody waits in a laboratory
	rounds = 20               // of jobs that lead to jobs
)

// WorkOff does what is queued, also what is due soon or failed and is due again soon. How fast the machine is makes
// no difference: a job that must stay undone is due later.
func (c *Company) WorkOff(ctx context.Context) error {
	for range rounds {
		if err := c.Worker.WorkOff(ctx); err != nil {
			return err
		}
		now := time.Now()
		n, err := c.change(ctx, `UPDATE jobs SET scheduled_at = ? WHERE state IN ('available', 'retryable') AND scheduled_at < ?
				AND kind IN ('sync_customer', 'find_customer', 'repair_finding', 'sync_contact', 'sync_ticket', 'send_report')`,
			now.UnixMilli(), now.Add(soon).UnixMilli())
		if err != nil || n == 0 {
			return err
		}
	}
	return fmt.Errorf("the jobs lead to new ones even after %d rounds", rounds)
}

// edit changes the file by hand.
func (c *Company) edit(ctx context.Context, statement string, args ...any) error {
	n, err := c.change(ctx, statement, args...)
	if err == nil && n == 0 {
		err = fmt.Errorf("nothing was changed by %s %v", statement, args)
	}
	return err
}

func (c *Company) change(ctx context.Context, statement string, args ...any) (int64, error) {
	r, err := c.Hands.ExecContext(ctx, statement, args...)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", statement, err)
	}
	return r.RowsAffected()
}

// text is the answer to a query for one text.
func (c *Company) text(ctx context.Context, query string, args ...any) (s string, err error) {
	if err := c.Hands.QueryRowContext(ctx, query, args...).Scan(&s); err != nil {
		return "", fmt.Errorf("%s: %w", query, err)
	}
	return s, nil
}
