package reconcile

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"bursar/app/customer"
	"bursar/app/db"
)

// Figures are what happened from one time until another.
type Figures struct {
	New       Sum // customers, and what they pay in a month
	Left      Sum // customers, and what they paid in a month
	Paid      Sum // invoices
	Failed    Sum // invoices made in that time whose payment failed at least once, whatever became of it
	Recovered Sum // invoices that were paid after they had failed
	Refunded  Sum
	Disputed  Sum

	Activations int // purchases whose customer got access
	Missed      int // purchases that waited for access for more than two minutes, or still do
	PaidToActiveP50,
	PaidToActiveP95 time.Duration

	EventsStored  int // however they came
	EventsLate    int // brought by a webhook more than five minutes after they happened
	EventsSwept   int // that only asking Stripe found
	EventsIgnored int

	Contacts      int // written into the CRM, each counted once
	Notes         int // and tasks
	TicketsOpened int
	TicketsClosed int
	Healed        int // differences; those of contacts and tickets are counted above
	ByHand        int // what people did about customers, money, tickets and jobs
}

// Sum is a number of things, and money by currency.
type Sum struct {
	N       int
	Amounts []Money
}

// Money is an amount in minor units of a lower-case currency.
type Money struct {
	Amount   int64
	Currency string
}

// add counts the things, and puts their money to that of their currency.
func (s *Sum) add(n int, amount int64, currency string) {
	s.N += n
	if amount == 0 {
		return
	}
	i, found := slices.BinarySearchFunc(s.Amounts, currency, func(m Money, c string) int { return strings.Compare(m.Currency, c) })
	if !found {
		s.Amounts = slices.Insert(s.Amounts, i, Money{Currency: currency})
	}
	s.Amounts[i].Amount += amount
}

// Money is the sum in words, "" for none.
func (s Sum) Money() string {
	var parts []string
	for _, m := range s.Amounts {
		parts = append(parts, customer.FormatAmount(m.Amount, m.Currency))
	}
	return strings.Join(parts, " + ")
}

// Automatic is how many things Bursar did that somebody would have done by hand.
func (f Figures) Automatic() int {
	return f.Contacts + f.Notes + f.TicketsOpened + f.TicketsClosed + f.Healed
}

// figures counts what happened from since until until.
func (r *Reconciler) figures(ctx context.Context, q *db.Queries, since, until time.Time) (f Figures, err error) {
	from, to := db.At(since), db.At(until)
	for _, collect := range []func(context.Context, *db.Queries, db.Time, db.Time) error{f.collectCustomers, f.collectMoney, f.collectActivations, f.collectEvents} {
		if err := collect(ctx, q, from, to); err != nil {
			return f, err
		}
	}
	return f, r.collectWork(ctx, q, from, to, &f)
}

func (f *Figures) collectCustomers(ctx context.Context, q *db.Queries, since, until db.Time) error {
	fresh, err := q.NewSubscriptions(ctx, since, until)
	if err != nil {
		return err
	}
	left, err := q.LeftSubscriptions(ctx, since, until)
	f.New, f.Left = perMonth(fresh), perMonth(left)
	return err
}

// perMonth counts customers, and what their subscriptions bring in a month.
func perMonth(list []db.Subscription) (s Sum) {
	seen := map[int64]bool{}
	for _, o := range list {
		n := 1
		if seen[o.CustomerID] {
			n = 0
		}
		seen[o.CustomerID] = true
		s.add(n, customer.Monthly(o), o.Currency)
	}
	return s
}

// sumRow is what each of the sums by currency reads.
type sumRow struct {
	Currency string
	N        int64
	Amount   int64
}

func sumOf[T ~struct {
	Currency string
	N        int64
	Amount   int64
}](rows []T, err error) (Sum, error) {
	var s Sum
	for _, row := range rows {
		r := sumRow(row)
		s.add(int(r.N), r.Amount, r.Currency)
	}
	return s, err
}

func (f *Figures) collectMoney(ctx context.Context, q *db.Queries, since, until db.Time) (err error) {
	var errs [5]error
	f.Paid, errs[0] = sumOf(q.PaidSums(ctx, since, until))
	f.Failed, errs[1] = sumOf(q.FailedSums(ctx, since, until))
	f.Recovered, errs[2] = sumOf(q.RecoveredSums(ctx, since, until))
	f.Refunded, errs[3] = sumOf(q.RefundSums(ctx, since, until))
	f.Disputed, errs[4] = sumOf(q.DisputeSums(ctx, since, until))
	return errors.Join(errs[:]...)
}

// collectActivations leaves out what was bought before Bursar was installed: it did not wait for it.
func (f *Figures) collectActivations(ctx context.Context, q *db.Queries, since, until db.Time) error {
	installed, err := installedAt(ctx, q)
	if err != nil {
		return err
	}
	if installed.After(since.Time) {
		since = db.At(installed)
	}
	took, err := q.ActivationsBetween(ctx, since, until)
	if err != nil {
		return err
	}
	missed, err := q.MissedBetween(ctx, since, db.At(until.Add(-activationLimit)))
	f.Activations, f.Missed = len(took), int(missed)
	f.PaidToActiveP50, f.PaidToActiveP95 = percentile(took, 50), percentile(took, 95)
	return err
}

// activationLimit is how long a purchase may wait for access.
const activationLimit = 2 * time.Minute

// installedAt is when Bursar began, a second earlier as Stripe counts in whole ones; zero if that is not known.
func installedAt(ctx context.Context, q *db.Queries) (time.Time, error) {
	text, err := q.Meta(ctx, "installed_at")
	if errors.Is(err, db.ErrNoRows) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	ms, err := strconv.ParseInt(text, 10, 64)
	return time.UnixMilli(ms - 1000), err
}

// percentile of sorted milliseconds, by nearest rank.
func percentile(sorted []int64, p int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return time.Duration(sorted[(len(sorted)*p+99)/100-1]) * time.Millisecond
}

func (f *Figures) collectEvents(ctx context.Context, q *db.Queries, since, until db.Time) error {
	n, err := q.EventCounts(ctx, since, until)
	f.EventsStored, f.EventsLate, f.EventsSwept, f.EventsIgnored = int(n.Total), int(n.Late), int(n.Swept), int(n.IgnoredTotal)
	return err
}

// collectWork counts only what was really written somewhere, and never one thing as two.
func (r *Reconciler) collectWork(ctx context.Context, q *db.Queries, since, until db.Time, f *Figures) error {
	own, err := q.OwnEffects(ctx, since, until)
	if err != nil {
		return err
	}
	// Tickets stand in this file whichever desk they are on.
	f.TicketsOpened, f.TicketsClosed = int(own.Opened), int(own.Closed)
	if r.Policies == nil { // the CRM is the built-in one
		f.Contacts, f.Notes = int(own.Contacts), int(own.Notes)
	}
	written, err := q.ExternalEffects(ctx, since, until)
	if err != nil {
		return err
	}
	for _, w := range written {
		switch w.Kind {
		case "contact":
			f.Contacts += int(w.N)
		case "task", "note":
			f.Notes += int(w.N)
		}
	}
	healed, err := q.HealedBetween(ctx, since, until)
	if err != nil {
		return err
	}
	hands, err := q.ByHandBetween(ctx, since, until)
	f.Healed, f.ByHand = int(healed), int(hands)
	return err
}
