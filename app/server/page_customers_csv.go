package server

import (
	"context"
	"fmt"
	"iter"
	"math"
	"net/http"
	"strconv"
	"strings"

	"bursar/app/customer"
	"bursar/app/db"
	"bursar/app/mail"
)

// exportCustomers answers GET /admin/customers.csv: the list with its filters, all of its pages.
func (s *Server) exportCustomers(w http.ResponseWriter, r *http.Request) error {
	search := parseCustomerSearch(r)
	search.before = math.MaxInt64
	list := sheet{Name: "customers", Rows: customerRows(search.all(r.Context(), s.DB.Read())), Header: []string{"Number", "Name", "E-mail", "Plan",
		"Stripe says", "Access", "Because", "Access until (UTC)", "Last paid (UTC)", "Last payment", "Amount", "Currency", "Open disputes", "Known since (UTC)"}}
	switch {
	case search.short():
		list.Remark = "Only the first 50: with one or two letters only the beginning of e-mail addresses is searched."
	case search.Text != "" && (search.Access != "" || search.Plan != ""):
		list.Remark = "Perhaps not all: of those that have the text, only the newest 5,000 are held against a filter at a time."
	}
	return s.writeSheet(w, r, list)
}

// all are the customers of all pages, each once: one that was found by its id may have the text as well.
func (c customerSearch) all(ctx context.Context, q *db.Queries) iter.Seq2[db.Customer, error] {
	return func(yield func(db.Customer, error) bool) {
		seen := map[int64]bool{}
		for {
			rows, err := c.find(ctx, q)
			if err != nil {
				yield(db.Customer{}, fmt.Errorf("search customers: %w", err))
				return
			}
			rows, next := cut(rows, func(row db.Customer) int64 { return row.ID })
			for _, row := range rows {
				if !seen[row.ID] && !yield(row, nil) {
					return
				}
				seen[row.ID] = true
			}
			if next == "" || c.short() {
				return
			}
			c.before, _ = strconv.ParseInt(next, 10, 64) // cut wrote it
		}
	}
}

// maxSheetCell is in characters: names may be longer than anybody reads.
const maxSheetCell = 500

func customerRows(all iter.Seq2[db.Customer, error]) iter.Seq2[[]string, error] {
	return func(yield func([]string, error) bool) {
		for c, err := range all {
			amount, currency := "", ""
			if c.LastPaymentCurrency != "" {
				amount, currency, _ = strings.Cut(customer.FormatAmount(c.LastPaymentAmount, c.LastPaymentCurrency), " ")
			}
			row := []string{strconv.FormatInt(c.ID, 10), mail.Line(c.Name, maxSheetCell), mail.Line(c.Email, maxSheetCell), mail.Line(c.Plan, maxSheetCell),
				mail.Line(c.Status, maxSheetCell), c.Access, mail.Line(c.AccessReason, maxSheetCell), sheetTime(c.AccessUntilAt), sheetTime(c.LastPaidAt),
				c.LastPaymentStatus, strings.ReplaceAll(amount, ",", ""), currency, strconv.FormatInt(c.OpenDisputes, 10), sheetTime(c.CreatedAt)}
			if !yield(row, err) {
				return
			}
		}
	}
}
