package server

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"bursar/app/alert"
	"bursar/app/auth"
	"bursar/app/db"
	"bursar/app/mail"
)

const alertsPath = "/admin/alerts"

func (s *Server) alertRoutes() []Route {
	return []Route{
		{"GET", alertsPath, may(auth.Look), s.alertsPage},
		{"GET", alertsPath + "/{key}", may(auth.Look), s.alertPage},
		{"POST", alertsPath + "/{key}/acknowledge", may(auth.SilenceAlerts), s.acknowledge},
		{"POST", alertsPath + "/{key}/unacknowledge", may(auth.SilenceAlerts), s.unacknowledge},
		{"POST", alertsPath, may(auth.ManageSettings), s.testAlerts}, // asks Slack,
	}
}

// alertRow is a rule as it is shown.
type alertRow struct {
	alert.Status
	Until     []pause // for how long it may be acknowledged; none where it cannot be
	MayUnmute bool
}

// pause is a choice of the form that acknowledges.
type pause struct{ Value, Label string }

// State is the state in the word of the page.
func (a alertRow) State() string {
	switch {
	case a.Root != "" && a.Open():
		return "hidden"
	case a.Muted:
		return "acknowledged"
	case a.Quiet && a.Verdict == alert.Bad && !a.Open():
		return "catching up"
	}
	return cmp.Or(a.Row.State, alert.Unknown)
}

// Tone is the colour of the state.
func (a alertRow) Tone() string {
	switch a.State() {
	case alert.OK:
		return "good"
	case alert.Firing:
		if a.Level == alert.Low {
			return "warn"
		}
		return "bad"
	case alert.Pending, alert.Clearing, "acknowledged", "catching up":
		return "warn"
	}
	return ""
}

// rank puts what needs somebody first, and what nobody knows last.
func (a alertRow) rank() int {
	return slices.Index([]string{alert.Firing, "hidden", "acknowledged", alert.Pending, "catching up", alert.Clearing, alert.OK, alert.Unknown}, a.State())
}

func (s *Server) alertRow(status alert.Status, role auth.Role) alertRow {
	a := alertRow{Status: status}
	if status.Open() && role.May(auth.SilenceAlerts) {
		a.MayUnmute = status.Muted
		if !status.Muted && status.Root == "" {
			a.Until = []pause{{"1h", "for 1 hour"}, {"4h", "for 4 hours"}, {"tomorrow", "until tomorrow 9:00"}, {"monday", "until Monday 9:00"}}
		}
	}
	return a
}

type alertsPageData struct {
	page
	Tone, Verdict, Note string
	At                  time.Time // of the last look; zero: there was none
	CatchUp             time.Time // rules about age are quiet until then; zero: they are not
	Restored            db.Restored
	Unstored            time.Time // counts are in memory only since then; zero: they are stored
	Rules               []alertRow
	Ways                []string // how people are told
	MayTest             bool
}

// alertsPage answers GET /admin/alerts.
func (s *Server) alertsPage(w http.ResponseWriter, r *http.Request) error {
	p := alertsPageData{page: s.page(w, r, "Alerts")}
	p.MayTest = p.User.Role.May(auth.ManageSettings) && s.Alerts != nil
	if s.Alerts == nil {
		p.Tone, p.Verdict = "incomplete", "Nothing is watched here."
		return s.render(w, http.StatusOK, "alerts", p)
	}
	list, at := s.Alerts.Statuses()
	p.At, p.Unstored, p.Ways = at, s.Tally.UnstoredSince(), s.Alerts.Ways()
	if until := s.Alerts.CatchingUpUntil(); until.After(p.Now) {
		p.CatchUp = until
	}
	var err error
	if p.Restored, err = s.restoredLately(r.Context()); err != nil {
		return err
	}
	for _, status := range list {
		p.Rules = append(p.Rules, s.alertRow(status, p.User.Role))
	}
	slices.SortStableFunc(p.Rules, func(a, b alertRow) int { return cmp.Or(a.rank()-b.rank(), int(b.Level)-int(a.Level)) })
	p.judge()
	return s.render(w, http.StatusOK, "alerts", p)
}

// judge says the page in a sentence.
func (p *alertsPageData) judge() {
	n := map[string]int{}
	for _, a := range p.Rules {
		n[a.State()]++
	}
	var notes []string
	for _, state := range []string{"hidden", "acknowledged", alert.Pending, "catching up", alert.Clearing, alert.OK, alert.Unknown} {
		if n[state] > 0 {
			notes = append(notes, fmt.Sprintf("%d %s", n[state], state))
		}
	}
	p.Note = mail.UpperFirst(strings.Join(notes, ", "))
	switch firing := n[alert.Firing]; {
	case p.At.IsZero():
		p.Tone, p.Verdict = "incomplete", "Nothing has been looked at yet."
	case firing == 1:
		p.Tone, p.Verdict = "attention", "One alert needs you."
	case firing > 1:
		p.Tone, p.Verdict = "attention", fmt.Sprintf("%d alerts need you.", firing)
	case n["acknowledged"]+n["hidden"] > 0:
		p.Tone, p.Verdict = "attention", "No alert needs you now."
	default:
		p.Tone, p.Verdict = "good", "Nothing is wrong."
	}
}

type alertPageData struct {
	page
	alertRow
	Flips []db.AlertFlip
}

const shownFlips = 30

