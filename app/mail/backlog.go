package mail

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"bursar/app/db"
)

const (
	newsAge   = 24 * time.Hour
	maxMissed = 20 // mails that are named
)

// Backlog is the mail that goes out when mail works again, in the place of news that nobody wants any more:
// data only, its words are in web/mail/backlog.*.
type Backlog struct {
	Since     time.Time // when the oldest of them was written, in the company's time zone
	Missed    []Missed  // oldest first
	More      int       // not named
	OutboxURL string
	Timezone  string
}

// Missed is a mail that was not sent.
type Missed struct {
	Subject string
	At      time.Time
	Link    string
}

// Count is how many mails were not sent.
func (r Backlog) Count() int { return len(r.Missed) + r.More }

// clearBacklog is asked to send news that is old. Once the server lets us in, one mail says so and names all old news to
// the same people, which is not sent any more; until then everything waits.
func (s *Sender) clearBacklog(ctx context.Context, m db.Mail) error {
	if err := s.SMTP.Check(ctx); err != nil {
		return s.Redact.Error(err)
	}
	err := s.DB.Tx(ctx, func(q *db.Queries) error {
		rows, err := q.SupersedeMails(ctx, "not sent: mail did not work for more than a day", m.Recipients, db.At(time.Now().Add(-newsAge)))
		if err != nil || len(rows) == 0 {
			return err
		}
		slices.SortFunc(rows, func(a, b db.SupersedeMailsRow) int { return cmp.Compare(a.ID, b.ID) })
		message, err := s.backlogMail(m, rows)
		if err != nil {
			return err
		}
		return Put(ctx, q, message, true)
	})
	if err != nil {
		return fmt.Errorf("put one mail in the place of old ones: %w", err)
	}
	return nil
}

func (s *Sender) backlogMail(m db.Mail, rows []db.SupersedeMailsRow) (Message, error) {
	to, err := ParseAddresses(m.Recipients)
	if err != nil {
		return Message{}, err
	}
	r := Backlog{Since: rows[0].CreatedAt.In(s.Location), OutboxURL: s.URL + "/admin/outbox", Timezone: s.Location.String()}
	for _, row := range rows {
		if row.CreatedAt.Before(r.Since) {
			r.Since = row.CreatedAt.In(s.Location)
		}
		if len(r.Missed) == maxMissed {
			r.More++
			continue
		}
		r.Missed = append(r.Missed, Missed{Line(row.Subject, maxSubject), row.CreatedAt.In(s.Location), fmt.Sprintf("%s/%d", r.OutboxURL, row.ID)})
	}
	subject, text, html, err := s.Templates.Render("backlog", r)
	return Message{Key: fmt.Sprintf("backlog:%d", rows[0].ID), To: to, Subject: subject, Text: text, HTML: html}, err
}
