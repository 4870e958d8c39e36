package server

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"bursar/app/auth"
	"bursar/app/db"
)

// audit writes who did what, in the transaction of the change: action is like jobs.retry, target what it
// was done to.
func (s *Server) audit(ctx context.Context, q *db.Queries, r *http.Request, action, target, detail string) error {
	return auth.Audit(ctx, q, s.entry(r, action, target, detail))
}

// entry is a row of the audit about what somebody asked for and got.
func (s *Server) entry(r *http.Request, action, target, detail string) auth.Entry {
	user := userOf(r)
	return auth.Entry{Actor: user.Email, Role: user.Role, Address: s.address(r), Action: action, Target: target, Outcome: auth.Done, Detail: detail}
}

type activityPage struct {
	page
	pager
	Who, Outcome string
	Outcomes     []string
	Entries      []auditEntry
}

// auditEntry is a row of the audit as people read it.
type auditEntry struct{ db.Audit }

// What is the action in words, read together with the target and the outcome. Denied actions are the
// method and the route.
func (e auditEntry) What() string {
	switch e.Action {
	case "sign-in":
		return "sign in"
	case "sign-out":
		return "sign out"
	case "password.set":
		return "choose a password"
	case "people.invite":
		return "make a sign-in link for"
	case "people.role":
		return "change the role of"
	case "people.disable":
		return "disable"
	case "people.enable":
		return "enable"
	case "apikeys.add":
		return "make the"
	case "apikeys.revoke":
		return "revoke the"
	case "file.backup":
		return "back up to"
	case "customers.sync":
		return "sync"
	case "events.replay":
		return "replay event"
	case "reports.compare":
		return "compare"
	}
	if method, _, denied := strings.Cut(e.Action, " "); denied && method == http.MethodPost {
		return "send a form to"
	} else if denied {
		return "open"
	}
	// Like tickets.close: the thing and the verb.
	thing, verb, _ := strings.Cut(e.Action, ".")
	return verb + " " + strings.TrimSuffix(thing, "s")
}

func (s *Server) activityPage(w http.ResponseWriter, r *http.Request) error {
	p := activityPage{page: s.page(w, r, "Activity"), Who: strings.TrimSpace(r.FormValue("who")), Outcome: r.FormValue("outcome"),
		Outcomes: []string{"done", "denied", "failed"}}
	rows, err := s.DB.Read().ListAudit(r.Context(), db.ListAuditParams{BeforeID: cursorOf(r), Outcome: p.Outcome, Who: p.Who, Count: listSize + 1})
	if err != nil {
		return fmt.Errorf("list the audit: %w", err)
	}
	rows, next := cut(rows, func(a db.Audit) int64 { return a.ID })
	p.pager = pagerOf(r, next)
	for _, row := range rows {
		p.Entries = append(p.Entries, auditEntry{row})
	}
	return s.render(w, http.StatusOK, "activity", p)
}
