package server

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"bursar/app/db"
)

// audit writes who did what, in the transaction of the change: action is like jobs.retry, target what it
// was done to.
func (s *Server) audit(ctx context.Context, q *db.Queries, r *http.Request, action, target, detail string) error {
	return q.InsertAudit(ctx, s.auditEntry(r, action, target, detail))
}

func (s *Server) auditEntry(r *http.Request, action, target, detail string) db.InsertAuditParams {
	user := userOf(r)
	return db.InsertAuditParams{CreatedAt: db.Now(), Actor: user.Email, Role: string(user.Role), Address: s.address(r),
		Action: action, Target: target, Outcome: "done", Detail: detail}
}

type activityPage struct {
	page
	pager
	Who, Outcome string
	Outcomes     []string
	Entries      []db.Audit
}

func (s *Server) activityPage(w http.ResponseWriter, r *http.Request) error {
	p := activityPage{page: s.page(w, r, "Activity"), Who: strings.TrimSpace(r.FormValue("who")), Outcome: r.FormValue("outcome"),
		Outcomes: []string{"done", "denied", "failed"}}
	rows, err := s.DB.Read().ListAudit(r.Context(), db.ListAuditParams{Before: cursorOf(r), Outcome: p.Outcome, Actor: p.Who, Count: listSize + 1})
	if err != nil {
		return fmt.Errorf("list the audit: %w", err)
	}
	rows, next := cut(rows, func(a db.Audit) int64 { return a.ID })
	p.Entries, p.pager = rows, pagerOf(r, next)
	return s.render(w, http.StatusOK, "activity", p)
}
