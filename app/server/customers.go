package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"bursar/app/customer"
	"bursar/app/db"
	"bursar/app/support"
)

// Customer is a canonical record in the API. Times that are not known are null.
type Customer struct {
	ID             int64          `json:"id"`
	Name           string         `json:"name"`
	Email          string         `json:"email"`
	Links          Links          `json:"links"`
	Plan           string         `json:"plan"`
	Status         string         `json:"status"`
	Access         string         `json:"access"`
	AccessReason   string         `json:"access_reason"`
	AccessUntil    *time.Time     `json:"access_until"`
	LastPaidAt     *time.Time     `json:"last_paid_at"`
	LastPayment    *Payment       `json:"last_payment"`
	RefundedAmount int64          `json:"refunded_amount"`
	OpenDisputes   int64          `json:"open_disputes"`
	Deleted        bool           `json:"deleted"`
	Tickets        []TicketLine   `json:"tickets"`
	Subscriptions  []Subscription `json:"subscriptions"`
	Source         string         `json:"source"`
	AsOf           *time.Time     `json:"as_of"`
}

// Links are the customer's ids in other systems.
type Links struct {
	User   []string `json:"user"`
	Stripe []string `json:"stripe"`
	CRM    []string `json:"crm"`
	Desk   []string `json:"desk"`
}

// Payment is the last one, paid or failed. Amount is in minor units.
type Payment struct {
	Status   string `json:"status"`
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
}

// TicketLine is a ticket without its messages.
type TicketLine struct {
	Reference string    `json:"reference"`
	Queue     string    `json:"queue"`
	Priority  string    `json:"priority"`
	Status    string    `json:"status"`
	Subject   string    `json:"subject"`
	CreatedAt time.Time `json:"created_at"`
}

// Subscription is one of Stripe's.
type Subscription struct {
	ID                string     `json:"id"`
	Status            string     `json:"status"`
	Plan              string     `json:"plan"`
	Price             string     `json:"price"`
	CurrentPeriodEnd  *time.Time `json:"current_period_end"`
	CancelAtPeriodEnd bool       `json:"cancel_at_period_end"`
}

// findCustomers answers GET /api/v1/customers. An e-mail address may belong to several customers.
func (s *Server) findCustomers(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	key, value := "", ""
	for _, name := range []string{"stripe_customer", "user_id", "email"} {
		if !query.Has(name) {
			continue
		}
		if key != "" || len(query[name]) != 1 || query.Get(name) == "" {
			key = ""
			break
		}
		key, value = name, query.Get(name)
	}
	if key == "" {
		return badRequest("name one of stripe_customer, user_id and email, once")
	}
	ids, err := s.customerIDs(r.Context(), key, value)
	if err != nil {
		return err
	}
	answer := struct {
		Customers []Customer `json:"customers"`
	}{[]Customer{}}
	for _, id := range ids {
		c, err := s.customer(r.Context(), id)
		if errors.Is(err, db.ErrNoRows) {
			continue // joined with another one meanwhile
		}
		if err != nil {
			return err
		}
		answer.Customers = append(answer.Customers, c)
	}
	return writeJSON(w, http.StatusOK, answer)
}

func (s *Server) customerIDs(ctx context.Context, key, value string) (ids []int64, err error) {
	q := s.DB.Read()
	switch key {
	case "email":
		rows, err := q.CustomersByEmail(ctx, value)
		for _, row := range rows {
			ids = append(ids, row.ID)
		}
		return ids, err
	case "stripe_customer":
		key = "stripe"
	case "user_id":
		key = "user"
	}
	id, err := q.LinkOf(ctx, key, value)
	if errors.Is(err, db.ErrNoRows) {
		return nil, nil
	}
	return []int64{id}, err
}

// customer reads a canonical record as it is at this moment.
func (s *Server) customer(ctx context.Context, id int64) (Customer, error) {
	facts, err := customer.Load(ctx, s.DB.Read(), id)
	if err != nil {
		return Customer{}, err
	}
	tickets, err := s.DB.Read().TicketsOf(ctx, db.ID(id))
	if err != nil {
		return Customer{}, fmt.Errorf("read the tickets of customer %d: %w", id, err)
	}
	record := facts.RecordAt(time.Now())
	c := Customer{ID: id, Name: record.Name, Email: record.Email, Plan: record.Plan, Status: record.Status, Access: record.Access,
		AccessReason: record.AccessReason, AccessUntil: timeOrNull(record.AccessUntilAt.Time), LastPaidAt: timeOrNull(record.LastPaidAt.Time),
		RefundedAmount: record.RefundedAmount, OpenDisputes: record.OpenDisputes, Deleted: record.Deleted,
		Source: record.Source, AsOf: timeOrNull(record.AsOfAt.Time), Tickets: []TicketLine{}, Subscriptions: []Subscription{}}
	linked := func(system string) []string { return append([]string{}, facts.Linked(system)...) }
	c.Links = Links{User: linked("user"), Stripe: linked("stripe"), CRM: linked("crm"), Desk: linked("desk")}
	if record.LastPaymentStatus != "" {
		c.LastPayment = &Payment{record.LastPaymentStatus, record.LastPaymentAmount, record.LastPaymentCurrency}
	}
	for _, t := range tickets {
		c.Tickets = append(c.Tickets, TicketLine{support.Reference(t.ID), t.Queue, t.Priority, t.Status, t.Subject, t.CreatedAt.Time})
	}
	for _, sub := range facts.Subscriptions {
		c.Subscriptions = append(c.Subscriptions, Subscription{sub.ID, sub.Status, customer.PlanName(sub), sub.Price,
			timeOrNull(sub.CurrentPeriodEndAt.Time), sub.CancelAtPeriodEnd})
	}
	return c, nil
}
