package stripe

import (
	"encoding/json"
	"time"
)

// The decoders below read an object in the form of any API version from 2023-10-16 on. What
// basil (2025-03-31) and later versions moved is read from both places:
// https://docs.stripe.com/changelog/basil. They serve the API and the stored events alike, so
// that both give the same State.

type wireCustomer struct {
	wireHead
	Name      string            `json:"name"`
	Email     string            `json:"email"`
	Metadata  map[string]string `json:"metadata"`
	Deleted   bool              `json:"deleted"`
	TestClock ref               `json:"test_clock"`
	Created   stamp             `json:"created"`
}

func decodeCustomer(raw json.RawMessage) (Customer, error) {
	return as(raw, "customer", (*wireCustomer).customer)
}

func (w *wireCustomer) customer() Customer {
	return Customer{
		ID:        w.ID,
		Name:      w.Name,
		Email:     w.Email,
		Metadata:  metadata(w.Metadata),
		Deleted:   w.Deleted,
		TestClock: string(w.TestClock),
		CreatedAt: time.Time(w.Created),
	}
}

type wireSubscription struct {
	wireHead
	Customer          ref    `json:"customer"`
	CustomerAccount   ref    `json:"customer_account"`
	Status            string `json:"status"`
	Currency          string `json:"currency"`
	CurrentPeriodEnd  stamp  `json:"current_period_end"` // until basil
	CancelAtPeriodEnd bool   `json:"cancel_at_period_end"`
	CancelAt          stamp  `json:"cancel_at"`
	CanceledAt        stamp  `json:"canceled_at"`
	EndedAt           stamp  `json:"ended_at"`
	TrialEnd          stamp  `json:"trial_end"`
	Pause             struct {
		Behavior  string `json:"behavior"`
		ResumesAt stamp  `json:"resumes_at"`
	} `json:"pause_collection"`
	Items struct {
		Data []wireItem `json:"data"`
	} `json:"items"`
	Metadata  map[string]string `json:"metadata"`
	TestClock ref               `json:"test_clock"`
	Created   stamp             `json:"created"`
}

type wireItem struct {
	Quantity         int64 `json:"quantity"`           // absent for metered prices
	CurrentPeriodEnd stamp `json:"current_period_end"` // from basil on
	Price            struct {
		ID         string      `json:"id"`
		Product    wireProduct `json:"product"`
		Nickname   string      `json:"nickname"`
		LookupKey  string      `json:"lookup_key"`
		UnitAmount int64       `json:"unit_amount"` // null for tiered prices
		Recurring  struct {
			Interval      string `json:"interval"`
			IntervalCount int64  `json:"interval_count"`
		} `json:"recurring"`
	} `json:"price"`
}

func decodeSubscription(raw json.RawMessage) (Subscription, error) {
	return as(raw, "subscription", (*wireSubscription).subscription)
}

func (w *wireSubscription) subscription() Subscription {
	s := Subscription{
		ID:                w.ID,
		Customer:          first(string(w.Customer), string(w.CustomerAccount)),
		Status:            w.Status,
		Currency:          w.Currency,
		CurrentPeriodEnd:  w.periodEnd(),
		CancelAtPeriodEnd: w.CancelAtPeriodEnd,
		CancelAt:          time.Time(w.CancelAt),
		CanceledAt:        time.Time(w.CanceledAt),
		EndedAt:           time.Time(w.EndedAt),
		TrialEnd:          time.Time(w.TrialEnd),
		PauseBehavior:     w.Pause.Behavior,
		PauseResumesAt:    time.Time(w.Pause.ResumesAt),
		Metadata:          metadata(w.Metadata),
		TestClock:         string(w.TestClock),
		CreatedAt:         time.Time(w.Created),
	}
	if len(w.Items.Data) > 0 {
		w.Items.Data[0].fill(&s)
	}
	return s
}

// periodEnd is the earliest end among the items where the subscription itself has none: what
// the older versions say for items of different intervals.
func (w *wireSubscription) periodEnd() time.Time {
	end := time.Time(w.CurrentPeriodEnd)
	if !end.IsZero() {
		return end
	}
	for _, item := range w.Items.Data {
		itemEnd := time.Time(item.CurrentPeriodEnd)
		if end.IsZero() || !itemEnd.IsZero() && itemEnd.Before(end) {
			end = itemEnd
		}
	}
	return end
}

func (i *wireItem) fill(s *Subscription) {
	s.Price = i.Price.ID
	s.Product, s.ProductName = i.Price.Product.ID, i.Price.Product.Name
	s.Nickname = i.Price.Nickname
	s.LookupKey = i.Price.LookupKey
	s.Quantity = i.Quantity
	s.Amount = i.Price.UnitAmount * i.Quantity
	s.Interval = i.Price.Recurring.Interval
	s.IntervalCount = i.Price.Recurring.IntervalCount
}

// wireProduct is a product by id or expanded.
type wireProduct struct {
	wireHead
	Name string `json:"name"`
}

func (p *wireProduct) UnmarshalJSON(raw []byte) error {
	if raw[0] != '{' {
		return json.Unmarshal(raw, &p.ID)
	}
	type expanded wireProduct // without this method
	return json.Unmarshal(raw, (*expanded)(p))
}

type wireCheckout struct {
	wireHead
	Customer          ref    `json:"customer"`
	CustomerAccount   ref    `json:"customer_account"`
	ClientReferenceID string `json:"client_reference_id"`
	Mode              string `json:"mode"`
	Status            string `json:"status"`
	PaymentStatus     string `json:"payment_status"`
	Subscription      ref    `json:"subscription"`
	Invoice           ref    `json:"invoice"`
	PaymentIntent     ref    `json:"payment_intent"`
	CustomerEmail     string `json:"customer_email"` // filled in by the page that made the session
	Details           struct {
		Email string `json:"email"`
		Name  string `json:"name"`
	} `json:"customer_details"`
	AmountTotal int64             `json:"amount_total"`
	Currency    string            `json:"currency"`
	Metadata    map[string]string `json:"metadata"`
	Created     stamp             `json:"created"`
}

func decodeCheckout(raw json.RawMessage) (Checkout, error) {
	return as(raw, "checkout.session", (*wireCheckout).checkout)
}

func (w *wireCheckout) checkout() Checkout {
	c := Checkout{
		ID:                w.ID,
		Customer:          first(string(w.Customer), string(w.CustomerAccount)),
		ClientReferenceID: w.ClientReferenceID,
		Mode:              w.Mode,
		Status:            w.Status,
		PaymentStatus:     w.PaymentStatus,
		Subscription:      string(w.Subscription),
		Invoice:           string(w.Invoice),
		PaymentIntent:     string(w.PaymentIntent),
		Email:             first(w.Details.Email, w.CustomerEmail),
		Name:              w.Details.Name,
		Amount:            w.AmountTotal,
		Currency:          w.Currency,
		Metadata:          metadata(w.Metadata),
		CreatedAt:         time.Time(w.Created),
	}
	if c.Status == "complete" {
		c.CompletedAt = c.CreatedAt // the object does not say when; Fold knows from the event
	}
	return c
}

// metadata makes none and empty the same.
func metadata(m map[string]string) map[string]string {
	if len(m) == 0 {
		return nil
	}
	return m
}
