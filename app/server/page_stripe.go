package server

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"bursar/app/auth"
	"bursar/app/billing"
	"bursar/app/db"
	"bursar/app/mail"
)

const stripePath = "/admin/stripe"

func (s *Server) stripeRoutes() []Route {
	return []Route{
		{"GET", stripePath, may(auth.Look), s.stripePage},
		{"POST", stripePath + "/backfill", may(auth.ManageSettings), s.startBackfill},
	}
}

// stripePageData says how the news of Stripe come here, and whether all of them do.
type stripePageData struct {
	page
	Tone, Verdict, Note string
	Key                 bool // there is an API key
	Endpoint            billing.EndpointStatus
	Sweeps              billing.SweepStatus
	Late                string // how late the oldest of the missing events was
	Recent              []db.Sweep
	Backfill            billing.Progress
	Stored              string  // what a backfill counted
	Reads               []count // by what they were for
	All, Own, Asked     string  // requests in 30 days
	Allowed             string
	Used                int64 // percent of what is allowed
	MayAct              bool
}

const recentSweeps = 12

// stripePage answers GET /admin/stripe.
func (s *Server) stripePage(w http.ResponseWriter, r *http.Request) error {
	ctx, q := r.Context(), s.DB.Read()
	p := stripePageData{page: s.page(w, r, "Stripe"), Key: s.Billing.Stripe != nil, MayAct: userOf(r).Role.May(auth.ManageSettings)}
	var err error
	if p.Endpoint, err = s.Billing.EndpointStatus(ctx, q); err != nil {
		return err
	}
	if p.Sweeps, err = s.Billing.SweepStatus(ctx, q); err != nil {
		return err
	}
	p.Late = delayWords(p.Sweeps.Late)
	if p.Backfill, err = billing.LastBackfill(ctx, q); err != nil {
		return fmt.Errorf("read the backfill: %w", err)
	}
	p.Stored = plural(int(p.Backfill.StoredCustomers), "customer", "customers") + " and " + plural(int(p.Backfill.StoredSubscriptions), "subscription", "subscriptions")
	if p.Recent, err = q.RecentSweeps(ctx, recentSweeps); err != nil {
		return fmt.Errorf("read the sweeps: %w", err)
	}
	if err := p.readReads(ctx, q); err != nil {
		return err
	}
	p.judge()
	return s.render(w, http.StatusOK, "stripe", p)
}

// readWords say what requests are for.
var readWords = [...]struct{ purpose, words string }{
	{"sweep", "looking for events that no webhook brought"},
	{"watch", "looking at the webhook endpoint"},
	{billing.ForCompare, "the nightly comparison"},
	{billing.ForSync, "reading customers after events"},
	{"backfill", "reading everything"},
	{"other", "other"},
}

func (p *stripePageData) readReads(ctx context.Context, q *db.Queries) error {
	reads, err := billing.ReadsOf(ctx, q, p.Now)
	if err != nil {
		return err
	}
	for _, kind := range readWords {
		if n := reads[kind.purpose]; n > 0 {
			p.Reads = append(p.Reads, count{kind.words, n})
		}
	}
	p.All, p.Own, p.Asked = thousands(reads.Own()+reads.Asked()), thousands(reads.Own()), thousands(reads.Asked())
	p.Allowed = thousands(billing.ReadsAllowed)
	p.Used = min(100*reads.Own()/billing.ReadsAllowed, 100)
	return nil
}

