package server

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"bursar/app/customer"
	"bursar/app/db"
	"bursar/app/mail"
	"bursar/app/money"
	"bursar/app/stripe"
)

// choose reads what the kind leaves to choose, and says what follows from it.
func (s *Server) choose(ctx context.Context, q *db.Queries, p *confirmActionPage) (err error) {
	p.Ready = true
	switch p.Kind {
	case money.Refund:
		err = s.chooseAmount(ctx, q, p)
	case money.ChangePlan:
		err = s.choosePlan(ctx, p)
	case money.Pause:
		p.Form.Behavior = cmp.Or(p.Form.Behavior, money.Behaviors()[0])
		for _, b := range money.Behaviors() {
			p.Behaviors = append(p.Behaviors, choice{b, mail.UpperFirst(money.BehaviorWords(b))})
		}
		p.params.Behavior = p.Form.Behavior
		p.Ready = slices.Contains(money.Behaviors(), p.Form.Behavior)
	}
	if err != nil || !p.Ready {
		return err
	}
	if err := s.seeApproval(ctx, q, p); err != nil {
		return err
	}
	p.Before = p.facts.AccessAt(p.Now)
	p.After = money.After(p.facts, p.Kind, p.thing, p.Now)
	p.Will, p.Wont = money.Consequences(p.facts, p.Kind, p.thing, p.Minor, p.params, func(t time.Time) string {
		if t.IsZero() {
			return "the end of the period"
		}
		return t.In(s.Location).Format("2 Jan 2006")
	})
	return nil
}

// chooseAmount reads how much to give back: all that is left, unless something else was chosen.
func (s *Server) chooseAmount(ctx context.Context, q *db.Queries, p *confirmActionPage) error {
	left, err := money.Left(ctx, q, p.facts, *p.thing.Charge)
	if err != nil {
		return err
	}
	p.Left = customer.FormatAmount(left, p.Currency)
	if p.Form.Amount == "" {
		p.Form.Amount = strings.TrimSuffix(p.Left, " "+strings.ToUpper(p.Currency))
	}
	p.Minor, err = customer.ParseAmount(p.Form.Amount, p.Currency)
	switch {
	case err != nil:
		p.Error = mail.UpperFirst(err.Error()) + "."
	case p.Minor <= 0:
		p.Error = "The amount must be more than nothing."
	case p.Minor > left:
		p.Error = fmt.Sprintf("%s is more than the %s that is left of this payment.", customer.FormatAmount(p.Minor, p.Currency), p.Left)
	}
	p.Ready = p.Error == ""
	return nil
}

// seeApproval says whether a second person is needed, and whether there is one.
func (s *Server) seeApproval(ctx context.Context, q *db.Queries, p *confirmActionPage) (err error) {
	user, amount := p.User, p.Minor
	if p.params.Plan != nil {
		amount = p.params.Plan.Cost()
	}
	p.Approval, err = s.Money.Approval(ctx, q, p.Kind, user.ID, user.Role, amount, p.Currency, time.Now(), math.MaxInt64)
	if err != nil || p.Approval == "" {
		return err
	}
	p.Approval = mail.UpperFirst(p.Approval)
	p.Approvers, err = q.CountApprovers(ctx, user.ID)
	return err
}

// choosePlan reads what there is to change to and, once something is chosen, what Stripe says it would cost.
func (s *Server) choosePlan(ctx context.Context, p *confirmActionPage) (err error) {
	p.Ready = false
	p.Form.Proration = cmp.Or(p.Form.Proration, money.Prorations()[0])
	p.Form.Quantity = cmp.Or(p.Form.Quantity, strconv.FormatInt(max(p.thing.Subscription.Quantity, 1), 10))
	for _, b := range money.Prorations() {
		p.Prorations = append(p.Prorations, choice{b, mail.UpperFirst(money.ProrationWords(b))})
	}
	if s.Money.Stripe == nil {
		return nil
	}
	if p.Prices, err = s.Money.Plans(ctx, *p.thing.Subscription); err != nil {
		p.Error, err = refusalOf(err)
		return err
	}
	if p.Form.Price == "" {
		return nil
	}
	at := time.Now()
	if seconds, err := strconv.ParseInt(p.Form.At, 10, 64); err == nil {
		at = time.Unix(seconds, 0)
	}
	quantity, _ := strconv.ParseInt(p.Form.Quantity, 10, 64) // 0 is refused
	i := slices.IndexFunc(p.Prices, func(price stripe.Price) bool { return price.ID == p.Form.Price })
	if i < 0 {
		p.Error = "This plan is not on sale in the currency of the subscription. Choose another one."
		return nil
	}
	plan, preview, err := s.Money.Preview(ctx, *p.thing.Subscription, p.Prices[i], quantity, p.Form.Proration, at)
	if err != nil {
		p.Error, err = refusalOf(err)
		return err
	}
	for _, price := range p.Prices {
		switch price.ID {
		case plan.FromPrice:
			plan.FromName = p.PriceName(price)
		case plan.Price:
			plan.Name = p.PriceName(price)
		}
	}
	if plan.Name == "" {
		plan.Name = plan.FromName // another quantity of the same
	}
	p.Form.At = strconv.FormatInt(plan.ProrationAt.Unix(), 10)
	p.params.Plan, p.Preview, p.Ready = &plan, &preview, true
	p.Cost = customer.FormatAmount(plan.Cost(), preview.Currency)
	return nil
}
