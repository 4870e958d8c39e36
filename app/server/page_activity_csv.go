package server

import (
	"encoding/hex"
	"fmt"
	"iter"
	"math"
	"net/http"
	"strconv"

	"bursar/app/auth"
)

// exportPath leads to a list as a file, with the filters of the page.
func exportPath(path string, r *http.Request) string {
	query := r.URL.Query()
	query.Del("before")
	query.Del("trail")
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return path
}

// exportRoutes are lists as files.
func (s *Server) exportRoutes() []Route {
	return []Route{
		{"GET", "/admin/activity.csv", may(auth.ExportAll), s.fresh(s.exportActivity)},
		{"GET", "/admin/customers.csv", may(auth.ExportAll), s.fresh(s.exportCustomers)},
	}
}

// exportActivity answers GET /admin/activity.csv. The hash of each entry lets anybody check the chain.
func (s *Server) exportActivity(w http.ResponseWriter, r *http.Request) error {
	return s.writeSheet(w, r, sheet{Name: "activity", Rows: s.activityRows(r), Header: []string{"Entry", "When (UTC)", "Who", "Role", "From",
		"Action", "To", "Outcome", "Reason", "Before", "After", "Detail", "Hash"}})
}

const sheetPage = 1000

func (s *Server) activityRows(r *http.Request) iter.Seq2[[]string, error] {
	filter := parseActivityFilter(r)
	return func(yield func([]string, error) bool) {
		before := int64(math.MaxInt64)
		for {
			rows, err := s.DB.Read().ListAudit(r.Context(), filter.params(s.Location, before, 0, sheetPage))
			if err != nil {
				yield(nil, fmt.Errorf("list the audit: %w", err))
				return
			}
			for _, e := range rows {
				before = e.ID
				if !yield([]string{strconv.FormatInt(e.ID, 10), sheetTime(e.CreatedAt), e.Actor, e.Role, e.Address, e.Action, e.Target,
					e.Outcome, e.Reason, e.Before, e.After, e.Detail, hex.EncodeToString(e.Hash)}, nil) {
					return
				}
			}
			if len(rows) < sheetPage {
				return
			}
		}
	}
}
