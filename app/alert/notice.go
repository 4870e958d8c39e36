package alert

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"bursar/app/db"
	"bursar/app/mail"
	"bursar/app/queue"
)

const (
	maxMails   = 6 // in an hour; what comes beyond goes together into the next
	maxItems   = 20
	lateAfter  = 5 * time.Minute // a mail says why it comes later than this
	keepTold   = 30 * 24 * time.Hour
	mailSystem = "mail"
)

// Item is one thing that people are told.
type Item struct {
	Kind  string
	Level string
	Title string
	Value string
	Cause string
	Step  string
	Link  string    // whole address
	Since time.Time // in the company's time zone
	At    time.Time
	Over  bool // it has ended
}

// Letter is a mail about one or more alerts: data only, its words are here and in web/mail/alert.*.
type Letter struct {
	Items    []Item
	More     int    // left out
	Late     string // why some come late, "" if none does
	AdminURL string // of the page with all alerts
	Timezone string
}

// Head is the beginning of what is said of an item: what it is, and how long it has been so.
func (i Item) Head() string {
	lasted := spell(i.At.Sub(i.Since))
	switch i.Kind {
	case resolved:
		return "Over after " + lasted
	case still:
		return "Still so after " + lasted
	case worse:
		return "Worse"
	case flapping:
		return "Comes and goes"
	}
	return "Alert"
}

// Line says an item in a line, for subjects: no names, and nothing that others wrote.
func (i Item) Line() string {
	line := i.Head()
	if !i.Over {
		line += " (" + i.Level + ")"
	}
	line += ": " + i.Title
	if i.Value != "" && !i.Over {
		line += ", " + i.Value
	}
	return line
}

// Note explains a kind that does not explain itself.
func (i Item) Note() string {
	if i.Kind == flapping {
		return "It began and ended more than six times within a day. Until that is over you hear of it once a day."
	}
	return ""
}

// When says since when, in the company's time zone.
func (i Item) When() string { return i.Since.Format("2 Jan 2006 15:04 MST") }

// Tone is the colour of an item.
func (i Item) Tone() string {
	if i.Over {
		return "good"
	}
	return i.Level
}

// Tone is the colour of the mail.
func (l Letter) Tone() string {
	for _, i := range l.Items {
		if !i.Over {
			return "bad"
		}
	}
	return "good"
}

// Subject says one item, or how many there are of each kind.
func (l Letter) Subject() string {
	if len(l.Items) == 1 && l.More == 0 {
		return l.Items[0].Line()
	}
	over := 0
	var titles []string
	for _, i := range l.Items {
		if i.Over {
			over++
			continue
		}
		titles = append(titles, i.Title)
	}
	switch n := len(l.Items) + l.More - over; {
	case n == 0:
		return fmt.Sprintf("%d alerts are over", over)
	case over == 0:
		return fmt.Sprintf("%d alerts: %s", n, strings.Join(titles, "; "))
	default:
		return fmt.Sprintf("%d alerts, %d over: %s", n, over, strings.Join(titles, "; "))
	}
}

// item puts a notice into words.
func (w *Watch) item(n db.AlertNotice) Item {
	rule := ruleOf(n.Key)
	i := Item{Kind: n.Kind, Level: Level(n.Level).String(), Title: rule.Title, Value: mail.Line(n.Value, 200), Cause: mail.Line(n.Cause, 600),
		Step: rule.Step, Link: w.URL + rule.Link, Since: n.SinceAt.In(w.Location), At: n.CreatedAt.In(w.Location), Over: n.Kind == resolved}
	if i.Over {
		i.Step, i.Link = "", w.URL+"/admin/alerts/"+n.Key
	}
	return i
}

func (w *Watch) items(list []db.AlertNotice) (items []Item, more int) {
	for _, n := range list {
		if len(items) == maxItems {
			return items, len(list) - maxItems
		}
		items = append(items, w.item(n))
	}
	return items, 0
}

// letter writes the mail of some items.
func (w *Watch) letter(items []Item, more int, now time.Time) (mail.Message, error) {
	l := Letter{Items: items, More: more, AdminURL: w.URL + "/admin/alerts", Timezone: w.Location.String()}
	for _, i := range items {
		if now.Sub(i.At) > lateAfter {
			l.Late = "Some of this is old: mail did not work, or there were many alerts, and the rest waited for this mail."
		}
	}
	subject, text, html, err := w.Templates.Render("alert", l)
	return mail.Message{Subject: subject, Text: text, HTML: html}, err
}

// deliver hands what is not told yet to the channels, each with a job of its own.
func (w *Watch) deliver(ctx context.Context, q *db.Queries, now time.Time) error {
	held, err := q.HeldNotices(ctx)
	if err != nil {
		return err
	}
	var toMail, toSlack []db.AlertNotice
	for _, n := range held {
		if n.MailedAt.IsZero() {
			toMail = append(toMail, n)
		}
		if n.SlackedAt.IsZero() {
			toSlack = append(toSlack, n)
		}
	}
	if err := w.deliverMail(ctx, q, now, toMail); err != nil {
		return err
	}
	if err := w.deliverSlack(ctx, q, now, toSlack); err != nil {
		return err
	}
	return q.PruneNotices(ctx, db.At(now.Add(-keepTold)))
}

// deliverMail puts one mail in the outbox. While the mail server does not answer, or there were many mails, the
// notices wait: after three days one mail comes, and not hundreds.
func (w *Watch) deliverMail(ctx context.Context, q *db.Queries, now time.Time, list []db.AlertNotice) error {
	if len(list) == 0 {
		return nil
	}
	until, _, err := queue.OpenUntil(ctx, q, mailSystem)
	if err != nil || !until.IsZero() {
		return err
	}
	n, err := q.CountAlertMails(ctx, db.At(now.Add(-time.Hour)))
	if err != nil || n >= maxMails {
		return err
	}
	last := list[len(list)-1].ID
	items, more := w.items(list)
	m, err := w.letter(items, more, now)
	if err != nil {
		return err
	}
	m.Key, m.To, m.News = fmt.Sprintf("alert:%d", last), w.To, true
	if err := mail.Put(ctx, q, m, w.SMTP != nil); err != nil {
		return err
	}
	return q.MarkMailed(ctx, db.At(now), last)
}

func (w *Watch) deliverSlack(ctx context.Context, q *db.Queries, now time.Time, list []db.AlertNotice) error {
	if len(list) == 0 || w.Slack == nil {
		return nil
	}
	until, _, err := queue.OpenUntil(ctx, q, slackSystem)
	if err != nil || !until.IsZero() {
		return err
	}
	args := SendSlack{}
	for _, n := range list {
		args.Notices = append(args.Notices, n.ID)
	}
	if err := queue.Insert(ctx, q, args); err != nil {
		return err
	}
	return q.MarkSlacked(ctx, db.At(now), args.Notices[len(args.Notices)-1])
}

// notices reads the notices of a job.
func notices(ctx context.Context, q *db.Queries, ids []int64) ([]db.AlertNotice, error) {
	text, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	return q.NoticesByID(ctx, string(text))
}

// spell writes how long something took.
func spell(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}