// judge says the page in a sentence, the worst first.
func (p *stripePageData) judge() {
	sweeps, known := p.Sweeps, p.Endpoint.Known
	severe := 0
	for _, problem := range p.Endpoint.Problems {
		if problem.Severe {
			severe++
		}
	}
	p.Tone = "attention"
	switch {
	case !p.Key:
		p.Tone, p.Verdict = "incomplete", "Only webhooks tell Bursar what happens at Stripe."
		p.Note = "What no webhook brings is not found: there is no STRIPE_API_KEY to ask with."
	case p.Backfill.Underway():
		p.Verdict = "Everything is being read from Stripe."
	case sweeps.Silent():
		p.Verdict = fmt.Sprintf("Webhooks are not arriving: %s came in 24 hours by asking Stripe.", plural(int(sweeps.Missing), "event", "events"))
	case sweeps.Overdue:
		p.Tone, p.Verdict = "incomplete", "Stripe's events could not be read whole lately."
		p.Note = sentenceOf(sweeps.Last.Error)
	case severe > 0:
		p.Verdict = "The webhook endpoint at Stripe is not as it should be."
	case sweeps.Last.ID == 0:
		p.Tone, p.Verdict = "incomplete", "Stripe's list of events has not been read yet."
		p.Note = "The first look comes within five minutes."
	case sweeps.Missing > 0:
		p.Verdict = fmt.Sprintf("Events arrive, but no webhook brought %s of the last 24 hours.", plural(int(sweeps.Missing), "event", "events"))
	case !known:
		p.Tone, p.Verdict = "good", "Events arrive as they should."
		p.Note = "How the endpoint is set up is not known."
	default:
		p.Tone, p.Verdict = "good", "Events arrive as they should."
	}
}

// sentenceOf makes a line of an error.
func sentenceOf(text string) string {
	if text == "" {
		return ""
	}
	return mail.UpperFirst(mail.Line(text, lineLength)) + "."
}

// startBackfill answers POST /admin/stripe/backfill.
func (s *Server) startBackfill(w http.ResponseWriter, r *http.Request) error {
	if s.Billing.Stripe == nil {
		return s.seeOther(w, r, stripePath, notice{Text: "There is no STRIPE_API_KEY to read with.", Bad: true})
	}
	ctx, underway := r.Context(), false
	err := s.DB.Tx(ctx, func(q *db.Queries) error {
		last, err := billing.LastBackfill(ctx, q)
		if err != nil {
			return err
		}
		if underway = last.Underway(); !underway {
			if err := s.audit(ctx, q, r, "stripe.backfill", "all customers", ""); err != nil {
				return err
			}
		}
		return billing.StartBackfill(ctx, q, "asked for by "+userOf(r).Email) // one that stopped goes on
	})
	if err != nil {
		return notStored(fmt.Errorf("start a backfill: %w", err))
	}
	done := notice{Text: "Bursar reads everything that Stripe has. It may take a while, and goes on after a restart."}
	if underway {
		done.Text = "It is under way already, and goes on where it is."
	}
	return s.seeOther(w, r, stripePath, done)
}

// sweepCards tell of a time that Stripe's list of events does not cover any more, until all was read anew.
func (s *Server) sweepCards(ctx context.Context, q *db.Queries, _ auth.Role) ([]card, error) {
	gaps, err := q.GapsBetween(ctx, db.At(time.Now().Add(-gapShown)), db.Now())
	if err != nil || len(gaps) == 0 {
		return nil, err
	}
	gap := gaps[len(gaps)-1]
	fill, err := billing.LastBackfill(ctx, q)
	if err != nil || fill.State == "complete" && !fill.StartedAt.Before(gap.StartedAt.Time) {
		return nil, err
	}
	text := fmt.Sprintf("Stripe lists events for 30 days only, so everything is being read anew: %d of %d customers so far.", fill.Done, fill.Customers)
	if !fill.Underway() {
		text = sentenceOf("everything was read anew, and not all of it could be stored: " + fill.Error)
	}
	return []card{{Bad: true, Title: "Bursar did not read Stripe's events for " + delayWords(gap.StartedAt.Sub(gap.GapAt.Time)), Text: text,
		Since: gap.GapAt.Time, Button: cardButton{Label: "See how far it is", Path: stripePath}, n: 1}}, nil
}

// gapShown is how long a gap can stay on Today.
const gapShown = 7 * 24 * time.Hour
