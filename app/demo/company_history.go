package demo

import (
	"fmt"
	"time"
)

// chapter is what a person of the history does on a day, counted from the first, 0.
type chapter struct {
	day int
	do  func(c *Company, m *member) error
}

// life is a customer of the history.
type life struct {
	day int // on which they buy
	person
	then []chapter
}

// lives are the customers of the six weeks, in the order in which they come. At the end two of them need a
// person: a payment that failed and one that is disputed.
func lives() []life {
	return []life{
		{0, person{"Ada Lindqvist", "ada@lindqvist.example", "team", 0}, nil},
		{0, person{"Bruno Costa", "bruno@costa.example", "starter", 0}, []chapter{{20, upgrades}}},
		{1, person{"Chidi Obi", "chidi@obi.example", "starter", 0}, nil},
		{2, person{"Dana Petrova", "dana@petrova.example", "scale", 0}, []chapter{{27, fails}, {29, recovers}}},
		{3, person{"山田 花子", "hanako@yamada.example", "starter_jpy", 0}, nil},
		{3, person{"Emil Sørensen", "emil@sorensen.example", "team", 14}, nil},
		{5, person{"Fatima Zahra", "fatima@zahra.example", "team", 0}, []chapter{{27, refunded}}},
		{6, person{"Greta Vogel", "greta@vogel.example", "team_eur", 0}, nil},
		{7, person{"", "ops@quietworks.example", "starter", 0}, nil},
		{8, person{"Hugo Martin", "hugo@martin.example", "starter", 0}, []chapter{{25, leaves}}},
		{9, person{"שרה לוי", "sara@levi.example", "team", 0}, nil},
		{10, person{"Ivan Novak", "ivan@novak.example", "starter", 0}, []chapter{{20, fails}, {22, recovers}}},
		{11, person{"Jing Wei", "jing@wei.example", "scale", 0}, []chapter{{26, buysSecond}}},
		{12, person{"Studio 🌵 Kaktus", "hallo@kaktus.example", "team", 0}, nil},
		{13, person{"Karim Haddad", "karim@haddad.example", "starter", 0}, []chapter{{33, leavesLater}}},
		{14, person{"Lena Fischer", "lena@fischer.example", "team_eur", 0}, nil},
		{16, person{"Marco Rossi", "marco@rossi.example", "team", 14}, nil},
		{17, person{"Nia Mensah", "nia@mensah.example", "starter", 0}, []chapter{{29, upgrades}}},
		{19, person{"Olga Ivanova", "olga@ivanova.example", "team", 0}, []chapter{{41, disputed}}},
		{20, person{"Pedro Alvarez", "pedro@alvarez.example", "starter", 0}, []chapter{{40, fails}}},
		{22, person{"Rania Aziz", "rania@aziz.example", "scale", 0}, nil},
		{24, person{"Samuel O'Neill", "samuel@oneill.example", "team", 0}, []chapter{{34, leaves}, {37, returns}}},
		{26, person{"Tomás Herrera", "tomas@herrera.example", "starter", 0}, nil},
		{28, person{"Ursula Kaya", "ursula@kaya.example", "team", 14}, nil},
		{30, person{"Viktor Dahl", "viktor@dahl.example", "starter", 0}, []chapter{{35, leaves}}},
		{32, person{"Wen & Partners", "billing@wen.example", "scale", 0}, nil},
		{34, person{"Ximena Torres", "ximena@torres.example", "starter", 0}, nil},
		{36, person{"Yusuf Demir", "yusuf@demir.example", "team", 14}, nil},
		{38, person{"Zoë Janssen", "zoe@janssen.example", "starter", 0}, nil},
		{40, person{"Anders Holm", "anders@holm.example", "team", 14}, nil},
		{41, person{"Bea Nowak", "bea@nowak.example", "starter", 0}, nil},
	}
}

// The turns that a life can take.

func fails(c *Company, m *member) error       { return outcome(c.fail(m)) }
func recovers(c *Company, m *member) error    { return outcome(c.recover(m)) }
func upgrades(c *Company, m *member) error    { return outcome(c.upgrade(m)) }
func leaves(c *Company, m *member) error      { return outcome(c.leave(m)) }
func leavesLater(c *Company, m *member) error { return outcome(c.leaveLater(m)) }
func disputed(c *Company, m *member) error    { return outcome(c.Stripe.Dispute(m.Charge)) }
func refunded(c *Company, m *member) error    { return outcome(c.Stripe.Refund(m.Charge, 1500)) }

// buysSecond is a second subscription for a while.
func buysSecond(c *Company, m *member) error {
	second, err := c.Stripe.Resubscribe(m.Customer, "starter")
	if err != nil {
		return err
	}
	return c.Stripe.Cancel(second.Subscription, true)
}

func returns(c *Company, m *member) (err error) {
	m.Purchase, err = c.Stripe.Resubscribe(m.Customer, m.price)
	m.ending = false
	return err
}

// outcome drops what a turn leads to: here only the error matters.
func outcome[T any](_ T, err error) error { return err }

// History plays the weeks up to now. After each week it calls ended, which delivers its webhooks.
func (c *Company) History(ended func() error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	days := make([][]func() error, 7*weeks)
	for _, l := range lives() {
		var m *member
		days[l.day] = append(days[l.day], func() error {
			_, err := c.buy(l.person)
			m = c.members[len(c.members)-1]
			return err
		})
		for _, ch := range l.then {
			days[ch.day] = append(days[ch.day], func() error { return ch.do(c, m) })
		}
	}
	for n, turns := range days {
		pause := 24 * time.Hour / time.Duration(len(turns)+1)
		for _, turn := range turns {
			c.Stripe.Advance(pause)
			if err := turn(); err != nil {
				return fmt.Errorf("day %d of the history: %w", n, err)
			}
		}
		c.Stripe.Advance(24*time.Hour - pause*time.Duration(len(turns)))
		if n%7 != 6 {
			continue
		}
		if err := ended(); err != nil {
			return err
		}
	}
	return nil
}
