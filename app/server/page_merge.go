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

	"bursar/app/auth"
	"bursar/app/billing"
	"bursar/app/customer"
	"bursar/app/db"
	"bursar/app/mail"
)

// mergeRoutes join two customers, and take them apart again.
func (s *Server) mergeRoutes() []Route {
	return []Route{
		{"GET", "/admin/customers/{id}/merge", may(auth.MergeCustomers), s.mergePage},
		{"POST", "/admin/customers/{id}/merge", may(auth.MergeCustomers), s.mergeCustomers},
		{"POST", "/admin/merges/{id}/unmerge", may(auth.MergeCustomers), s.unmergeCustomers},
	}
}

// mergePageData shows two customers side by side, and what becomes of them.
type mergePageData struct {
	page
	Stays, Goes mergeSide
	Rows        []mergeRow
	Pro, Contra []string
	Twice       []string // what both pay for
	Moves       []string
	Contacts    []string // what is left to do in other systems
	Swap        string   // the same with the other one staying
	Candidates  []candidate
	With        string // the number that was typed
	Reason      string
	Error       string
}

// mergeSide is one of the two.
type mergeSide struct {
	ID   int64
	Who  link
	Path string
}

// mergeRow is one thing that both say, and what stands there afterwards.
type mergeRow struct {
	What, Stays, Goes, After string
	Badge                    bool
}

// mergePage answers GET /admin/customers/{id}/merge?with=N. Without a number it asks for one.
func (s *Server) mergePage(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, noCustomer)
	if err != nil {
		return err
	}
	return s.showMerge(w, r, http.StatusOK, mergePageData{With: strings.TrimPrefix(strings.TrimSpace(r.URL.Query().Get("with")), "#")}, id)
}

func (s *Server) showMerge(w http.ResponseWriter, r *http.Request, status int, d mergePageData, id int64) error {
	ctx, q := r.Context(), s.DB.Read()
	stays, err := customer.Load(ctx, q, id)
	if err != nil {
		return found(err, noCustomer)
	}
	stays.Record = stays.RecordAt(time.Now())
	d.Stays = sideOf(stays)
	d.page = s.page(w, r, "Join with "+d.Stays.Who.Text)
	if d.Candidates, err = candidates(ctx, q, stays); err != nil {
		return err
	}
	with, err := strconv.ParseInt(d.With, 10, 64)
	if err != nil {
		if d.With != "" {
			d.Error, status = "Give the number of the other customer. It is at the end of the address of its page.", http.StatusUnprocessableEntity
		}
		return s.render(w, status, "merge", d)
	}
	goes, err := customer.Load(ctx, q, with)
	switch {
	case errors.Is(err, db.ErrNoRows):
		err = nil
		d.Error, status = fmt.Sprintf("There is no customer %d; it may have been joined with another already.", with), http.StatusUnprocessableEntity
	case err != nil:
		return err
	case with == id:
		d.Error, status = "These are one customer already.", http.StatusUnprocessableEntity
	case !stays.Record.ErasedAt.IsZero() || !goes.Record.ErasedAt.IsZero():
		d.Error, status = "One of the two was erased: there is nothing to join.", http.StatusUnprocessableEntity
	default:
		err = d.compare(ctx, q, stays, goes)
	}
	if err != nil {
		return err
	}
	return s.render(w, status, "merge", d)
}

func sideOf(f customer.Facts) mergeSide {
	who := nameLink(f.Record.Name, f.Record.Email, f.Record.ID)
	return mergeSide{f.Record.ID, who, who.Path}
}

