package server

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"bursar/app/customer"
	"bursar/app/db"
	"bursar/app/mail"
	"bursar/app/money"
	"bursar/app/stripe"
)

// confirmActionPage says what an action will do before anybody asks for it.
type confirmActionPage struct {
	page
	Kind       money.Kind
	Who        link
	Impossible string // why it cannot be done
	Open       int64  // the action that is in the way, 0 if none
	Error      string // what to change about the form
	Needs      []string
	Will, Wont []string
	Before     customer.Access
	After      customer.Access
	Form       actionForm
	Minor      int64 // amount of a refund
	Seen       int64
	Left       string
	Currency   string
	Prices     []stripe.Price
	Prorations []choice
	Behaviors  []choice
	Preview    *stripe.Preview
	Cost       string // what the preview comes to
	Approval   string // why a second person is needed
	Approvers  int64  // who could be that
	Ready      bool   // there is something to ask for

	facts  customer.Facts
	thing  money.Thing
	params money.Params
}

// choice is one of several, in words.
type choice struct{ Value, Text string }

// actionForm is what was chosen, as it was sent.
type actionForm struct{ Target, Amount, Price, Quantity, Proration, Behavior, At, Reason, Token string }

func readActionForm(v url.Values) actionForm {
	get := func(name string) string { return mail.Line(v.Get(name), 200) }
	return actionForm{Target: get("target"), Amount: get("amount"), Price: get("price"), Quantity: get("quantity"), Proration: get("proration"),
		Behavior: get("behavior"), At: get("at"), Token: get("token"), Reason: v.Get("reason")}
}

// confirmAction answers GET /admin/customers/{id}/refund and the like.
func (s *Server) confirmAction(kind money.Kind) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		form := readActionForm(r.URL.Query())
		form.Token, form.Reason = "", ""
		p, err := s.gatherAction(w, r, kind, form)
		if err != nil {
			return err
		}
		return s.render(w, http.StatusOK, "action-confirm", p)
	}
}

// askForAction answers POST /admin/customers/{id}/refund and the like. What is refused shows the page again
// as things are now.
func (s *Server) askForAction(kind money.Kind) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := readForm(w, r); err != nil {
			return err
		}
		form := readActionForm(r.PostForm)
		p, err := s.gatherAction(w, r, kind, form)
		if err != nil {
			return err
		}
		seen, err := strconv.ParseInt(r.PostForm.Get("seen"), 10, 64)
		if err != nil || seen < 0 {
			return badRequest("the form is not whole; open the page again")
		}
		refused := cmp.Or(p.Impossible, p.Error)
		if shown := r.PostForm.Get("cost"); kind == money.ChangePlan && refused == "" && shown != p.Cost {
			refused = "Stripe's preview has changed since it was shown. Look again before you go on."
		}
		// The same form again is the same action, whatever has changed since.
		known, err := s.DB.Read().ActionByToken(r.Context(), form.Token)
		if err == nil && known.AskedBy == userOf(r).ID {
			return s.seeOther(w, r, fmt.Sprintf("/admin/actions/%d", known.ID), notice{Text: "This was asked for already, by the first press of the button."})
		}
		if err != nil && !errors.Is(err, db.ErrNoRows) {
			return err
		}
		if refused == "" {
			a, isNew, err := s.Money.Ask(r.Context(), money.Request{Kind: kind, Customer: p.facts.Record.ID, Target: form.Target, Amount: p.Minor, Params: p.params,
				Reason: form.Reason, Token: form.Token, Seen: seen, User: userOf(r), Address: s.address(r)})
			if err == nil {
				return s.asked(w, r, a, isNew)
			}
			if refused, err = refusalOf(err); err != nil {
				return err
			}
		}
		p.Error, p.Form.Token = refused, rand.Text()
		return s.render(w, http.StatusUnprocessableEntity, "action-confirm", p)
	}
}

func (s *Server) asked(w http.ResponseWriter, r *http.Request, a db.Action, isNew bool) error {
	done := notice{Text: "It is asked for. What Stripe answers shows here in a moment."}
	switch {
	case !isNew:
		done.Text = "This was asked for already, by the first press of the button."
	case a.State == money.Proposed:
		done.Text = "It waits for a second person: " + a.Approval + "."
	}
	return s.seeOther(w, r, fmt.Sprintf("/admin/actions/%d", a.ID), done)
}

