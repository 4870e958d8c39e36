package server

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"bursar/app/auth"
	"bursar/app/automation"
	"bursar/app/customer"
	"bursar/app/db"
	"bursar/app/mail"
	"bursar/app/support"
)

// ticketsPageData is the built-in desk.
type ticketsPageData struct {
	page
	pager
	Queue, Status string // the filter
	Mine          bool   // only those of who is signed in
	Tabs          []ticketTab
	Tickets       []ticketRow
	Form          ticketForm
	Queues        []string
	Desk          string // of another company, "" where none of the tickets stands on one
}

// ticketTab is a queue with what is open in it; the one without a name is all of them.
type ticketTab struct {
	Queue string
	Open  int64
}

// ticketRow is a ticket in a list.
type ticketRow struct {
	db.Ticket
	Reference string
	Subject   string
	Who       link           // empty: nobody Bursar knows
	There     *db.DeskTicket // on the desk of another company; nil if it is not there
	Assignee  string
}

// ticketsPage answers GET /admin/tickets.
func (s *Server) ticketsPage(w http.ResponseWriter, r *http.Request) error {
	form := ticketForm{Customer: r.URL.Query().Get("customer"), Queue: support.General, Priority: support.Normal}
	form.Open = form.Customer != ""
	return s.renderTickets(w, r, http.StatusOK, form)
}

func (s *Server) renderTickets(w http.ResponseWriter, r *http.Request, status int, form ticketForm) error {
	ctx, q, query := r.Context(), s.DB.Read(), r.URL.Query()
	d := ticketsPageData{page: s.page(w, r, "Tickets"), Queue: query.Get("queue"), Status: "open", Form: form.fresh(), Queues: support.Queues[:]}
	if query.Get("status") == "closed" {
		d.Status = "closed"
	}
	mine := int64(0)
	if d.Mine = query.Get("mine") != ""; d.Mine {
		mine = userOf(r).ID
	}
	open, err := q.CountOpenTickets(ctx)
	if err != nil {
		return fmt.Errorf("count the tickets: %w", err)
	}
	d.Tabs = ticketTabs(open)
	next := ""
	if d.Status == "closed" {
		d.Tickets, next, err = closedTickets(ctx, q, d.Queue, mine, cursorOf(r))
	} else {
		d.Tickets, next, err = openTickets(ctx, q, d.Queue, mine, query.Get("before"))
	}
	if err != nil {
		return fmt.Errorf("list the tickets: %w", err)
	}
	var ids []int64
	for _, t := range d.Tickets {
		ids = append(ids, t.ID)
	}
	there, err := s.there(ctx, ids...)
	if err != nil {
		return err
	}
	for i, t := range d.Tickets {
		if stands, ok := there[t.ID]; ok {
			d.Tickets[i].There, d.Desk = &stands, s.Hooks.Vendor.Label
		}
	}
	d.pager = pagerOf(r, next)
	return s.render(w, status, "tickets", d)
}

func ticketTabs(open []db.CountOpenTicketsRow) []ticketTab {
	tabs := []ticketTab{{}}
	for _, queue := range support.Queues {
		tab := ticketTab{Queue: queue}
		for _, row := range open {
			if row.Queue == queue {
				tab.Open = row.N
			}
		}
		tabs[0].Open += tab.Open
		tabs = append(tabs, tab)
	}
	return tabs
}

// openTickets are a page of those that are open: urgent ones first, then the oldest. Its cursor has both.
func openTickets(ctx context.Context, q *db.Queries, queue string, mine int64, cursor string) ([]ticketRow, string, error) {
	rank, after := int64(0), int64(0)
	if a, b, ok := strings.Cut(cursor, "."); ok {
		rank, _ = strconv.ParseInt(a, 10, 64) // from the beginning if it is no number
		after, _ = strconv.ParseInt(b, 10, 64)
	}
	rows, err := q.OpenTicketsPage(ctx, db.OpenTicketsPageParams{Queue: queue, Mine: mine, Rank: rank, After: after, N: listSize + 1})
	rows, next := cut(rows, func(t db.OpenTicketsPageRow) int64 { return t.ID })
	list := make([]ticketRow, len(rows))
	for i, t := range rows {
		list[i] = rowOf(t)
	}
	if next != "" {
		rank = 1
		if rows[len(rows)-1].Priority == support.Urgent {
			rank = 0
		}
		next = fmt.Sprintf("%d.%s", rank, next)
	}
	return list, next, err
}

