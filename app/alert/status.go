package alert

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"bursar/app/db"
	"bursar/app/mail"
)

// Status is a rule as it is now.
type Status struct {
	Rule
	Measure
	Row     db.Alert // its key is "" before the first look
	Level   Level    // of what is measured now
	Root    string   // title of the rule that explains this one, "" if none does
	Quiet   bool     // it waits while Bursar catches up
	Muted   bool     // somebody has acknowledged it
	Unknown bool
}

// Open says that it fires, or did until a moment ago.
func (s Status) Open() bool { return s.Row.State == Firing || s.Row.State == Clearing }

// Calls says that it fires and asks for somebody: nobody has acknowledged it, and no other rule explains it.
func (s Status) Calls() bool { return s.Row.State == Firing && !s.Muted && s.Root == "" }

// Statuses are all rules as the last evaluation left them, and when that was; zero: there was none yet.
func (w *Watch) Statuses() (list []Status, at time.Time) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	quiet := now.Before(w.catchUntil)
	for _, rule := range Rules() {
		s := Status{Rule: rule, Measure: w.measures[rule.Key], Row: w.rows[rule.Key], Quiet: quiet && rule.Age}
		s.Level = rule.Level
		if s.Measure.Level != 0 {
			s.Level = s.Measure.Level
		}
		if root := w.roots[rule.Key]; root != "" && s.Verdict == Bad {
			s.Root = ruleOf(root).Title
		}
		if rule.Key == database && !w.down.since.IsZero() && now.Sub(w.down.since) >= confirmAfter {
			s.Measure = Measure{Verdict: Bad, Value: "no write for " + spell(now.Sub(w.down.since)), Number: 1}
			s.Row.Key, s.Row.State, s.Row.SinceAt, s.Row.OpenedAt = database, Firing, db.At(w.down.since), db.At(w.down.since)
		}
		s.Muted = s.Open() && s.Row.MutedUntilAt.After(now)
		s.Unknown = s.Row.Key == "" || s.Verdict == NotKnown
		list = append(list, s)
	}
	return list, w.at
}

// Count is how many alerts ask for somebody.
func (w *Watch) Count() (n int) {
	list, _ := w.Statuses()
	for _, s := range list {
		if s.Calls() {
			n++
		}
	}
	return n
}

// MailBroken says why mail does not leave, "" if it does: a mail about that would not arrive.
func (w *Watch) MailBroken() string {
	list, _ := w.Statuses()
	for _, s := range list {
		if s.Key == "connector_"+mailSystem && s.Verdict == Bad {
			return s.Cause
		}
	}
	return ""
}

// Mute acknowledges an open alert until a time, in the transaction of q. False: it is not open.
func Mute(ctx context.Context, q *db.Queries, key, by string, until time.Time) (bool, error) {
	n, err := q.MuteAlert(ctx, db.At(until), mail.Line(by, 200), key)
	return n > 0, err
}

// Unmute takes that back. False: it was not acknowledged.
func Unmute(ctx context.Context, q *db.Queries, key string) (bool, error) {
	n, err := q.UnmuteAlert(ctx, key)
	return n > 0, err
}

// Refresh reads the states again after somebody changed one.
func (w *Watch) Refresh(ctx context.Context) error {
	rows, err := alertRows(ctx, w.DB.Read())
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rows = rows
	return nil
}

// Sent is what became of a test message on one way.
type Sent struct {
	Way string
	OK  bool
	How string
}

// Test sends a message on every way that is set up. What is said of Slack's answer is its class only.
func (w *Watch) Test(ctx context.Context, by string) []Sent {
	now := time.Now()
	item := Item{Kind: opened, Level: "test", Title: "This is a test", Value: "asked for by " + mail.Line(by, 100), Since: now.In(w.Location), At: now.In(w.Location),
		Step: "Nothing: alerts come this way.", Link: w.URL + "/admin/alerts"}
	sent := []Sent{w.testMail(ctx, item, now)}
	if w.Slack == nil {
		return append(sent, Sent{Way: "Slack", How: "not set up: SLACK_WEBHOOK_URL"})
	}
	err := w.Slack.Post(ctx, slackText([]Item{item}, 0))
	if err != nil {
		w.Log.Warn("test of the alerts", "error", err)
	}
	return append(sent, Sent{Way: "Slack", OK: err == nil, How: answerClass(err)})
}

func (w *Watch) testMail(ctx context.Context, item Item, now time.Time) Sent {
	m, err := w.letter([]Item{item}, 0, now)
	m.Key, m.To = "alert:test:"+rand.Text(), w.To
	if err == nil {
		err = w.DB.Tx(ctx, func(q *db.Queries) error { return mail.Put(ctx, q, m, w.SMTP != nil) })
	}
	switch {
	case err != nil:
		w.Log.Error("test of the alerts", "error", err)
		return Sent{Way: "Mail", How: "it could not be stored"}
	case w.SMTP == nil || len(w.To) == 0:
		return Sent{Way: "Mail", How: "kept in the outbox: mail is not set up"}
	}
	return Sent{Way: "Mail", OK: true, How: "on its way; the outbox says whether the server took it"}
}

// answerClass says how a call to Slack ended, and nothing of what was answered: an address inside the network must
// not be read this way.
func answerClass(err error) string {
	var refused *SlackError
	switch {
	case err == nil:
		return "sent"
	case errors.As(err, &refused):
		return fmt.Sprintf("refused: the answer was of the class %dxx", refused.Status/100)
	}
	return "not sent: there was no answer, or the address is not allowed; the log says which"
}

// Ways are how people are told, in words.
func (w *Watch) Ways() []string {
	ways := []string{"On these pages."}
	switch {
	case w.SMTP == nil:
		ways = append(ways, "Mail stays in the outbox: SMTP_URL is not set.")
	case len(w.To) == 0:
		ways = append(ways, "Mail stays in the outbox: BURSAR_ALERTS_TO is not set.")
	default:
		ways = append(ways, "By mail to "+strings.Join(w.To, ", ")+".")
	}
	if w.Slack == nil {
		ways = append(ways, "Not in Slack: SLACK_WEBHOOK_URL is not set.")
	} else {
		ways = append(ways, "In Slack.")
	}
	if w.Heartbeat == nil {
		return append(ways, "Nobody hears if Bursar itself is dead: BURSAR_HEARTBEAT_URL is not set.")
	}
	return append(ways, "A heartbeat outside raises the alarm if Bursar itself is dead.")
}
