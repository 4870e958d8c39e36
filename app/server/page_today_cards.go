package server

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"bursar/app/auth"
	"bursar/app/customer"
	"bursar/app/db"
	"bursar/app/mail"
	"bursar/app/queue"
	"bursar/app/reconcile"
	"bursar/app/stripe"
)

// card is something that needs a person: what, who, why, since when, and what to do.
type card struct {
	Bad    bool // money or a purchase waits
	Title  string
	Who    link // "" if it is about nobody
	Text   string
	Since  time.Time
	Button cardButton

	n   int  // things it stands for
	job bool // they are jobs
}

// cardButton leads somewhere, or posts one field.
type cardButton struct {
	Label, Path string
	Post        bool
	Name, Value string // the field, "" if there is none
}

const (
	readAtMost = 400 // rows of each kind that are looked at: more of one kind have one cause
	apart      = 3   // more of one kind than this share a card
	ignoredFor = 24 * time.Hour
	lineLength = 240
)

// readCards are all the cards, the most urgent first.
func (s *Server) readCards(ctx context.Context, q *db.Queries, role auth.Role) (cards []card, err error) {
	for _, read := range []func(context.Context, *db.Queries, auth.Role) ([]card, error){
		s.alertCards, auditCards, s.sweepCards, circuitCards, s.connectorCards, actionCards, purchaseCards, ticketCards, jobCards, findingCards, ignoredCards,
	} {
		more, err := read(ctx, q, role)
		if err != nil {
			return nil, err
		}
		cards = append(cards, more...)
	}
	return cards, nil
}

func auditCards(ctx context.Context, q *db.Queries, role auth.Role) (cards []card, err error) {
	check, err := auth.LastAuditCheck(ctx, q)
	if check.Broken == "" || !role.May(auth.ReadAudit) {
		return nil, err
	}
	return []card{{Bad: true, Title: "Somebody changed the audit", Text: mail.UpperFirst(mail.Line(check.Broken, lineLength)) + ". A backup made before shows what was there.",
		Since: check.At, Button: cardButton{Label: "Open the activity", Path: "/admin/activity"}, n: 1}}, err
}

var systemNames = map[string]string{"stripe": "Stripe", "stripe-actions": "Stripe, when asked to do something with money,", "crm": "The CRM", "desk": "The support desk", "mail": "The mail server", "slack": "Slack"}

func circuitCards(ctx context.Context, q *db.Queries, role auth.Role) (cards []card, err error) {
	open, err := q.OpenCircuits(ctx, db.Now())
	for _, c := range open {
		title := systemNames[c.System] + " does not answer"
		if strings.Contains(c.Reason, stripe.ErrUnauthorized.Error()) {
			title = stripe.ErrUnauthorized.Error()
		}
		button := cardButton{Label: "See what waits", Path: "/admin/jobs?state=retryable"}
		if role.May(auth.ManageSettings) {
			button = cardButton{Label: "Settings", Path: "/admin/settings"}
		}
		cards = append(cards, card{Bad: true, Title: title, Text: mail.UpperFirst(mail.Line(c.Reason, lineLength)), Since: c.OpenedAt.Time, Button: button, n: 1})
	}
	return cards, err
}

func purchaseCards(ctx context.Context, q *db.Queries, _ auth.Role) (cards []card, err error) {
	waiting, err := q.PaidNotActive(ctx, db.At(time.Now().Add(-activationLimit)), readAtMost)
	if len(waiting) > maxCards {
		return []card{{Bad: true, Title: "Paid, and without access", Text: atLeast(len(waiting)) + " purchases wait for their subscription.",
			Since: waiting[0].CompletedAt.Time, Button: cardButton{Label: "Open the list", Path: "/admin/customers?access=pending"}, n: len(waiting)}}, err
	}
	for _, o := range waiting {
		cards = append(cards, card{Bad: true, Title: "Paid, and without access", Who: nameLink(o.Name, o.Email, o.CustomerID),
			Text:  fmt.Sprintf("%s were paid: %s.", customer.FormatAmount(o.Amount, o.Currency), o.AccessReason),
			Since: o.CompletedAt.Time, Button: cardButton{Label: "Sync now", Path: fmt.Sprintf("/admin/customers/%d/sync", o.CustomerID), Post: true}, n: 1})
	}
	return cards, err
}