// closedTickets are a page of those that are closed, the newest first.
func closedTickets(ctx context.Context, q *db.Queries, queue string, mine, before int64) ([]ticketRow, string, error) {
	rows, err := q.ClosedTicketsPage(ctx, db.ClosedTicketsPageParams{Queue: queue, Mine: mine, Before: before, N: listSize + 1})
	rows, next := cut(rows, func(t db.ClosedTicketsPageRow) int64 { return t.ID })
	list := make([]ticketRow, len(rows))
	for i, t := range rows {
		list[i] = rowOf(db.OpenTicketsPageRow(t))
	}
	return list, next, err
}

func rowOf(t db.OpenTicketsPageRow) ticketRow {
	row := ticketRow{Ticket: db.Ticket{ID: t.ID, CustomerID: t.CustomerID, Cause: t.Cause, Queue: t.Queue, Priority: t.Priority, Status: t.Status,
		CreatedAt: t.CreatedAt, UpdatedAt: t.UpdatedAt, ClosedAt: t.ClosedAt}, Reference: support.Reference(t.ID), Subject: mail.Line(t.Subject, 120), Assignee: t.Assignee}
	if t.CustomerID.Valid {
		row.Who = nameLink(t.CustomerName, t.CustomerEmail, t.CustomerID.Int64)
	}
	return row
}

// ticketPageData is one ticket.
type ticketPageData struct {
	page
	Ticket    db.Ticket
	Reference string
	Subject   string
	ByRule    bool // Bursar opened it, and closes it when its cause is gone
	Messages  []db.Message
	Customer  *customer.Facts // nil: nobody Bursar knows
	Who       link
	There     *db.DeskTicket // on the desk of another company; nil if it is not there
	Desk      string         // of that company
	Note      noteForm
	Queues    []string
	People    []db.AssignableRow
	MayWork   bool
	Assigned  int64
	Back      string // takes the last move back; "" if there is none
}

// noTicket says that a ticket is not there.
const noTicket = "there is no such ticket"

// ticketPage answers GET /admin/tickets/{id}.
func (s *Server) ticketPage(w http.ResponseWriter, r *http.Request) error {
	return s.renderTicket(w, r, http.StatusOK, noteForm{})
}

func (s *Server) renderTicket(w http.ResponseWriter, r *http.Request, status int, note noteForm) error {
	ctx, q := r.Context(), s.DB.Read()
	t, err := s.storedTicketOf(r)
	if err != nil {
		return err
	}
	d := ticketPageData{page: s.page(w, r, support.Reference(t.ID)+" "+mail.Line(t.Subject, maxName)), Ticket: t,
		Reference: support.Reference(t.ID), Subject: mail.Line(t.Subject, maxText), ByRule: automation.Owns(t.Cause), Note: note.fresh()}
	if d.Messages, err = q.MessagesOf(ctx, t.ID); err != nil {
		return fmt.Errorf("read the messages of ticket %d: %w", t.ID, err)
	}
	d.Queues, d.MayWork, d.Assigned = support.Queues[:], userOf(r).Role.May(auth.WorkTickets), t.AssignedTo.Int64
	if d.People, err = q.Assignable(ctx); err != nil {
		return fmt.Errorf("list the people: %w", err)
	}
	if from, ok := support.MovedFrom(t); ok && d.MayWork {
		d.Back = movePath(t.ID, from)
	}
	there, err := s.there(ctx, t.ID)
	if err != nil {
		return err
	}
	if stands, ok := there[t.ID]; ok {
		d.There, d.Desk = &stands, s.Hooks.Vendor.Label
	}
	if t.CustomerID.Valid {
		facts, err := customer.Load(ctx, q, t.CustomerID.Int64)
		if err != nil {
			return err
		}
		facts.Record = facts.RecordAt(time.Now())
		d.Customer, d.Who = &facts, nameLink(facts.Record.Name, facts.Record.Email, facts.Record.ID)
	}
	return s.render(w, status, "ticket", d)
}

func (s *Server) storedTicketOf(r *http.Request) (db.Ticket, error) {
	id, err := pathID(r, noTicket)
	if err != nil {
		return db.Ticket{}, err
	}
	t, err := s.DB.Read().TicketByID(r.Context(), id)
	return t, found(err, noTicket)
}
