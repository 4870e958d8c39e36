package stripe

import (
	"encoding/json"
	"slices"
	"time"
)

// Fold builds the state of one customer from its stored events, which may come in any order
// and more than once, as DecodeEvent returned them. For each object the latest snapshot
// counts (see latest). The customer is the one most events name; events that name another,
// thin events and objects of no interest are left out.
func Fold(events []Event) State {
	state := State{Customer: Customer{ID: mostNamed(events)}, Source: SourceEvents}
	histories := map[identity][]snapshot{}
	for _, ev := range events {
		if ev.Thin || ev.Customer != "" && ev.Customer != state.Customer.ID {
			continue
		}
		snapshots, err := snapshotsOf(ev)
		if err != nil {
			state.Skipped++
			continue
		}
		for _, s := range snapshots {
			histories[s.identity] = append(histories[s.identity], s)
			if ev.CreatedAt.After(state.AsOf) {
				state.AsOf = ev.CreatedAt
			}
		}
	}
	state.take(histories)
	return state
}

// mostNamed returns the customer that most events name; of several the first by id.
func mostNamed(events []Event) string {
	count := map[string]int{}
	for _, ev := range events {
		if ev.Customer != "" {
			count[ev.Customer]++
		}
	}
	best := ""
	for id, n := range count {
		if n > count[best] || n == count[best] && id < best {
			best = id
		}
	}
	return best
}

// snapshot is an object as one event shows it.
type snapshot struct {
	event    Event
	identity identity
	progress int             // how far along its life, by status
	count    int64           // how far along within one status
	object   any             // Customer, Subscription, invoiceTo, …
	raw      json.RawMessage // data.object
	previous json.RawMessage // data.previous_attributes
}

// identity tells objects apart; no two types should share an id, but a file can hold anything.
type identity struct{ kind, id string }

// invoiceTo is an invoice and whom it was made out to.
type invoiceTo struct {
	Invoice
	contact
}

// snapshotsOf decodes the object of ev and the refunds within it.
func snapshotsOf(ev Event) ([]snapshot, error) {
	var payload struct {
		Data struct {
			Object   json.RawMessage `json:"object"`
			Previous json.RawMessage `json:"previous_attributes"`
		} `json:"data"`
	}
	if err := json.Unmarshal(ev.Payload, &payload); err != nil {
		return nil, err
	}
	objects, err := decodeObjects(ev, payload.Data.Object)
	if err != nil {
		return nil, err
	}
	var snapshots []snapshot
	for i, object := range objects {
		s := snapshot{event: ev, object: object}
		s.identity, s.progress, s.count = identify(object)
		if i == 0 {
			s.raw, s.previous = payload.Data.Object, payload.Data.Previous
		}
		snapshots = append(snapshots, s)
	}
	return snapshots, nil
}

func decodeObjects(ev Event, raw json.RawMessage) ([]any, error) {
	switch ev.ObjectType {
	case "customer":
		return single(decodeCustomer(raw))
	case "subscription":
		return single(decodeSubscription(raw))
	case "invoice":
		invoice, to, err := decodeInvoice(raw)
		invoice.Failed = invoice.Failed || ev.Type == "invoice.payment_failed" && invoice.Status == "open"
		return single(invoiceTo{invoice, to}, err)
	case "invoice_payment":
		return single(decodeInvoicePayment(raw))
	case "charge":
		charge, refunds, _, err := decodeCharge(raw)
		objects := []any{charge}
		for _, refund := range refunds {
			objects = append(objects, refund)
		}
		return objects, err
	case "refund":
		return single(decodeRefund(raw))
	case "dispute":
		return single(decodeDispute(raw))
	case "checkout.session":
		return single(decodeCheckout(raw))
	}
	return nil, nil
}

func single[T any](object T, err error) ([]any, error) { return []any{object}, err }

// take puts the latest snapshot of each object into the state.
func (s *State) take(histories map[identity][]snapshot) {
	var payments []invoicePayment
	var contacts []invoiceTo
	failed := map[string]bool{} // invoices of which an event said so
	customerSeen := false
	for id, history := range histories {
		switch object := latest(history).object.(type) {
		case Customer:
			s.Customer, customerSeen = foldCustomer(history), true
		case Subscription:
			s.Subscriptions = append(s.Subscriptions, object)
		case invoiceTo:
			s.Invoices = append(s.Invoices, object.Invoice)
			contacts = append(contacts, object)
			failed[id.id] = slices.ContainsFunc(history, func(s snapshot) bool { return s.event.Type == "invoice.payment_failed" })
		case invoicePayment:
			payments = append(payments, object)
		case Charge:
			s.Charges = append(s.Charges, object)
		case Refund:
			s.Refunds = append(s.Refunds, object)
		case Dispute:
			s.Disputes = append(s.Disputes, object)
		case Checkout:
			s.Checkouts = append(s.Checkouts, foldCheckout(history))
		}
	}
	s.sort()
	s.linkPayments(payments)
	s.link()
	s.forgiveDebits(failed)
	if !customerSeen {
		s.guessContact(contacts)
	}
}

// foldCustomer keeps the last known name and e-mail of a deleted customer.
func foldCustomer(history []snapshot) Customer {
	last := latest(history)
	customer := last.object.(Customer)
	if !last.terminal() {
		return customer
	}
	customer.Deleted = true
	alive := slices.DeleteFunc(slices.Clone(history), snapshot.terminal)
	if len(alive) > 0 {
		before := latest(alive).object.(Customer)
		customer.Name = first(customer.Name, before.Name)
		customer.Email = first(customer.Email, before.Email)
	}
	return customer
}

// foldCheckout adds what only the events of a session tell.
func foldCheckout(history []snapshot) Checkout {
	checkout := latest(history).object.(Checkout)
	var completedAt time.Time
	for _, s := range history {
		switch s.event.Type {
		case "checkout.session.completed":
			if completedAt.IsZero() || s.event.CreatedAt.Before(completedAt) {
				completedAt = s.event.CreatedAt
			}
		case "checkout.session.async_payment_failed":
			checkout.PaymentFailed = checkout.PaymentStatus != "paid"
		}
	}
	if !completedAt.IsZero() {
		checkout.CompletedAt = completedAt
	}
	return checkout
}

// guessContact names a customer of whom no event was seen: from the newest checkout that
// has a name or e-mail, and for what is then missing from the newest invoice that has it.
func (s *State) guessContact(invoices []invoiceTo) {
	for _, checkout := range slices.Backward(s.Checkouts) {
		s.Customer.Name = first(s.Customer.Name, checkout.Name)
		s.Customer.Email = first(s.Customer.Email, checkout.Email)
	}
	slices.SortFunc(invoices, func(a, b invoiceTo) int {
		return oldestFirst(b.CreatedAt, a.CreatedAt, b.ID, a.ID)
	})
	for _, invoice := range invoices {
		s.Customer.Name = first(s.Customer.Name, invoice.name)
		s.Customer.Email = first(s.Customer.Email, invoice.email)
	}
}
