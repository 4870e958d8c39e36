package server

import (
	"fmt"
	"net/http"

	"bursar/app/crm"
	"bursar/app/db"
	"bursar/app/mail"
)

// contactsPageData is the built-in CRM.
type contactsPageData struct {
	page
	pager
	Lifecycle  string // the filter
	Lifecycles []string
	Contacts   []contactRow
}

type contactRow struct {
	db.ContactsPageRow
	Who link
}

// contactsPage answers GET /admin/contacts.
func (s *Server) contactsPage(w http.ResponseWriter, r *http.Request) error {
	d := contactsPageData{page: s.page(w, r, "Contacts"), Lifecycle: r.URL.Query().Get("lifecycle"),
		Lifecycles: []string{crm.Lead, crm.Trial, crm.Customer, crm.PastDue, crm.Churned}}
	rows, err := s.DB.Read().ContactsPage(r.Context(), cursorOf(r), d.Lifecycle, listSize+1)
	if err != nil {
		return fmt.Errorf("list the contacts: %w", err)
	}
	rows, next := cut(rows, func(c db.ContactsPageRow) int64 { return c.ID })
	d.pager = pagerOf(r, next)
	for _, c := range rows {
		who := nameLink(c.Name, c.Email, c.CustomerID)
		c.Email, c.Plan = mail.Line(c.Email, maxName/2), mail.Line(c.Plan, maxName/2)
		d.Contacts = append(d.Contacts, contactRow{c, who})
	}
	return s.render(w, http.StatusOK, "contacts", d)
}
