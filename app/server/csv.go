package server

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"bursar/app/auth"
	"bursar/app/db"
)

// sheet is a list as a file for a spreadsheet.
type sheet struct {
	Name   string // like customers: of the file, and of the entry in the audit
	Header []string
	Rows   iter.Seq2[[]string, error]
	Remark string // a last line, "" if there is nothing to say
}

const (
	sheetLimit = 100_000 // rows
	sheetCheck = 1000    // rows after which somebody may have been kept out in the meantime
)

// writeSheet answers with a list, row by row as it is read, so that its length costs no memory. Whatever ends
// it early is said in its last line. Who took how much of it is in the audit, with an entry before the first
// row: no list leaves without.
func (s *Server) writeSheet(w http.ResponseWriter, r *http.Request, list sheet) error {
	e := s.entry(r, list.Name+".export", list.Name, filtersOf(r.URL.Query()))
	e.Outcome = auth.Asked
	if err := s.DB.Tx(r.Context(), func(q *db.Queries) error { return auth.Audit(r.Context(), q, e) }); err != nil {
		return notStored(err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="bursar-%s-%s.csv"`, list.Name, time.Now().In(s.Location).Format(time.DateOnly)))
	if r.Method == http.MethodHead {
		return nil
	}
	if _, err := w.Write([]byte("\ufeff")); err != nil { // without it Excel takes UTF-8 for something else
		return err
	}
	rows, err := s.writeRows(w, r, list)
	e.Outcome, e.Detail = auth.Done, strings.TrimSpace(plural(rows, "row", "rows")+" "+e.Detail)
	if err != nil {
		e.Outcome = auth.Failed
	}
	ctx := context.WithoutCancel(r.Context()) // also when the caller has hung up
	return errors.Join(err, s.DB.Tx(ctx, func(q *db.Queries) error { return auth.Audit(ctx, q, e) }))
}

func (s *Server) writeRows(w http.ResponseWriter, r *http.Request, list sheet) (n int, err error) {
	out := csv.NewWriter(w)
	out.Write(list.Header)
	end := list.Remark
	for row, rowErr := range list.Rows {
		if err = rowErr; err == nil && n > 0 && n%sheetCheck == 0 {
			err = s.stillMay(r, auth.ExportAll)
		}
		if err != nil {
			end = fmt.Sprintf("STOPPED after %d rows: the rest is missing.", n)
			break
		}
		if n == sheetLimit {
			end = fmt.Sprintf("CUT after %d rows: there are more. Narrow the list with its filters.", n)
			break
		}
		for i, cell := range row {
			row[i] = safeCell(cell)
		}
		out.Write(row)
		n++
	}
	if end != "" {
		out.Write([]string{end})
	}
	out.Flush()
	return n, errors.Join(err, out.Error())
}

// stillMay says why somebody may not go on with what takes a while: signed out, or in another role.
func (s *Server) stillMay(r *http.Request, p auth.Permission) error {
	user, err := auth.Session(r.Context(), s.DB, s.sessionToken(r))
	if err == nil && !user.Role.May(p) {
		err = auth.ErrNoSession
	}
	return err
}

// filtersOf names the filters of a list. What they were set to is left out: it may be a customer's address,
// and nothing is ever deleted from the audit.
func filtersOf(query url.Values) string {
	var names []string
	for name := range query {
		if name != "before" && query.Get(name) != "" {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	slices.Sort(names)
	return "filtered by " + strings.Join(names, ", ")
}

// formula is where a spreadsheet would begin to calculate: at the start of a cell, and of what it takes for
// one where a semicolon or a tab separates cells
// (https://owasp.org/www-community/attacks/CSV_Injection).
var formula = regexp.MustCompile(`(^|[;\t\r\n])([=+\-@\t\r\n＝＋－＠])`)

// safeCell is a text that a spreadsheet shows and does not calculate.
func safeCell(text string) string { return formula.ReplaceAllString(text, "$1'$2") }

// sheetTime is a time as spreadsheets read it, in UTC; "" for never.
func sheetTime(t db.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.DateTime)
}
