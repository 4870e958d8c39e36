package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"bursar/app/automation"
	"bursar/app/billing"
	"bursar/app/crm"
	"bursar/app/customer"
	"bursar/app/db"
	"bursar/app/mail"
	"bursar/app/queue"
	"bursar/app/reconcile"
	"bursar/app/support"
)

// customerPageData is everything about one customer.
type customerPageData struct {
	page
	Who       string
	Record    db.Customer // as it is at this moment
	Facts     customer.Facts
	Systems   []systemsRow
	Reasons   []reason
	Open      []findingRow // what the last comparison found and is not mended
	Source    string       // how the Stripe column was read
	WrittenAt db.Time      // when Bursar wrote its record last
	CRMName   string       // built-in, or the vendor
	DeskName  string
	Tickets   []ticketRow
	DeskAt    db.Time     // newest change on the desk
	Contact   *db.Contact // nil: there is none
	Tasks     []db.Task
	Notes     []db.Note
	Dashboard string // of Stripe, for links
	CanSync   bool
	Money     moneyPart
	Joins     joinsPart
	Entries   []entry // what happened, newest first
	pager             // of them
	Earlier   bool    // they are not the newest
}

// systemsRow is one thing that the systems say.
type systemsRow struct {
	What  string
	Cells []systemCell
}

type systemCell struct {
	System string
	automation.Cell
}

// reason is a reason for a difference with the name of its system.
type reason struct {
	automation.Reason
	Name string
}

var columnNames = map[string]string{"stripe": "Stripe", "bursar": "Bursar", "crm": "CRM", "desk": "Desk"}

// maxCell bounds what a cell of the comparison says, in characters.
const maxCell = 120

// customerPage answers GET /admin/customers/{id}.
func (s *Server) customerPage(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, noCustomer)
	if err != nil {
		return err
	}
	ctx, q := r.Context(), s.DB.Read()
	facts, err := customer.Load(ctx, q, id)
	if errors.Is(err, db.ErrNoRows) {
		if other, joined := customer.Lasting(ctx, q, id); joined == nil && other != id {
			return s.seeOther(w, r, customerPath(other), notice{Text: fmt.Sprintf("Customer %d was joined with this one.", id)})
		}
	}
	if err != nil {
		return found(err, noCustomer)
	}
	p := customerPageData{Facts: facts, Record: facts.RecordAt(time.Now()), WrittenAt: facts.Record.SyncedAt, CanSync: len(facts.Stripe) > 0}
	p.Who = nameLink(p.Record.Name, p.Record.Email, id).Text
	p.page = s.page(w, r, p.Who)
	standing, err := p.readStanding(ctx, q)
	standing.Policies = s.Policies
	if err != nil {
		return fmt.Errorf("customer %d: %w", id, err)
	}
	if err := p.readEntries(ctx, q, r); err != nil {
		return fmt.Errorf("what happened to customer %d: %w", id, err)
	}
	if err := p.compare(ctx, q, standing); err != nil {
		return fmt.Errorf("compare the systems for customer %d: %w", id, err)
	}
	if p.Dashboard, err = s.dashboard(ctx, q); err != nil {
		return err
	}
	if p.Money, err = s.readMoney(ctx, q, facts, p.User); err != nil {
		return fmt.Errorf("customer %d: %w", id, err)
	}
	if p.Joins, err = readJoins(ctx, q, facts, p.User.Role); err != nil {
		return err
	}
	p.Source = s.sourceOf(p.Record)
	p.CRMName, p.DeskName = s.vendorNames()
	p.arrange()
	return s.render(w, http.StatusOK, "customer", p)
}

// readStanding reads what the CRM and the desk show, and what the last check saw.
func (p *customerPageData) readStanding(ctx context.Context, q *db.Queries) (s automation.Standing, err error) {
	id := p.Record.ID
	contact, err := q.ContactOf(ctx, id)
	if err == nil {
		p.Contact = &contact
		stands := crm.Stored(contact)
		s.Contact = &stands
	}
	if err != nil && !errors.Is(err, db.ErrNoRows) {
		return s, err
	}
	if s.Tickets, err = q.TicketsOf(ctx, db.ID(id)); err != nil {
		return s, err
	}
	for _, t := range s.Tickets {
		p.Tickets = append(p.Tickets, ticketRow{Ticket: t, Reference: support.Reference(t.ID), Subject: mail.Line(t.Subject, maxName)})
		if t.UpdatedAt.After(p.DeskAt.Time) {
			p.DeskAt = t.UpdatedAt
		}
	}
	if p.Tasks, err = q.TasksOf(ctx, id); err != nil {
		return s, err
	}
	if p.Notes, err = q.NotesOf(ctx, id); err != nil {
		return s, err
	}
	s.Findings, err = q.FindingsOfCustomer(ctx, db.ID(id))
	for _, f := range s.Findings {
		row := findingRow{What: mail.UpperFirst(reconcile.Label(f.Kind)), Cause: mail.Line(f.Evidence, 300), High: reconcile.KindOf(f.Kind).High}
		row.ID, row.JobKind, row.Repair = f.ID, f.JobKind, f.Repair
		p.Open = append(p.Open, row)
	}
	return s, err
}

