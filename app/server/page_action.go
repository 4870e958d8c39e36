package server

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"bursar/app/auth"
	"bursar/app/customer"
	"bursar/app/db"
	"bursar/app/mail"
	"bursar/app/money"
)

// cursorMax is above every id.
const cursorMax = math.MaxInt64

// actionRow is a money action in a list.
type actionRow struct {
	db.ListActionsRow
	What   string
	Words  string // its state
	Amount string // "" if it is about none
	Who    link   // the customer
}

func actionRowOf(a db.ListActionsRow) actionRow {
	row := actionRow{ListActionsRow: a, What: mail.Line(mail.UpperFirst(a.Says), lineLength), Words: actionWords(a.State), Who: nameLink(a.CustomerName, a.CustomerEmail, a.CustomerID)}
	if a.Amount != 0 {
		row.Amount = customer.FormatAmount(a.Amount, a.Currency)
	}
	return row
}

// actionStates are the states in the words of the pages.
var actionStates = [...]jobState{
	{money.Proposed, "waits for a second person"},
	{money.Approved, "waits for its turn"},
	{money.Running, "Stripe is being asked"},
	{money.Unknown, "outcome unknown"},
	{money.Done, "done"},
	{money.Failed, "not done"},
	{money.Declined, "declined"},
}

func actionWords(state string) string {
	for _, s := range actionStates {
		if s.State == state {
			return s.Words
		}
	}
	return state
}

// actionTone is the colour of a state: what nobody knows is as loud as what went wrong.
func actionTone(state string) string {
	switch state {
	case money.Done:
		return "good"
	case money.Unknown, money.Failed:
		return "bad"
	case money.Declined:
		return ""
	}
	return "warn"
}

// Tone is the colour of its badge.
func (a actionRow) Tone() string { return actionTone(a.State) }

type actionsPageData struct {
	page
	pager
	State  string
	States []jobState
	Rows   []actionRow
}

// actionsPage answers GET /admin/actions.
func (s *Server) actionsPage(w http.ResponseWriter, r *http.Request) error {
	p := actionsPageData{page: s.page(w, r, "Money actions"), State: r.URL.Query().Get("state"), States: actionStates[:]}
	rows, err := s.DB.Read().ListActions(r.Context(), db.ListActionsParams{Before: cursorOf(r), State: p.State, N: listSize + 1})
	if err != nil {
		return fmt.Errorf("list the actions: %w", err)
	}
	rows, next := cut(rows, func(a db.ListActionsRow) int64 { return a.ID })
	p.pager = pagerOf(r, next)
	for _, a := range rows {
		p.Rows = append(p.Rows, actionRowOf(a))
	}
	return s.render(w, http.StatusOK, "actions", p)
}

type actionPageData struct {
	page
	actionRow
	Steps     []actionStep
	Job       int64   // that works on it, 0 if none
	NextTry   db.Time // of that job
	MayDecide bool
	Own       bool // who reads asked for it
	MayLook   bool
	Next      []nextStep
	Dashboard string
	Folder    string // of the dashboard, for the object
}

// StateTitle is the state as a heading.
func (p actionPageData) StateTitle() string { return mail.UpperFirst(p.Words) }

// Said is what came of it, as a sentence.
func (p actionPageData) Said() string {
	if p.Outcome == "" {
		return ""
	}
	return mail.Line(mail.UpperFirst(p.Outcome), lineLength) + "."
}

// Short is what it does, on a button.
func (p actionPageData) Short() string {
	label := strings.ToLower(money.Kind(p.Kind).Label())
	switch {
	case money.Kind(p.Kind) == money.Refund:
		return label + " " + p.Amount
	case p.Amount != "":
		return label + " for " + p.Amount
	}
	return label
}

// Due says that its job runs as soon as there is room.
func (p actionPageData) Due() bool { return !p.NextTry.After(p.Now) }

// actionStep is a line of what happened to an action.
type actionStep struct {
	Tone, Text, Note string
	At               db.Time
}

// nextStep is what may be wanted after it.
type nextStep struct {
	Text   string
	Button link
}

const noAction = "there is no action with this number"

// actionPage answers GET /admin/actions/{id}.
func (s *Server) actionPage(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, noAction)
	if err != nil {
		return err
	}
	ctx, q := r.Context(), s.DB.Read()
	row, err := q.ActionWithPeople(ctx, id)
	if err != nil {
		return found(err, noAction)
	}
	p := actionPageData{actionRow: actionRowOf(db.ListActionsRow(row))}
	p.page = s.page(w, r, p.What)
	p.Own = row.AskedBy == p.User.ID
	p.MayDecide = row.State == money.Proposed && p.User.Role.May(auth.Approve)
	if p.Dashboard, err = s.dashboard(ctx, q); err != nil {
		return err
	}
	p.Folder = dashboardFolder(row.StripeObject)
	if err := p.readJob(ctx, q); err != nil {
		return err
	}
	p.Steps = stepsOf(row)
	if row.State == money.Done || row.State == money.Failed {
		err = p.readNext(ctx, q)
	}
	if err != nil {
		return err
	}
	return s.render(w, http.StatusOK, "action", p)
}