// refusalOf is what to tell the person, or the error if it is none of theirs.
func refusalOf(err error) (string, error) {
	var refusal money.Refusal
	var known *stripe.Error
	switch {
	case errors.As(err, &refusal):
		return mail.UpperFirst(string(refusal)) + ".", nil
	case errors.Is(err, money.ErrNoKey):
		return "STRIPE_ACTIONS_KEY is not set, so Bursar cannot ask Stripe to do anything.", nil
	case errors.Is(err, money.ErrForbidden):
		return "", &HTTPError{Code: http.StatusForbidden, Msg: "your role may not do this", Err: err}
	case errors.As(err, &known):
		return "Stripe does not answer as it should: " + mail.Line(known.Error(), lineLength) + ".", nil
	}
	return "", err
}

// gatherAction gathers what the page shows: what is there now, what would happen, and why it might not.
func (s *Server) gatherAction(w http.ResponseWriter, r *http.Request, kind money.Kind, form actionForm) (confirmActionPage, error) {
	const nobody = "there is no customer with this number; it may have been joined with another"
	p := confirmActionPage{Kind: kind, Form: form}
	id, err := pathID(r, nobody)
	if err != nil {
		return p, err
	}
	ctx, q := r.Context(), s.DB.Read()
	if p.facts, err = customer.Load(ctx, q, id); err != nil {
		return p, found(err, nobody)
	}
	if p.thing, err = money.Find(p.facts, kind, form.Target); err != nil {
		return p, notFound("what this is about is not one of this customer; open their page and choose there")
	}
	p.page = s.page(w, r, kind.Label())
	p.Who = nameLink(p.facts.Record.Name, p.facts.Record.Email, id)
	p.Currency = p.thing.Currency()
	p.Form.Token = cmp.Or(form.Token, rand.Text())
	if s.Money.Stripe == nil {
		p.Needs = actionKeyNeeds()
	}
	if err := p.readOthers(ctx, q); err != nil || p.Impossible != "" {
		return p, err
	}
	if err := money.Possible(p.facts, kind, p.thing); err != nil {
		p.Impossible = mail.UpperFirst(err.Error()) + "."
		return p, nil
	}
	return p, s.choose(ctx, q, &p)
}

// readOthers finds what is under way for the same thing.
func (p *confirmActionPage) readOthers(ctx context.Context, q *db.Queries) error {
	open, err := q.OpenActionOn(ctx, p.Form.Target)
	if err != nil {
		return fmt.Errorf("read the actions on %s: %w", p.Form.Target, err)
	}
	if len(open) > 0 {
		p.Open, p.Impossible = open[0].ID, fmt.Sprintf("Action %d is not settled yet: %s.", open[0].ID, open[0].Says)
	}
	p.Seen, err = q.LastActionOf(ctx, p.Form.Target)
	return err
}

// PriceName is a price as people know it.
func (confirmActionPage) PriceName(p stripe.Price) string {
	name := cmp.Or(p.Nickname, p.Name, p.ID)
	every := p.Interval
	if p.IntervalCount > 1 {
		every = fmt.Sprintf("%d %ss", p.IntervalCount, p.Interval)
	}
	return mail.Line(fmt.Sprintf("%s, %s / %s", name, customer.FormatAmount(p.Amount, p.Currency), every), maxName)
}

// Danger says that it cannot be taken back.
func (p confirmActionPage) Danger() bool {
	return slices.Contains([]money.Kind{money.Refund, money.CancelNow}, p.Kind)
}

// AtOnce says that Stripe bills a change of plan with the change.
func (p confirmActionPage) AtOnce() bool { return p.params.Plan != nil && p.params.Plan.AtOnce() }

// CustomerID is whose page leads here.
func (p confirmActionPage) CustomerID() int64 { return p.facts.Record.ID }

// Record says how old what is known is.
func (p confirmActionPage) Record() db.Customer { return p.facts.RecordAt(p.Now) }

// Slug is the kind in the address.
func (p confirmActionPage) Slug() string { return actionSlug(p.Kind) }

// Button says what it does, and not just yes.
func (p confirmActionPage) Button() string {
	switch {
	case p.Approval != "":
		return "Ask a second person"
	case p.Kind == money.Refund:
		return "Refund " + customer.FormatAmount(p.Minor, p.Currency)
	case p.params.Plan != nil:
		return "Change to " + p.params.Plan.To()
	}
	return p.Kind.Label()
}
