package reconcile

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"bursar/app/customer"
	"bursar/app/db"
)

// Systems is what each of the four said when a difference was found. Nil: it does not keep the thing, or was
// not read.
type Systems struct {
	Stripe *Said `json:"stripe,omitempty"`
	Bursar *Said `json:"bursar,omitempty"`
	CRM    *Said `json:"crm,omitempty"`
	Desk   *Said `json:"desk,omitempty"`
}

// Said is what one system said, and when.
type Said struct {
	Text string    `json:"text"`
	At   time.Time `json:"at"`
}

// ReadSystems reads what a finding keeps.
func ReadSystems(f db.Finding) (s Systems) {
	_ = json.Unmarshal([]byte(f.Systems), &s) // the column is checked to be JSON of our own writing
	return s
}

// say fills in what the systems say of the customer of a finding. Where the finding is about one of them it
// has filled that in itself.
func (c *comparison) say(ctx context.Context, f *finding) error {
	s := &f.systems
	if f.customerID == 0 {
		return nil
	}
	facts, err := customer.Load(ctx, c.DB.Read(), f.customerID)
	if errors.Is(err, db.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	if s.Stripe == nil && len(facts.Stripe) > 0 {
		s.Stripe = &Said{subscriptions(facts.Subscriptions), facts.Stripe[len(facts.Stripe)-1].AsOfAt.Time}
	}
	if s.Bursar == nil {
		s.Bursar = &Said{standing(facts.Record), facts.Record.SyncedAt.Time}
	}
	if s.CRM == nil && c.contacts != nil {
		contacts, err := c.contacts.of(f.customerID)
		if err != nil {
			return err
		}
		s.CRM = &Said{"no contact", c.contacts.at}
		if len(contacts) > 0 {
			s.CRM.Text = fmt.Sprintf("%s, plan %q, status %q", contacts[0].Lifecycle, contacts[0].Plan, contacts[0].Status)
		}
	}
	if s.Desk == nil && c.tickets != nil {
		s.Desk = &Said{c.tickets.of(f.customerID), c.tickets.at}
	}
	return nil
}

// subscriptions are those of a customer in a few words.
func subscriptions(list []db.Subscription) string {
	var parts []string
	for _, s := range list {
		parts = append(parts, cmp.Or(customer.PlanName(s), "no plan")+" "+s.Status)
	}
	if len(parts) == 0 {
		return "no subscription"
	}
	return strings.Join(parts, ", ")
}

// standing is what a customer gets, in words.
func standing(r db.Customer) string {
	return fmt.Sprintf("access %s, plan %q, status %q", r.Access, r.Plan, r.Status)
}
