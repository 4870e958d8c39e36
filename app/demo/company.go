package demo

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// Company is a small software company on a simulated Stripe: History is its past weeks, and the other
// methods are what its customers do now. What happens depends on the seed and the calls alone.
type Company struct {
	Stripe *Stripe

	mu        sync.Mutex
	rng       *rand.Rand
	members   []*member // everybody who bought, in the order in which they came
	newcomers []person  // who will buy next
}

// member is a customer as the company's own people know them.
type member struct {
	person
	Purchase
	unpaid string // invoice whose payment failed, "" if none
	trial  bool   // began with one
	ending bool   // cancelled, now or with the period
}

// Deed is something that a customer did.
type Deed struct {
	Customer string // cus_…
	Who      string // name, or the e-mail address of somebody without one
	Text     string // in a sentence
}

// ErrNobody is a deed that nobody is in a position to do, like recovering while no payment has failed.
var ErrNobody = errors.New("there is nobody to do this now")

// weeks is how long the company has been selling when the demo begins.
const weeks = 6

// NewCompany opens the company six weeks before now, without a customer.
func NewCompany(seed uint64, now time.Time) *Company {
	rng := rand.New(rand.NewPCG(seed, 1))
	return &Company{Stripe: NewStripe(seed, now.AddDate(0, 0, -7*weeks)), rng: rng, newcomers: strangers(rng)}
}

// planNames are the plans of NewStripe by their lookup keys.
var planNames = [...]struct{ key, name string }{
	{"starter", "Starter"}, {"team", "Team"}, {"scale", "Scale"}, {"team_eur", "Team (yearly)"}, {"starter_jpy", "Starter (Japan)"},
}

// Plans are the names of the company's plans by their price_….
func (c *Company) Plans() map[string]string {
	names := map[string]string{}
	for _, p := range planNames {
		names[c.Stripe.Price(p.key)] = p.name
	}
	return names
}

func planName(key string) string {
	for _, p := range planNames {
		if p.key == key {
			return p.name
		}
	}
	return key
}

// Buy is somebody new buying a plan.
func (c *Company) Buy() (Deed, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.buyNext()
}

// BuyUnheard is Buy with every webhook about it lost on the way, for good.
func (c *Company) BuyUnheard() (Deed, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Stripe.Lose(1000)
	defer c.Stripe.Lose(0)
	return c.buyNext()
}

// BuyRepeated is Buy with every webhook about it sent so many times.
func (c *Company) BuyRepeated(times int) (Deed, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Stripe.Repeat(times - 1)
	defer c.Stripe.Repeat(0)
	return c.buyNext()
}

// FailPayment is a renewal with a card that is refused.
func (c *Company) FailPayment() (Deed, error) { return c.some(paying, c.fail) }

// Recover is a customer whose payment failed entering a good card: the last one to fail.
func (c *Company) Recover() (Deed, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range slices.Backward(c.members) {
		if m.unpaid != "" && !m.ending {
			return c.recover(m)
		}
	}
	return Deed{}, ErrNobody
}

// Cancel is somebody leaving at once.
func (c *Company) Cancel() (Deed, error) { return c.some(paying, c.leave) }

// Upgrade is somebody moving to a larger plan.
func (c *Company) Upgrade() (Deed, error) {
	return c.some(func(m *member) bool { return paying(m) && (m.price == "starter" || m.price == "team") }, c.upgrade)
}

// CancelLater is somebody leaving with the end of the period that is paid.
func (c *Company) CancelLater() (Deed, error) { return c.some(paying, c.leaveLater) }

// paying says that somebody pays and means to go on.
func paying(m *member) bool { return m.unpaid == "" && !m.ending && !m.trial }

// some lets one of those who may do something do it.
func (c *Company) some(may func(*member) bool, do func(*member) (Deed, error)) (Deed, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var able []*member
	for _, m := range c.members {
		if may(m) {
			able = append(able, m)
		}
	}
	if len(able) == 0 {
		return Deed{}, ErrNobody
	}
	return do(able[c.rng.IntN(len(able))])
}

func (c *Company) buyNext() (Deed, error) {
	if len(c.newcomers) == 0 {
		return Deed{}, ErrNobody
	}
	p := c.newcomers[0]
	c.newcomers = c.newcomers[1:]
	return c.buy(p)
}

func (c *Company) buy(p person) (Deed, error) {
	bought, err := c.Stripe.Buy(BuyOptions{Name: p.name, Email: p.email, Price: p.price, TrialDays: p.trialDays,
		UserID: fmt.Sprintf("user_%03d", len(c.members)+1)})
	if err != nil {
		return Deed{}, fmt.Errorf("%s buys: %w", p.who(), err)
	}
	m := &member{person: p, Purchase: bought, trial: p.trialDays > 0}
	c.members = append(c.members, m)
	if m.trial {
		return m.did("began to try " + planName(p.price)), nil
	}
	return m.did("bought " + planName(p.price)), nil
}

func (c *Company) fail(m *member) (Deed, error) {
	invoice, err := c.Stripe.FailPayment(m.Subscription)
	m.unpaid = invoice
	return m.did("could not pay for " + planName(m.price) + ": the card was refused"), err
}

func (c *Company) recover(m *member) (Deed, error) {
	err := c.Stripe.RecoverPayment(m.unpaid)
	m.unpaid = ""
	return m.did("entered a good card and paid for " + planName(m.price)), err
}

func (c *Company) leave(m *member) (Deed, error) {
	m.ending = true
	return m.did("cancelled " + planName(m.price) + " at once"), c.Stripe.Cancel(m.Subscription, false)
}

func (c *Company) leaveLater(m *member) (Deed, error) {
	m.ending = true
	return m.did("cancelled " + planName(m.price) + " with the end of the period"), c.Stripe.Cancel(m.Subscription, true)
}

func (c *Company) upgrade(m *member) (Deed, error) {
	larger := "team"
	if m.price == "team" {
		larger = "scale"
	}
	was := m.price
	m.price = larger
	return m.did("moved from " + planName(was) + " to " + planName(larger)), c.Stripe.ChangePlan(m.Subscription, larger)
}

func (m *member) did(what string) Deed {
	return Deed{Customer: m.Customer, Who: m.who(), Text: m.who() + " " + what + "."}
}