// alertPage answers GET /admin/alerts/{key}.
func (s *Server) alertPage(w http.ResponseWriter, r *http.Request) error {
	status, err := s.alertStatus(r)
	if err != nil {
		return err
	}
	p := alertPageData{page: s.page(w, r, status.Name), alertRow: s.alertRow(status, userOf(r).Role)}
	if p.Flips, err = s.DB.Read().FlipsOf(r.Context(), status.Key, shownFlips); err != nil {
		return fmt.Errorf("history of alert %s: %w", status.Key, err)
	}
	return s.render(w, http.StatusOK, "alert", p)
}

func (s *Server) alertStatus(r *http.Request) (alert.Status, error) {
	if s.Alerts != nil {
		list, _ := s.Alerts.Statuses()
		for _, status := range list {
			if status.Key == r.PathValue("key") {
				return status, nil
			}
		}
	}
	return alert.Status{}, notFound("there is no such alert")
}

// acknowledge keeps an open alert from being told again until a time. What gets worse is told all the same.
func (s *Server) acknowledge(w http.ResponseWriter, r *http.Request) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	status, err := s.alertStatus(r)
	if err != nil {
		return err
	}
	until, ok := pauseEnd(r.PostForm.Get("until"), time.Now().In(s.Location))
	if !ok {
		return badRequest("choose until when")
	}
	ctx, done := r.Context(), false
	err = s.DB.Tx(ctx, func(q *db.Queries) (err error) {
		if done, err = alert.Mute(ctx, q, status.Key, userOf(r).Email, until); err != nil || !done {
			return err
		}
		return s.audit(ctx, q, r, "alerts.acknowledge", status.Key, "until "+until.UTC().Format(time.RFC3339))
	})
	if err != nil {
		return notStored(err)
	}
	n := notice{Text: fmt.Sprintf("“%s” is acknowledged until %s. If it gets worse you hear of it all the same.", status.Title, until.Format("Mon 2 Jan 15:04")),
		Undo: &action{"Take it back", alertsPath + "/" + status.Key + "/unacknowledge"}}
	if !done {
		n = notice{Text: fmt.Sprintf("“%s” does not fire any more: there is nothing to acknowledge.", status.Title)}
	}
	return s.afterMute(w, r, n)
}

// unacknowledge takes an acknowledgement back.
func (s *Server) unacknowledge(w http.ResponseWriter, r *http.Request) error {
	status, err := s.alertStatus(r)
	if err != nil {
		return err
	}
	ctx, done := r.Context(), false
	err = s.DB.Tx(ctx, func(q *db.Queries) (err error) {
		if done, err = alert.Unmute(ctx, q, status.Key); err != nil || !done {
			return err
		}
		return s.audit(ctx, q, r, "alerts.unacknowledge", status.Key, "")
	})
	if err != nil {
		return notStored(err)
	}
	return s.afterMute(w, r, notice{Text: fmt.Sprintf("“%s” is told again.", status.Title)})
}

// afterMute goes back to the list, which knows of it.
func (s *Server) afterMute(w http.ResponseWriter, r *http.Request, n notice) error {
	if err := s.Alerts.Refresh(r.Context()); err != nil {
		return err
	}
	return s.seeOther(w, r, alertsPath, n)
}

// pauseEnd is when a pause that was chosen now ends. now is in the company's time zone.
func pauseEnd(choice string, now time.Time) (time.Time, bool) {
	nine := time.Date(now.Year(), now.Month(), now.Day(), 9, 0, 0, 0, now.Location())
	switch choice {
	case "1h":
		return now.Add(time.Hour), true
	case "4h":
		return now.Add(4 * time.Hour), true
	case "tomorrow":
		return nine.AddDate(0, 0, 1), true
	case "monday":
		days := (int(time.Monday-now.Weekday()) + 6) % 7
		return nine.AddDate(0, 0, days+1), true
	}
	return time.Time{}, false
}

// testAlerts sends a message on every way.
func (s *Server) testAlerts(w http.ResponseWriter, r *http.Request) error {
	if s.Alerts == nil {
		return notFound("nothing is watched here")
	}
	ctx := r.Context()
	err := s.DB.Tx(ctx, func(q *db.Queries) error { return s.audit(ctx, q, r, "alerts.test", "", "") })
	if err != nil {
		return notStored(err)
	}
	n := notice{}
	var parts []string
	for _, sent := range s.Alerts.Test(ctx, userOf(r).Email) {
		parts = append(parts, sent.Way+": "+sent.How+".")
		n.Bad = n.Bad || !sent.OK
	}
	n.Text = strings.Join(parts, " ")
	return s.seeOther(w, r, alertsPath, n)
}

// carded are the alerts that are about things with cards of their own.
func carded(key string) bool {
	return strings.HasPrefix(key, "connector_") || slices.Contains([]string{"audit", "checkout", "jobs", "drift"}, key)
}

// alertCards are the alerts that ask for somebody.
func (s *Server) alertCards(context.Context, *db.Queries, auth.Role) (cards []card, err error) {
	if s.Alerts == nil {
		return nil, nil
	}
	list, _ := s.Alerts.Statuses()
	for _, a := range list {
		if !a.Calls() || carded(a.Key) {
			continue
		}
		cards = append(cards, card{Bad: a.Level > alert.Low, Title: a.Title, Text: mail.Line(strings.TrimSpace(mail.UpperFirst(a.Value)+". "+a.Cause), lineLength),
			Since: a.Row.OpenedAt.Time, Button: cardButton{Label: "What to do", Path: alertsPath + "/" + a.Key}, n: 1})
	}
	return cards, nil
}