// compare sets the systems side by side and says why they differ.
func (p *customerPageData) compare(ctx context.Context, q *db.Queries, s automation.Standing) error {
	work, err := readWork(ctx, q, p.keys())
	if err != nil {
		return err
	}
	now := time.Now()
	rows := automation.Compare(p.Facts, s, now)
	for _, row := range rows {
		cells := []systemCell{{"Stripe", row.Stripe}, {"Bursar", row.Bursar}, {"CRM", row.CRM}, {"Desk", row.Desk}}
		for i := range cells {
			cells[i].Text = mail.Line(cells[i].Text, maxCell)
		}
		p.Systems = append(p.Systems, systemsRow{row.What, cells})
	}
	for _, why := range automation.Explain(rows, p.Facts, s, work, now) {
		why.Text = mail.Line(why.Text, lineLength)
		p.Reasons = append(p.Reasons, reason{why, columnNames[why.System]})
	}
	return nil
}

// sourceOf says how the last reading of Stripe was made.
func (s *Server) sourceOf(c db.Customer) string {
	switch {
	case c.Source == "":
		return "nothing bought yet"
	case c.Source == "api":
		return "from the API"
	case s.Billing.Stripe == nil:
		return "from events"
	}
	return "from events, unconfirmed"
}

// dashboard is the address of Stripe's pages for the mode of this file.
func (s *Server) dashboard(ctx context.Context, q *db.Queries) (string, error) {
	const live = "https://dashboard.stripe.com/"
	isLive := s.Billing.Live
	if s.Billing.Stripe == nil {
		text, err := q.Meta(ctx, "livemode")
		if err != nil && !errors.Is(err, db.ErrNoRows) {
			return "", fmt.Errorf("read the mode: %w", err)
		}
		isLive = text == "true"
	}
	if isLive {
		return live, nil
	}
	return live + "test/", nil
}

// arrange puts the newest first, and drops addresses that are no web pages.
func (p *customerPageData) arrange() {
	f := &p.Facts
	slices.Reverse(f.Subscriptions)
	slices.Reverse(f.Invoices)
	slices.Reverse(f.Refunds)
	slices.Reverse(f.Disputes)
	slices.Reverse(p.Tasks)
	slices.Reverse(p.Notes)
	for i := range f.Subscriptions {
		f.Subscriptions[i].Plan = customer.PlanName(f.Subscriptions[i])
	}
	for i := range f.Invoices {
		if !strings.HasPrefix(f.Invoices[i].HostedURL, "https://") {
			f.Invoices[i].HostedURL = ""
		}
	}
}

// syncCustomer answers POST /admin/customers/{id}/sync: Stripe is read again now, and the contact is
// written if it is not what it should be. Asking twice is the same as asking once.
func (s *Server) syncCustomer(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, noCustomer)
	if err != nil {
		return err
	}
	ctx, read := r.Context(), 0
	err = s.DB.Tx(ctx, func(q *db.Queries) error {
		facts, err := customer.Load(ctx, q, id)
		if err != nil {
			return found(err, noCustomer)
		}
		for _, c := range facts.Stripe {
			if err := queue.Hurry(ctx, q, billing.SyncCustomer{StripeCustomer: c.ID}, time.Now()); err != nil {
				return err
			}
		}
		if read = len(facts.Stripe); read == 0 {
			return nil
		}
		if err := mendContact(ctx, q, facts, s.Policies); err != nil {
			return err
		}
		return s.audit(ctx, q, r, "customers.sync", "customer "+strconv.FormatInt(id, 10), strings.Join(facts.Linked("stripe"), ", "))
	})
	if err != nil {
		return err
	}
	done := notice{Text: "Stripe is being read again. The result shows here in a moment."}
	switch {
	case read == 0:
		done = notice{Text: "There is nothing to read: this customer has no Stripe customer yet.", Bad: true}
	case s.Billing.Stripe == nil:
		done.Text = "The stored events are being read again; without STRIPE_API_KEY Stripe itself is not asked. The result shows here in a moment."
	}
	return s.seeOther(w, r, fmt.Sprintf("/admin/customers/%d", id), done)
}

// mendContact queues the writing of a contact that is not what it should be: a sync that finds nothing
// new in Stripe would not.
func mendContact(ctx context.Context, q *db.Queries, f customer.Facts, policies crm.Policies) error {
	now := time.Now()
	f.Record = f.RecordAt(now)
	want := automation.Want(f, now).Contact
	if want == nil {
		return nil
	}
	c, err := q.ContactOf(ctx, f.Record.ID)
	if err != nil && !errors.Is(err, db.ErrNoRows) {
		return err
	}
	if c.ID != 0 && len(policies.Changes(crm.Stored(c).Fields(), want.Fields())) == 0 {
		return nil
	}
	return queue.Hurry(ctx, q, crm.SyncContact{Contact: *want}, time.Now())
}
