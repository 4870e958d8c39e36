package server

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"bursar/app/auth"
	"bursar/app/customer"
	"bursar/app/db"
	"bursar/app/mail"
)

// customersPageData is the list of customers, newest first.
type customersPageData struct {
	page
	Search   customerSearch
	Levels   []string // of access
	Plans    []string
	Rows     []customerRow
	Total    string // how many match, "" where counting them would take long
	Filtered bool
	Narrowed bool   // it is a search and a filter
	Short    bool   // the search is too short for names, and its result has one page only
	Export   string // where the list is as a file, "" for who may not have it
	pager
}

// customerSearch is what the address of the list says.
type customerSearch struct {
	Text, Access, Plan string
	before             int64 // the id that a page begins below
}

type customerRow struct {
	db.Customer
	Who link
}

const (
	searchLength = 200   // characters
	narrowAmong  = 5_000 // of those that have the text, how many are held against a filter
)

func (s *Server) customersPage(w http.ResponseWriter, r *http.Request) error {
	p := customersPageData{page: s.page(w, r, "Customers"), Search: parseCustomerSearch(r),
		Levels: []string{customer.Full, customer.Grace, customer.Pending, customer.None}}
	counts, err := s.figures.get(r.Context(), s.DB.Read())
	if err != nil {
		return err
	}
	if p.Plans, err = s.DB.Read().Plans(r.Context()); err != nil {
		return fmt.Errorf("list the plans: %w", err)
	}
	if p.Search.Plan != "" && !slices.Contains(p.Plans, p.Search.Plan) {
		p.Plans = append(p.Plans, p.Search.Plan)
	}
	rows, err := p.Search.find(r.Context(), s.DB.Read())
	if err != nil {
		return fmt.Errorf("search customers: %w", err)
	}
	p.Short, p.Narrowed = p.Search.short(), p.Search.Text != "" && (p.Search.Access != "" || p.Search.Plan != "")
	p.Filtered = p.Search != customerSearch{before: p.Search.before}
	rows, next := cut(rows, func(c db.Customer) int64 { return c.ID })
	if p.Short {
		next = ""
	}
	p.pager = pagerOf(r, next)
	for _, c := range rows {
		c.Email, c.Plan = mail.Line(c.Email, maxName), mail.Line(c.Plan, maxName)
		p.Rows = append(p.Rows, customerRow{c, nameLink(c.Name, "", c.ID)})
	}
	p.Total = p.Search.total(counts)
	if p.User.Role.May(auth.ExportAll) {
		p.Export = exportPath("/admin/customers.csv", r)
	}
	return s.render(w, http.StatusOK, "customers", p)
}

func parseCustomerSearch(r *http.Request) customerSearch {
	values := r.URL.Query()
	return customerSearch{Text: mail.Line(values.Get("q"), searchLength), Access: values.Get("access"), Plan: values.Get("plan"), before: cursorOf(r)}
}

// short says that the text has too few letters for the index of every three.
func (c customerSearch) short() bool {
	return c.Text != "" && utf8.RuneCountInString(c.Text) < 3
}

// find gives a page and one row more if there is another. Whoever has the text as an id comes first.
func (c customerSearch) find(ctx context.Context, q *db.Queries) ([]db.Customer, error) {
	if c.Text == "" {
		return c.list(ctx, q)
	}
	var found []db.Customer
	if c.before == math.MaxInt64 {
		number, _ := strconv.ParseInt(strings.TrimPrefix(c.Text, "#"), 10, 64) // 0 is nobody's
		exact, err := q.CustomersOfAnyID(ctx, c.Text, number)
		if err != nil {
			return nil, err
		}
		found = slices.DeleteFunc(exact, func(row db.Customer) bool {
			return c.Access != "" && row.Access != c.Access || c.Plan != "" && row.Plan != c.Plan
		})
	}
	matching, err := c.match(ctx, q)
	if err != nil {
		return nil, err
	}
	for _, row := range matching {
		if !slices.ContainsFunc(found, func(f db.Customer) bool { return f.ID == row.ID }) {
			found = append(found, row)
		}
	}
	return found, nil
}

func (c customerSearch) list(ctx context.Context, q *db.Queries) ([]db.Customer, error) {
	switch {
	case c.Access != "" && c.Plan != "":
		return q.CustomersOfAccessAndPlan(ctx, db.CustomersOfAccessAndPlanParams{Access: c.Access, Plan: c.Plan, Before: c.before, N: listSize + 1})
	case c.Access != "":
		return q.CustomersOfAccess(ctx, c.Access, c.before, listSize+1)
	case c.Plan != "":
		return q.CustomersOfPlan(ctx, c.Plan, c.before, listSize+1)
	}
	return q.NewestCustomers(ctx, c.before, listSize+1)
}

// match finds a part of a name or e-mail, or of a short text the beginning of an e-mail.
func (c customerSearch) match(ctx context.Context, q *db.Queries) ([]db.Customer, error) {
	if c.short() {
		return q.CustomersByEmailPrefix(ctx, db.CustomersByEmailPrefixParams{Prefix: c.Text, Beyond: c.Text + string(unicode.MaxRune),
			Access: c.Access, Plan: c.Plan, N: listSize + 1})
	}
	most := int64(listSize + 1)
	if c.Access != "" || c.Plan != "" {
		most = narrowAmong
	}
	return q.SearchCustomers(ctx, db.SearchCustomersParams{Phrase: phrase(c.Text), Before: c.before, Most: most, Access: c.Access, Plan: c.Plan, N: listSize + 1})
}

// phrase quotes a text for FTS5, so that nothing in it is syntax
// (https://www.sqlite.org/fts5.html#fts5_strings).
func phrase(text string) string { return `"` + strings.ReplaceAll(text, `"`, `""`) + `"` }

// total says how many customers match, where that is counted anyway.
func (c customerSearch) total(f figures) string {
	n := f.Customers
	switch {
	case c.Text != "" || c.Plan != "":
		return ""
	case c.Access != "":
		n = 0
		for _, level := range f.ByAccess {
			if level.Name == c.Access {
				n = level.N
			}
		}
	}
	if n == 1 {
		return "1 customer"
	}
	return thousands(n) + " customers"
}

// thousands writes a number with a comma before every three digits, as amounts are written.
func thousands(n int64) string {
	if n < 1000 {
		return strconv.FormatInt(n, 10)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}