// compare sets the two side by side with what they will be together.
func (d *mergePageData) compare(ctx context.Context, q *db.Queries, stays, goes customer.Facts) error {
	now := time.Now()
	goes.Record = goes.RecordAt(now)
	after := customer.Together(stays, goes)
	after.Record = after.RecordAt(now)
	d.Goes = sideOf(goes)
	d.Swap = fmt.Sprintf("%s/merge?with=%d", customerPath(d.Goes.ID), d.Stays.ID)
	d.Pro, d.Contra = customer.Alike(stays, goes)
	for _, row := range []struct {
		what string
		of   func(customer.Facts) string
	}{
		{"Name", func(f customer.Facts) string { return f.Record.Name }},
		{"E-mail", func(f customer.Facts) string { return f.Record.Email }},
		{"User of the product", func(f customer.Facts) string { return strings.Join(f.Linked("user"), ", ") }},
		{"In Stripe", func(f customer.Facts) string { return strings.Join(f.Linked("stripe"), ", ") }},
		{"Plan", func(f customer.Facts) string { return f.Record.Plan }},
		{"Access", func(f customer.Facts) string { return f.Record.Access }},
		{"Why", func(f customer.Facts) string { return f.Record.AccessReason }},
		{"Live subscriptions", func(f customer.Facts) string { return strconv.Itoa(len(f.Live())) }},
		{"Last payment", lastPaymentOf},
	} {
		d.Rows = append(d.Rows, mergeRow{row.what, mail.Line(row.of(stays), maxCell), mail.Line(row.of(goes), maxCell), mail.Line(row.of(after), 2*maxCell), row.what == "Access"})
	}
	if mine, other := stays.Live(), goes.Live(); len(mine) > 0 && len(other) > 0 {
		for _, sub := range slices.Concat(mine, other) {
			d.Twice = append(d.Twice, strings.TrimSpace(fmt.Sprintf("%s %s / %s, %s", mail.Line(customer.PlanName(sub), maxName),
				customer.FormatAmount(sub.Amount, sub.Currency), sub.Interval, sub.ID)))
		}
	}
	rows, err := q.RowsOfCustomer(ctx, d.Goes.ID)
	if err != nil {
		return fmt.Errorf("list what customer %d has: %w", d.Goes.ID, err)
	}
	d.Moves = movesOf(rows)
	d.Contacts, err = contactsElsewhere(ctx, q, d.Stays.ID, d.Goes.ID)
	return err
}

func lastPaymentOf(f customer.Facts) string {
	if f.Record.LastPaymentStatus == "" {
		return ""
	}
	return f.Record.LastPaymentStatus + ", " + customer.FormatAmount(f.Record.LastPaymentAmount, f.Record.LastPaymentCurrency)
}

// movesOf counts what goes along, in words.
func movesOf(rows []db.RowsOfCustomerRow) (list []string) {
	for _, kind := range []struct{ name, one, many string }{
		{"stripe_customers", "Stripe customer", "Stripe customers"}, {"subscriptions", "subscription", "subscriptions"},
		{"invoices", "invoice", "invoices"}, {"refunds", "refund", "refunds"}, {"disputes", "dispute", "disputes"},
		{"tickets", "ticket", "tickets"}, {"tasks", "task", "tasks"}, {"notes", "note", "notes"},
		{"actions", "money action", "money actions"}, {"timeline", "line of its history", "lines of its history"},
	} {
		n := 0
		for _, r := range rows {
			if r.Kind == kind.name {
				n++
			}
		}
		if n > 0 {
			list = append(list, plural(n, kind.one, kind.many))
		}
	}
	return list
}

// contactsElsewhere says which contacts of one person stand in the CRM of another company. Bursar deletes none there.
func contactsElsewhere(ctx context.Context, q *db.Queries, ids ...int64) (list []string, err error) {
	remote := map[string][]string{}
	for _, id := range ids {
		refs, err := q.ContactsElsewhere(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("read the contacts of customer %d elsewhere: %w", id, err)
		}
		for _, ref := range refs {
			remote[ref.System] = append(remote[ref.System], mail.Line(ref.RemoteID, maxName))
		}
	}
	for system, contacts := range remote {
		_, vendor, _ := strings.Cut(system, ":")
		if len(contacts) > 1 {
			list = append(list, fmt.Sprintf("%s has %d contacts of this person: %s. Bursar deletes nothing there: merge %s into %s by hand.", mail.UpperFirst(vendor),
				len(contacts), strings.Join(contacts, " and "), contacts[len(contacts)-1], contacts[0]))
		}
	}
	slices.Sort(list)
	return list, nil
}

