package app

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"bursar/app/crm"
	"bursar/app/demo"
	"bursar/app/queue"
	"bursar/app/server"
)

// demoCRM is a CRM that can be told to refuse everything.
type demoCRM struct {
	crm.CRM
	refuses atomic.Bool
}

// crmPause is what the CRM asks for when it refuses.
const crmPause = 20 * time.Second

func (c *demoCRM) refusal() error {
	if c.refuses.Load() {
		return queue.Unavailable(errors.New("the CRM answers 429 Too Many Requests"), crmPause)
	}
	return nil
}

// SaveContact implements crm.CRM.
func (c *demoCRM) SaveContact(ctx context.Context, contact crm.Contact) (string, error) {
	if err := c.refusal(); err != nil {
		return "", err
	}
	return c.CRM.SaveContact(ctx, contact)
}

// AddTask implements crm.CRM.
func (c *demoCRM) AddTask(ctx context.Context, t crm.Task) error {
	if err := c.refusal(); err != nil {
		return err
	}
	return c.CRM.AddTask(ctx, t)
}

// FinishTask implements crm.CRM.
func (c *demoCRM) FinishTask(ctx context.Context, cause string) error {
	if err := c.refusal(); err != nil {
		return err
	}
	return c.CRM.FinishTask(ctx, cause)
}

// AddNote implements crm.CRM.
func (c *demoCRM) AddNote(ctx context.Context, n crm.Note) error {
	if err := c.refusal(); err != nil {
		return err
	}
	return c.CRM.AddNote(ctx, n)
}

// Contacts implements crm.CRM.
func (c *demoCRM) Contacts(ctx context.Context) iter.Seq2[crm.Contact, error] {
	if err := c.refusal(); err != nil {
		return func(yield func(crm.Contact, error) bool) { yield(crm.Contact{}, err) }
	}
	return c.CRM.Contacts(ctx)
}

// demoPanel is the buttons of the demo.
type demoPanel struct {
	app     *App
	company *demo.Company
	crm     *demoCRM
	vendors demoVendors

	mu         sync.Mutex
	stripeDown bool
	deeds      []server.DemoDeed // newest first
	hurt       map[int64]bool    // customers for whom the systems were put out of step
}

func (p *demoPanel) demo() *server.Demo {
	return &server.Demo{Groups: p.groups, Press: p.press, Deeds: p.lately}
}

// maxDeeds is how much of what happened is remembered.
const maxDeeds = 50

// tell remembers what happened by itself.
func (p *demoPanel) tell(d demo.Deed) {
	p.remember(server.DemoDeed{Text: d.Text, Customer: d.Customer})
}

func (p *demoPanel) remember(d server.DemoDeed) {
	p.mu.Lock()
	defer p.mu.Unlock()
	d.At = p.company.Stripe.Now() // the clock of its events
	p.deeds = slices.Insert(p.deeds, 0, d)
	p.deeds = p.deeds[:min(len(p.deeds), maxDeeds)]
}

func (p *demoPanel) lately() []server.DemoDeed {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.deeds)
}

func (p *demoPanel) isStripeDown() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stripeDown
}

func (p *demoPanel) setStripeDown(is bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stripeDown = is
	p.company.Stripe.Down(is)
}

func (p *demoPanel) groups() []server.DemoGroup {
	stripe := server.DemoAction{Name: "stripe-down", Label: "Stripe's API goes down", Text: "Then three people buy. Their webhooks still arrive."}
	if p.isStripeDown() {
		stripe = server.DemoAction{Name: "stripe-up", Label: "Stripe's API comes back", Text: "It is down now. Bursar works from the webhooks and asks again later."}
	}
	contacts := server.DemoAction{Name: "crm-429", Label: "The CRM answers 429", Text: "It refuses every request. Then somebody moves to a larger plan."}
	if p.crm.refuses.Load() {
		contacts = server.DemoAction{Name: "crm-ok", Label: "The CRM answers again", Text: "It refuses everything now. What is to be written there waits."}
	}
	return []server.DemoGroup{
		{Title: "Something goes wrong", Actions: []server.DemoAction{
			{Name: "lose", Label: "Lose the next webhooks", Text: "Somebody buys, and Bursar is not told."},
			{Name: "repeat", Label: "Deliver the next webhooks three times", Text: "Somebody buys, and Bursar is told three times."},
			stripe, contacts,
			{Name: "lose-answer", Label: "Lose the answer to the next refund", Text: "Stripe makes it, and Bursar hears nothing but an error."},
			{Name: "edit", Label: "Somebody edits a plan in the CRM by hand", Text: "It says something else than what is paid."},
		}},
		{Title: "The systems drift apart", Actions: driftActions()},
		{Title: "A customer does something", Actions: []server.DemoAction{
			{Name: "buy", Label: "Somebody buys", Text: "From the checkout to access, in moments."},
			{Name: "fail", Label: "A payment fails", Text: "A card is refused: a ticket, and a task in the CRM."},
			{Name: "recover", Label: "The failed payment recovers", Text: "A good card: the ticket closes by itself."},
			{Name: "cancel", Label: "Somebody cancels", Text: "Access ends, and the contact says so."},
		}},
		{Title: "The night passes", Actions: []server.DemoAction{
			{Name: "compare", Label: "It is 7:00: compare now", Text: "Stripe, Bursar, CRM and desk are compared, what is safe is mended, and the report is written."},
		}},
	}
}
