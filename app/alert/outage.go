package alert

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bursar/app/db"
	"bursar/app/mail"
)

// outage is a time in which the file could not be written. Its state is in memory only: there is nowhere else.
type outage struct {
	since time.Time
	told  bool
}

const database = "database"

// isDown keeps an evaluation that could not be stored, and tells people past the outbox and the queue, which are in
// the same file.
func (w *Watch) isDown(ctx context.Context, now time.Time, cause error) error {
	if w.down.since.IsZero() {
		w.setDown(outage{since: now})
	}
	if w.down.told || now.Sub(w.down.since) < confirmAfter {
		return cause
	}
	rule := ruleOf(database)
	item := w.item(db.AlertNotice{Key: database, Kind: opened, Level: int64(rule.Level), Value: "no write for " + spell(now.Sub(w.down.since)),
		Cause: mail.UpperFirst(mail.Line(cause.Error(), 300)) + ". Other alerts cannot be seen until it is back.", SinceAt: db.At(w.down.since), CreatedAt: db.At(now)})
	var errs []error
	told := false
	if w.Slack != nil {
		err := w.Slack.Post(context.WithoutCancel(ctx), slackText([]Item{item}, 0))
		told = told || err == nil
		errs = append(errs, err)
	}
	if w.SMTP != nil && len(w.To) > 0 {
		err := w.mailPastOutbox(context.WithoutCancel(ctx), item, now)
		told = told || err == nil
		errs = append(errs, err)
	}
	w.setDown(outage{since: w.down.since, told: told}) // what reached nobody is tried again
	return errors.Join(append(errs, cause)...)
}

func (w *Watch) mailPastOutbox(ctx context.Context, item Item, now time.Time) error {
	m, err := w.letter([]Item{item}, 0, now)
	if err != nil {
		return err
	}
	m.Key, m.To = fmt.Sprintf("alert:%s:%d", database, w.down.since.UnixMilli()), w.To
	return w.SMTP.SendNow(ctx, m, now)
}

// isUp tells the end of an outage that people know of, and puts it into the history.
func (w *Watch) isUp(ctx context.Context, q *db.Queries, now time.Time) error {
	if w.down.since.IsZero() || now.Sub(w.down.since) < confirmAfter {
		return nil
	}
	since, value := db.At(w.down.since), "no write for "+spell(now.Sub(w.down.since))
	err := errors.Join(
		q.InsertFlip(ctx, db.InsertFlipParams{Key: database, Was: Pending, State: Firing, Value: value, CreatedAt: since}),
		q.InsertFlip(ctx, db.InsertFlipParams{Key: database, Was: Clearing, State: OK, Value: value, CreatedAt: db.At(now)}))
	if err != nil || !w.down.told {
		return err
	}
	notice := db.InsertNoticeParams{Key: database, Kind: resolved, Level: int64(Critical), Value: value, SinceAt: since, CreatedAt: db.At(now)}
	if w.Slack == nil {
		notice.SlackedAt = notice.CreatedAt
	}
	return q.InsertNotice(ctx, notice)
}

// setDown is for evaluations, which alone write it; others read it under the lock.
func (w *Watch) setDown(o outage) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = o
}
