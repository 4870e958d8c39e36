package server

import (
	"fmt"
	"net/http"
	"strings"
	"sync"

	"golang.org/x/time/rate"

	"bursar/app/auth"
	"bursar/app/db"
)

const (
	deniedAtOnce = 60       // attempts of one caller that are all written down
	deniedLater  = 1.0 / 60 // a second, from then on
)

// denials bounds how much of the file one caller can fill with what is denied. It is as large as there are
// people and programs. The zero value is ready.
type denials struct {
	mu      sync.Mutex
	callers map[string]*denied
}

type denied struct {
	rows *rate.Limiter
	left int // attempts since the last row that were not written down
}

// count says whether an attempt is written down, and how many were not since the last that was.
func (d *denials) count(caller string) (write bool, left int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.callers == nil {
		d.callers = map[string]*denied{}
	}
	c := d.callers[caller]
	if c == nil {
		c = &denied{rows: rate.NewLimiter(deniedLater, deniedAtOnce)}
		d.callers[caller] = c
	}
	if !c.rows.Allow() {
		c.left++
		return false, 0
	}
	left, c.left = c.left, 0
	return true, left
}

// auditDenied writes down that a caller, whom e names, asked for what they may not.
func (s *Server) auditDenied(r *http.Request, e auth.Entry) error {
	write, left := s.denials.count(e.Actor)
	if !write {
		return nil
	}
	e.Address, e.Outcome, e.Target = s.address(r), auth.Denied, r.URL.Path
	_, route, _ := strings.Cut(r.Pattern, "/")
	e.Action = r.Method + " /" + route
	if left > 0 {
		e.Detail = strings.TrimPrefix(fmt.Sprintf("%s, %d more since the last entry", e.Detail, left), ", ")
	}
	return s.DB.Tx(r.Context(), func(q *db.Queries) error { return auth.Audit(r.Context(), q, e) })
}