func ticketCards(ctx context.Context, q *db.Queries, _ auth.Role) (cards []card, err error) {
	tickets, err := q.UrgentTickets(ctx, readAtMost)
	if len(tickets) > maxCards {
		return []card{{Bad: true, Title: atLeast(len(tickets)) + " urgent tickets", Text: "The oldest: " + mail.Line(tickets[0].Subject, lineLength),
			Since: tickets[0].CreatedAt.Time, Button: cardButton{Label: "Open the tickets", Path: "/admin/tickets"}, n: len(tickets)}}, err
	}
	for _, t := range tickets {
		c := card{Bad: true, Title: mail.Line(t.Subject, lineLength), Text: "Urgent ticket in " + t.Queue + ".", Since: t.CreatedAt.Time,
			Button: cardButton{Label: "Open the ticket", Path: fmt.Sprintf("/admin/tickets/%d", t.ID)}, n: 1}
		if t.CustomerID != 0 {
			c.Who = nameLink(t.Name, t.Email, t.CustomerID)
			c.Title = strings.TrimSuffix(strings.TrimSuffix(c.Title, " <"+t.Email+">"), ": "+c.Who.Text) // that stands below
		}
		cards = append(cards, c)
	}
	return cards, err
}

func jobCards(ctx context.Context, q *db.Queries, role auth.Role) (cards []card, err error) {
	jobs, err := q.GivenUpJobs(ctx, readAtMost)
	for _, same := range groups(jobs, func(j db.Job) string { return j.Kind }) {
		if len(same) > apart {
			cards = append(cards, card{Title: fmt.Sprintf("Gave up %s times: %s", atLeast(len(same)), kindOf(same[0].Kind).Does), Text: "The last error: " + lastError(same[0]),
				Since:  same[len(same)-1].FinalizedAt.Time,
				Button: cardButton{Label: "Open the jobs", Path: "/admin/jobs?state=discarded&kind=" + same[0].Kind}, n: len(same), job: true})
			continue
		}
		for _, j := range same {
			about, err := jobAbout(ctx, q, j)
			if err != nil {
				return nil, err
			}
			id := fmt.Sprint(j.ID)
			c := card{Title: "Gave up: " + kindOf(j.Kind).Does, Who: about, Text: mail.UpperFirst(lastError(j)), Since: j.FinalizedAt.Time,
				Button: cardButton{Label: "See the job", Path: "/admin/jobs/" + id}, n: 1, job: true}
			if role.May(auth.RetryJobs) {
				c.Button = cardButton{Label: "Try again", Path: "/admin/jobs/selected/retry", Post: true, Name: "id", Value: id}
			}
			cards = append(cards, c)
		}
	}
	return cards, err
}

func findingCards(ctx context.Context, q *db.Queries, _ auth.Role) (cards []card, err error) {
	findings, err := q.FindingsForPeople(ctx, readAtMost)
	for _, same := range groups(findings, func(f db.FindingsForPeopleRow) string { return f.Kind }) {
		if len(same) > apart {
			cards = append(cards, card{Title: fmt.Sprintf("%s times: %s", atLeast(len(same)), reconcile.Label(same[0].Kind)), Since: same[0].FirstAt.Time,
				Button: cardButton{Label: "Open the reports", Path: "/admin/reports"}, n: len(same)})
			continue
		}
		for _, f := range same {
			kind := reconcile.KindOf(f.Kind)
			c := card{Bad: kind.High, Title: mail.UpperFirst(kind.Title), Text: mail.Line(fmt.Sprintf("Expected %s, found %s.", f.Expected, f.Actual), lineLength),
				Since: f.FirstAt.Time, Button: cardButton{Label: "Decide", Path: fmt.Sprintf("/admin/findings/%d", f.ID)}, n: 1}
			if f.CustomerID != 0 {
				c.Who = nameLink(f.Name, f.Email, f.CustomerID)
			}
			cards = append(cards, c)
		}
	}
	return cards, err
}

func ignoredCards(ctx context.Context, q *db.Queries, _ auth.Role) (cards []card, err error) {
	rows, err := q.IgnoredEvents(ctx, db.At(time.Now().Add(-ignoredFor)))
	for _, e := range rows {
		times := "An event was ignored"
		if e.N > 1 {
			times = fmt.Sprintf("%d events were ignored", e.N)
		}
		cards = append(cards, card{Title: times + " in 24 hours", Text: mail.UpperFirst(mail.Line(e.Ignored, lineLength)) + ".", Since: time.UnixMilli(e.FirstMs),
			Button: cardButton{Label: "Open the events", Path: "/admin/events?ignored=1"}, n: 1})
	}
	return cards, err
}

// groups puts what has the same kind together, in the order of the first of each.
func groups[T any](list []T, kind func(T) string) (grouped [][]T) {
	for _, item := range list {
		n := slices.IndexFunc(grouped, func(g []T) bool { return kind(g[0]) == kind(item) })
		if n < 0 {
			grouped = append(grouped, []T{item})
			continue
		}
		grouped[n] = append(grouped[n], item)
	}
	return grouped
}

// atLeast is a number that may have been cut at readAtMost.
func atLeast(n int) string {
	if n == readAtMost {
		return fmt.Sprintf("%d or more", n)
	}
	return fmt.Sprint(n)
}

// lastError is why a job needs another try, or a person.
func lastError(j db.Job) string {
	errs := queue.Errors(j)
	if len(errs) == 0 {
		return "no error was kept"
	}
	return mail.Line(errs[len(errs)-1].Error, lineLength)
}