// mergeCustomers answers POST /admin/customers/{id}/merge: the other one goes along with all it has.
func (s *Server) mergeCustomers(w http.ResponseWriter, r *http.Request) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	id, err := pathID(r, noCustomer)
	if err != nil {
		return err
	}
	d := mergePageData{With: r.PostFormValue("with"), Reason: mail.Line(r.PostFormValue("reason"), lineLength)}
	with, err := strconv.ParseInt(d.With, 10, 64)
	if err != nil || d.Reason == "" {
		d.Error = "Say why the two are one. It is kept with the join."
		return s.showMerge(w, r, http.StatusUnprocessableEntity, d, id)
	}
	ctx := r.Context()
	if into, err := s.DB.Read().MergedInto(ctx, with); err == nil && into == id {
		return s.seeOther(w, r, customerPath(id), notice{Text: fmt.Sprintf("Customer %d was joined with this one already.", with), Bad: true})
	}
	var done billing.Joined
	err = s.DB.Tx(ctx, func(q *db.Queries) (err error) {
		if done, err = s.Billing.Merge(ctx, q, with, id, userOf(r).Email, d.Reason); err != nil {
			return err
		}
		return auth.Audit(ctx, q, s.joinEntry(r, "customers.merge", done, d.Reason))
	})
	if errors.Is(err, customer.ErrMerge) {
		return s.seeOther(w, r, fmt.Sprintf("%s/merge?with=%d", customerPath(id), with), notice{Text: "Nothing was joined: " + reasonOf(err) + ".", Bad: true})
	}
	if err != nil {
		return notStored(err)
	}
	return s.seeOther(w, r, customerPath(id), notice{Text: fmt.Sprintf("Customer %d is joined with this one.", with), Undo: &action{"Undo: take them apart", unmergePath(done.ID)}})
}

func unmergePath(id int64) string { return fmt.Sprintf("/admin/merges/%d/unmerge", id) }

// joinEntry is a row of the audit with how the two stood before and after.
func (s *Server) joinEntry(r *http.Request, action string, done billing.Joined, reason string) auth.Entry {
	e := s.entry(r, action, fmt.Sprintf("customer %d", done.Into), fmt.Sprintf("customer %d, merge %d", done.From, done.ID))
	e.Reason, e.Before, e.After = reason, done.Before, done.After
	return e
}

// reasonOf is what an error that wraps ErrMerge says to people.
func reasonOf(err error) string {
	_, why, _ := strings.Cut(err.Error(), customer.ErrMerge.Error()+": ")
	return why
}

// unmergeCustomers answers POST /admin/merges/{id}/unmerge.
func (s *Server) unmergeCustomers(w http.ResponseWriter, r *http.Request) error {
	const nothing = "there is no such join"
	id, err := pathID(r, nothing)
	if err != nil {
		return err
	}
	ctx := r.Context()
	m, err := s.DB.Read().MergeByID(ctx, id)
	if err != nil {
		return found(err, nothing)
	}
	var done billing.Joined
	err = s.DB.Tx(ctx, func(q *db.Queries) (err error) {
		if done, err = s.Billing.Unmerge(ctx, q, id, userOf(r).Email); err != nil {
			return err
		}
		return auth.Audit(ctx, q, s.joinEntry(r, "customers.unmerge", done, ""))
	})
	if errors.Is(err, customer.ErrMerge) {
		return s.seeOther(w, r, customerPath(m.IntoID), notice{Text: "Nothing was changed: " + reasonOf(err) + ".", Bad: true})
	}
	if err != nil {
		return notStored(err)
	}
	return s.seeOther(w, r, customerPath(m.IntoID), notice{Text: fmt.Sprintf("Customer %d has its own number and all it had again. What came for its Stripe customers since went with it.", m.FromID)})
}