func dashboardFolder(id string) string {
	switch prefix, _, _ := strings.Cut(id, "_"); prefix {
	case "re", "pyr":
		return "refunds/"
	case "sub":
		return "subscriptions/"
	case "in":
		return "invoices/"
	case "ch", "py":
		return "payments/"
	}
	return ""
}

// readJob finds the job that works on it.
func (p *actionPageData) readJob(ctx context.Context, q *db.Queries) error {
	if money.IsFinal(p.State) || p.State == money.Proposed {
		return nil
	}
	jobs, err := q.JobsOpenAbout(ctx, fmt.Sprintf("[%q]", money.RunAction{Action: p.ID}.Key()))
	if err != nil {
		return fmt.Errorf("read the job of action %d: %w", p.ID, err)
	}
	i := slices.IndexFunc(jobs, func(j db.Job) bool { return j.Kind == money.RunAction{}.Kind() })
	if i >= 0 {
		p.Job, p.NextTry = jobs[i].ID, jobs[i].ScheduledAt
	}
	p.MayLook = p.User.Role.May(auth.RetryJobs)
	return nil
}

// readNext offers what may be wanted next, to those who may.
func (p *actionPageData) readNext(ctx context.Context, q *db.Queries) error {
	facts, err := customer.Load(ctx, q, p.CustomerID)
	if err != nil {
		return fmt.Errorf("read the customer of action %d: %w", p.ID, err)
	}
	for _, n := range money.NextSteps(facts, db.Action{Kind: p.Kind, State: p.State, Target: p.Target, StripeCustomer: p.StripeCustomer}) {
		if p.User.Role.May(n.Kind.Permission()) {
			p.Next = append(p.Next, nextStep{mail.Line(n.Text, lineLength), link{n.Kind.Label() + " …", actionPath(n.Kind, p.CustomerID, n.Target)}})
		}
	}
	return nil
}

// stepsOf is the way of an action so far.
func stepsOf(a db.ActionWithPeopleRow) (steps []actionStep) {
	add := func(tone, text, note string, at db.Time) { steps = append(steps, actionStep{tone, text, note, at}) }
	add("good", "Asked for by "+a.Asker+" ("+a.AskedRole+")", a.Reason, a.AskedAt)
	a.Approval = mail.UpperFirst(a.Approval)
	switch {
	case a.Approval == "":
	case a.DecidedAt.IsZero():
		add("warn", "A second person must approve it", a.Approval, db.Time{})
	case a.State == money.Declined:
		add("bad", "Declined by "+a.Decider, a.Approval, a.DecidedAt)
	default:
		add("good", "Approved by "+a.Decider, a.Approval, a.DecidedAt)
	}
	if !a.SentAt.IsZero() {
		add("good", "Stripe was asked", "", a.SentAt)
	}
	if a.ResentAt.After(a.SentAt.Time) {
		add("warn", "Stripe was asked again, with the same key", "", a.ResentAt)
	}
	switch a.State {
	case money.Done:
		add("good", "Done", mail.UpperFirst(a.Outcome), a.SettledAt)
	case money.Failed:
		add("bad", "Not done", mail.UpperFirst(a.Outcome), a.SettledAt)
	case money.Unknown:
		add("bad", "Nobody knows yet what came of it", a.Outcome, db.Time{})
		add("warn", "Bursar looks for it at Stripe, and does it again only if it is not there", "", a.LookedAt)
	case money.Approved, money.Running:
		add("", "What Stripe answers comes next", "", db.Time{})
	}
	return steps
}

// unknownFor is how long an action may be on its way before it is a card.
const unknownFor = 5 * time.Minute

// actionCards are the actions that wait for a second person, and those of which nobody knows what came.
func actionCards(ctx context.Context, q *db.Queries, role auth.Role) (cards []card, err error) {
	if !role.May(auth.Approve) {
		return nil, nil
	}
	for _, state := range []string{money.Proposed, money.Unknown, money.Approved, money.Running} {
		rows, err := q.ListActions(ctx, db.ListActionsParams{Before: cursorMax, State: state, N: maxCards})
		if err != nil {
			return nil, err
		}
		for _, a := range rows {
			if state != money.Proposed && time.Since(a.AskedAt.Time) < unknownFor {
				continue
			}
			c := card{Bad: state == money.Unknown, Title: mail.UpperFirst(actionWords(a.State)) + ": " + strings.ToLower(money.Kind(a.Kind).Label()), Since: a.AskedAt.Time, n: 1,
				Who: nameLink(a.CustomerName, a.CustomerEmail, a.CustomerID), Text: mail.Line(mail.UpperFirst(a.Says)+", asked for by "+a.Asker+": "+a.Reason, lineLength),
				Button: cardButton{Label: "Open the action", Path: fmt.Sprintf("/admin/actions/%d", a.ID)}}
			cards = append(cards, c)
		}
	}
	return cards, nil
}
