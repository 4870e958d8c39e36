package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"bursar/app/auth"
	"bursar/app/db"
	"bursar/app/mail"
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

// activityPage is what people and programs did, newest first.
type activityPage struct {
	page
	pager
	activityFilter
	Outcomes []string
	Check    auth.AuditCheck // of the last night
	Count    string          // entries that it verified
	Entries  []auditEntry
	Searched bool   // the filter was held against a stretch of the entries only
	Export   string // where the list is as a file, "" for who may not have it
}

// auditEntry is a row of the audit as people read it.
type auditEntry struct{ db.Audit }

// Words are the action, read together with the target and the outcome. Denied actions are the
// method and the route.
func (e auditEntry) Words() string {
	switch e.Action {
	case "sign-in":
		return "sign in"
	case "alerts.acknowledge":
		return "acknowledge the alert"
	case "alerts.unacknowledge":
		return "take back the acknowledgement of the alert"
	case "alerts.test":
		return "send a test alert"
	case "connectors.mode":
		return "set the mode of the connector"
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
	if thing, isExport := strings.CutSuffix(e.Action, ".export"); isExport && thing == e.Target {
		return "take out"
	}
	if method, _, denied := strings.Cut(e.Action, " "); denied && method == http.MethodGet {
		return "open"
	} else if denied {
		return "send something to"
	}
	// Like money.cancel_at_end: what, in words; the target says of what.
	if verb, isMoney := strings.CutPrefix(e.Action, "money."); isMoney {
		return strings.ReplaceAll(verb, "_", " ")
	}
	// Like tickets.close: the thing and the verb.
	thing, verb, _ := strings.Cut(e.Action, ".")
	return verb + " " + strings.TrimSuffix(thing, "s")
}

// activityFilter is what the address of the page says.
type activityFilter struct {
	Who, What, Outcome, Target string
	From, To                   string // days, YYYY-MM-DD, both included
}

func parseActivityFilter(r *http.Request) activityFilter {
	query := r.URL.Query()
	text := func(name string) string { return mail.Line(query.Get(name), maxFilter) }
	return activityFilter{text("who"), text("what"), text("outcome"), text("target"), day(query.Get("from")), day(query.Get("to"))}
}

const maxFilter = 254

// day is a date as browsers send it, "" if it is none.
func day(text string) string {
	if _, err := time.Parse(time.DateOnly, text); err != nil {
		return ""
	}
	return text
}

// Set says that something is filtered.
func (f activityFilter) Set() bool { return f != activityFilter{} }

// params are the parameters that read entries before an id, and down to a floor. Days are those of a place.
func (f activityFilter) params(zone *time.Location, before, floor, n int64) db.ListAuditParams {
	p := db.ListAuditParams{BeforeID: before, FloorID: floor, Who: f.Who, What: f.What, Outcome: f.Outcome, Target: f.Target, Count: n}
	if from, err := time.ParseInLocation(time.DateOnly, f.From, zone); err == nil {
		p.Since = from.UnixMilli()
	}
	if to, err := time.ParseInLocation(time.DateOnly, f.To, zone); err == nil {
		p.Until = to.AddDate(0, 0, 1).UnixMilli()
	}
	return p
}

// activityPage answers GET /admin/activity.
func (s *Server) activityPage(w http.ResponseWriter, r *http.Request) error {
	ctx, q := r.Context(), s.DB.Read()
	p := activityPage{page: s.page(w, r, "Activity"), activityFilter: parseActivityFilter(r),
		Outcomes: []string{auth.Asked, auth.Done, auth.Denied, auth.Failed, auth.Unknown}}
	var err error
	if p.Check, err = auth.LastAuditCheck(ctx, q); err != nil {
		return err
	}
	p.Count, p.Check.Broken = thousands(p.Check.Rows), mail.UpperFirst(p.Check.Broken)
	last, err := q.LastAudit(ctx)
	if err != nil && !errors.Is(err, db.ErrNoRows) {
		return fmt.Errorf("find the end of the audit: %w", err)
	}
	before := cursorOf(r)
	floor := floorOf(p.Set(), before, last.ID)
	rows, err := q.ListAudit(ctx, p.params(s.Location, before, floor, listSize+1))
	if err != nil {
		return fmt.Errorf("list the audit: %w", err)
	}
	rows, next := cut(rows, func(a db.Audit) int64 { return a.ID })
	p.pager, p.Searched = pagerOf(r, further(next, floor)), next == "" && floor > 1
	for _, row := range rows {
		p.Entries = append(p.Entries, auditEntry{row})
	}
	if p.User.Role.May(auth.ExportAll) {
		p.Export = exportPath("/admin/activity.csv", r)
	}
	return s.render(w, http.StatusOK, "activity", p)
}
