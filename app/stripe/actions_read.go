package stripe

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// What has to be known before and after a change is read with its key.

// Charge reads a charge.
func (a *Actions) Charge(ctx context.Context, id string) (Charge, string, error) {
	raw, err := a.client.get(ctx, objectPath("charge", id), nil)
	if err != nil {
		return Charge{}, "", err
	}
	charge, _, _, err := decodeCharge(raw)
	if err != nil {
		return charge, "", unreadable(err)
	}
	return charge, actionOf(raw), nil
}

// RefundsOf lists all refunds of a charge. The list is whole unless there is an error.
func (a *Actions) RefundsOf(ctx context.Context, charge string) ([]Refund, error) {
	return a.client.refundsOf(ctx, charge)
}

// Invoice reads an invoice.
func (a *Actions) Invoice(ctx context.Context, id string) (Invoice, error) {
	raw, err := a.client.get(ctx, objectPath("invoice", id), nil)
	return a.invoice(id, raw, err)
}

// Item is one price of a subscription.
type Item struct {
	ID, Price     string
	Quantity      int64
	Interval      string // day, week, month or year
	IntervalCount int64
}

// Subscribed is a subscription as it is, with its items and with the action that changed it last, if one did.
type Subscribed struct {
	Subscription
	Items  []Item
	Action string
}

// Subscription reads a subscription.
func (a *Actions) Subscription(ctx context.Context, id string) (Subscribed, error) {
	raw, err := a.client.get(ctx, objectPath("subscription", id), nil)
	s, err := sameID(id)(answered(raw, err, decodeSubscription))
	if err != nil {
		return Subscribed{}, err
	}
	var w struct {
		Items struct {
			Data []struct {
				ID       string `json:"id"`
				Quantity int64  `json:"quantity"`
				Price    struct {
					ID        string        `json:"id"`
					Recurring wireRecurring `json:"recurring"`
				} `json:"price"`
			} `json:"data"`
		} `json:"items"`
		Details struct {
			Comment string `json:"comment"`
		} `json:"cancellation_details"`
	}
	if err := json.Unmarshal(raw, &w); err != nil {
		return Subscribed{}, unreadable(err)
	}
	found := Subscribed{Subscription: s, Action: s.Metadata[ActionID]}
	for _, i := range w.Items.Data {
		found.Items = append(found.Items, Item{i.ID, i.Price.ID, i.Quantity, i.Price.Recurring.Interval, i.Price.Recurring.IntervalCount})
	}
	if action, ours := strings.CutPrefix(w.Details.Comment, cancelComment); ours && s.Status == "canceled" {
		found.Action = action
	}
	return found, nil
}

func actionOf(raw json.RawMessage) string {
	var w struct {
		Metadata map[string]string `json:"metadata"`
	}
	if json.Unmarshal(raw, &w) != nil {
		return ""
	}
	return w.Metadata[ActionID]
}

// wireRecurring is how often a price is due.
type wireRecurring struct {
	Interval      string `json:"interval"`
	IntervalCount int64  `json:"interval_count"`
}

// Price is what somebody can subscribe to, amount in minor units each interval.
type Price struct {
	ID, Product, Name, Nickname, Currency, Interval string
	IntervalCount                                   int64
	Amount                                          int64
}

type wirePrice struct {
	wireHead
	Nickname   string        `json:"nickname"`
	Product    wireProduct   `json:"product"`
	Currency   string        `json:"currency"`
	UnitAmount int64         `json:"unit_amount"`
	Recurring  wireRecurring `json:"recurring"`
}

// Prices lists the recurring prices of a currency that are on sale.
func (a *Actions) Prices(ctx context.Context, currency string) ([]Price, error) {
	var prices []Price
	query := url.Values{"active": {"true"}, "currency": {currency}, "expand[]": {"data.product"}}
	for w, err := range elements[wirePrice](ctx, a.client, "/v1/prices", query, "price") {
		if err != nil {
			return nil, err
		}
		if w.Recurring.Interval != "" && w.Currency == currency {
			prices = append(prices, Price{w.ID, w.Product.ID, w.Product.Name, w.Nickname, w.Currency, w.Recurring.Interval, w.Recurring.IntervalCount, w.UnitAmount})
		}
	}
	return prices, nil
}

// Preview is the next invoice as it would be after a change of plan.
type Preview struct {
	Currency  string
	AmountDue int64
	Lines     []PreviewLine
	Prorated  int64 // sum of the lines that the change brings about; negative is credit
	More      bool  // there are more lines than these
	At        time.Time
}

// PreviewLine is one line of it.
type PreviewLine struct {
	Text      string
	Amount    int64
	Proration bool
}

// PreviewChange asks Stripe what a change of plan would cost. Nothing is changed
// (https://docs.stripe.com/api/invoices/upcoming).
func (a *Actions) PreviewChange(ctx context.Context, customer string, c PlanChange) (Preview, error) {
	query := url.Values{
		"customer": {customer}, "subscription": {c.Subscription}, "subscription_items[0][id]": {c.Item},
		"subscription_items[0][price]": {c.Price}, "subscription_items[0][quantity]": {strconv.FormatInt(c.Quantity, 10)},
		"subscription_proration_behavior": {c.Proration},
	}
	if c.Proration != "none" {
		query.Set("subscription_proration_date", strconv.FormatInt(c.ProrationAt.Unix(), 10))
	}
	raw, err := a.client.get(ctx, "/v1/invoices/upcoming", query)
	if err != nil {
		return Preview{}, err
	}
	var w struct {
		Object      string `json:"object"`
		Currency    string `json:"currency"`
		AmountDue   *int64 `json:"amount_due"`
		NextAttempt stamp  `json:"next_payment_attempt"`
		PeriodEnd   stamp  `json:"period_end"`
		Lines       struct {
			Data []struct {
				Description string `json:"description"`
				Amount      int64  `json:"amount"`
				Proration   bool   `json:"proration"`
				Period      struct {
					Start stamp `json:"start"`
				} `json:"period"`
			} `json:"data"`
			HasMore bool `json:"has_more"`
		} `json:"lines"`
	}
	if err := json.Unmarshal(raw, &w); err != nil || w.Object != "invoice" || w.Currency == "" || w.AmountDue == nil || w.Lines.Data == nil {
		return Preview{}, unreadable(errors.New("the answer is not a preview of an invoice"))
	}
	p := Preview{Currency: w.Currency, AmountDue: *w.AmountDue, More: w.Lines.HasMore, At: time.Time(w.NextAttempt)}
	if p.At.IsZero() {
		p.At = time.Time(w.PeriodEnd)
	}
	for _, l := range w.Lines.Data {
		p.Lines = append(p.Lines, PreviewLine{l.Description, l.Amount, l.Proration})
		// Older prorations may wait for this invoice too: those of this change begin at its time.
		if l.Proration && time.Time(l.Period.Start).Unix() == c.ProrationAt.Unix() {
			p.Prorated += l.Amount
		}
	}
	return p, nil
}
