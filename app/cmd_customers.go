package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"time"

	"bursar/app/auth"
	"bursar/app/automation"
	"bursar/app/billing"
	"bursar/app/crm"
	"bursar/app/customer"
	"bursar/app/db"
)

type customersCmd struct {
	List    customersListCmd    `cmd:"" default:"withargs" help:"List the newest customers, or search them."`
	Show    customersShowCmd    `cmd:"" help:"Show one customer: the record, its ids everywhere, and what each system says."`
	Merge   customersMergeCmd   `cmd:"" help:"Join a customer into another. Shows both and does nothing without --yes."`
	Unmerge customersUnmergeCmd `cmd:"" help:"Take two customers apart that were joined."`
}

type customersListCmd struct {
	Search string `arg:"" optional:"" help:"A part of a name or an e-mail address of three letters or more, or a whole id of any system, like cus_…, in_… or your own user id."`
	Limit  int64  `help:"How many." default:"50"`
	JSON   bool   `name:"json" help:"Print JSON."`
}

func (c customersListCmd) Run(ctx context.Context, env *Environment) error {
	return env.reading(ctx, func(q *db.Queries) error {
		rows, err := findCustomers(ctx, q, c.Search, c.Limit)
		if err != nil || c.JSON {
			return errors.Join(err, env.jsonIf(c.JSON, rows))
		}
		table := [][]any{{"ID", "NAME", "E-MAIL", "PLAN", "ACCESS", "WHY", "LAST PAID"}}
		for _, r := range rows {
			table = append(table, []any{r.ID, r.Name, r.Email, r.Plan, r.Access, r.AccessReason, stamp(r.LastPaidAt)})
		}
		return env.table(table)
	})
}

// findCustomers are the newest with the text in their name or e-mail; whoever has it as an id comes first.
func findCustomers(ctx context.Context, q *db.Queries, text string, n int64) ([]db.Customer, error) {
	if text == "" {
		return q.NewestCustomers(ctx, math.MaxInt64, n)
	}
	number, _ := strconv.ParseInt(text, 10, 64) // 0 is nobody's
	rows, err := q.CustomersOfAnyID(ctx, text, number)
	if err != nil || len(rows) > 0 || len(text) < 3 {
		return rows, err
	}
	phrase := `"` + strings.ReplaceAll(text, `"`, `""`) + `"`
	return q.SearchCustomers(ctx, db.SearchCustomersParams{Phrase: phrase, Before: math.MaxInt64, Most: n, N: n})
}

type customersShowCmd struct {
	Customer string `arg:"" help:"Number of the customer, or an id of any system."`
	JSON     bool   `name:"json" help:"Print JSON."`
}

// shownCustomer is what customers show prints.
type shownCustomer struct {
	Customer      db.Customer             `json:"customer"`
	Links         []db.Link               `json:"links"`
	Subscriptions []db.Subscription       `json:"subscriptions"`
	Systems       []automation.Comparison `json:"systems"`
	Tickets       []db.Ticket             `json:"tickets"`
	Joined        []joinedCustomer        `json:"joined"`
}

// joinedCustomer is one that was joined into another.
type joinedCustomer struct {
	Merge    int64   `json:"merge"`
	Customer int64   `json:"customer"`
	By       string  `json:"by"`
	Reason   string  `json:"reason"`
	At       db.Time `json:"at"`
}

func (c customersShowCmd) Run(ctx context.Context, env *Environment) error {
	return env.reading(ctx, func(q *db.Queries) error {
		id, err := oneCustomer(ctx, q, c.Customer)
		if err != nil {
			return err
		}
		shown, err := showCustomer(ctx, q, id)
		if err != nil || c.JSON {
			return errors.Join(err, env.jsonIf(c.JSON, shown))
		}
		return env.printCustomer(shown)
	})
}

// oneCustomer is the customer of a number or of an id of any system; a number that was joined leads to the other.
func oneCustomer(ctx context.Context, q *db.Queries, text string) (int64, error) {
	if number, err := strconv.ParseInt(text, 10, 64); err == nil {
		id, err := customer.Lasting(ctx, q, number)
		if err == nil || !errors.Is(err, db.ErrNoRows) {
			return id, err
		}
	}
	rows, err := q.CustomersOfAnyID(ctx, text, 0)
	if err == nil && len(rows) == 0 {
		err = fmt.Errorf("no customer has the number or id %s; search by a name with: bursar customers list NAME", text)
	}
	if err != nil {
		return 0, err
	}
	return rows[0].ID, nil
}

func showCustomer(ctx context.Context, q *db.Queries, id int64) (shown shownCustomer, err error) {
	f, err := customer.Load(ctx, q, id)
	if err != nil {
		return shown, err
	}
	now := time.Now()
	var stands automation.Standing
	contact, err := q.ContactOf(ctx, id)
	if err == nil {
		c := crm.Stored(contact)
		stands.Contact = &c
	}
	if err != nil && !errors.Is(err, db.ErrNoRows) {
		return shown, err
	}
	if stands.Tickets, err = q.TicketsOf(ctx, db.ID(id)); err != nil {
		return shown, err
	}
	merges, err := q.MergesInto(ctx, id)
	for _, m := range merges {
		shown.Joined = append(shown.Joined, joinedCustomer{m.ID, m.FromID, m.MergedBy, m.Reason, m.CreatedAt})
	}
	shown.Systems = automation.Compare(f, stands, now)
	shown.Customer, shown.Links, shown.Subscriptions, shown.Tickets = f.RecordAt(now), f.Links, f.Subscriptions, stands.Tickets
	return shown, err
}

func (e *Environment) printCustomer(s shownCustomer) error {
	r := s.Customer
	e.printf("customer %d: %s <%s>\naccess %s: %s\n", r.ID, r.Name, r.Email, r.Access, r.AccessReason)
	for _, l := range s.Links {
		e.printf("%s %s\n", l.System, l.RemoteID)
	}
	for _, sub := range s.Subscriptions {
		e.printf("subscription %s: %s, %s, %s a %s\n", sub.ID, customer.PlanName(sub), sub.Status, customer.FormatAmount(sub.Amount, sub.Currency), sub.Interval)
	}
	for _, t := range s.Tickets {
		e.printf("ticket T-%d: %s, %s\n", t.ID, t.Status, t.Subject)
	}
	for _, j := range s.Joined {
		e.printf("customer %d was joined into it on %s by %s: %s (take apart with: bursar customers unmerge %d)\n", j.Customer, stamp(j.At), cmp.Or(j.By, "bursar"), j.Reason, j.Customer)
	}
	e.printf("\n")
	rows := [][]any{{"", "STRIPE", "BURSAR", "CRM", "DESK"}}
	for _, c := range s.Systems {
		rows = append(rows, []any{c.What, cellText(c.Stripe), cellText(c.Bursar), cellText(c.CRM), cellText(c.Desk)})
	}
	return e.table(rows)
}

// cellText is a cell of the comparison; what differs from what it should be has a mark.
func cellText(c automation.Cell) string {
	text := c.Text
	if !c.At.IsZero() {
		text = stamp(db.At(c.At))
	}
	text = cmp.Or(text, "-")
	if c.Differs {
		text += " (differs)"
	}
	return text
}

type customersMergeCmd struct {
	From   string `arg:"" help:"The customer that goes: its number leads to the other from then on."`
	Into   string `arg:"" help:"The customer that stays and gets all that the first has."`
	Reason string `help:"Why the two are one. Kept in the audit."`
	Yes    bool   `help:"Do it. Without, both are shown and nothing is changed."`
}

func (c customersMergeCmd) Run(ctx context.Context, env *Environment) error {
	if c.Yes && c.Reason == "" {
		return errors.New("say why the two are one with --reason; it is kept in the audit")
	}
	a, err := env.open(ctx, slog.LevelError)
	if err != nil {
		return err
	}
	defer a.Close()
	from, err := oneCustomer(ctx, a.DB.Read(), c.From)
	if err != nil {
		return err
	}
	into, err := oneCustomer(ctx, a.DB.Read(), c.Into)
	if err != nil {
		return err
	}
	if from == into {
		return fmt.Errorf("%s and %s are customer %d already", c.From, c.Into, into)
	}
	if !c.Yes {
		return env.previewMerge(ctx, a.DB.Read(), from, into)
	}
	entry := auth.ByCommand("customers.merge", fmt.Sprintf("customer %d", into), "")
	err = a.DB.Tx(ctx, func(q *db.Queries) error {
		done, err := a.Billing.Merge(ctx, q, from, into, entry.Actor, c.Reason)
		if err != nil {
			return err
		}
		return auth.Audit(ctx, q, joinEntry(entry, done, c.Reason))
	})
	if err != nil {
		return err
	}
	env.printf("customer %d is joined into %d\n", from, into)
	env.hint("Take them apart again with: bursar customers unmerge %d", from)
	return nil
}

func joinEntry(e auth.Entry, done billing.Joined, reason string) auth.Entry {
	e.Detail, e.Reason, e.Before, e.After = fmt.Sprintf("customer %d, merge %d", done.From, done.ID), reason, done.Before, done.After
	return e
}

// previewMerge says what joining would do.
func (e *Environment) previewMerge(ctx context.Context, q *db.Queries, from, into int64) error {
	goes, err := customer.Load(ctx, q, from)
	if err != nil {
		return err
	}
	stays, err := customer.Load(ctx, q, into)
	if err != nil {
		return err
	}
	pro, contra := customer.Alike(stays, goes)
	after := customer.Together(stays, goes).RecordAt(time.Now())
	e.printf("stays: %s\ngoes:  %s\nfor: %s\nagainst: %s\nafterwards: access %s, %s\n", stays.Summary(), goes.Summary(),
		cmp.Or(strings.Join(pro, ", "), "nothing"), cmp.Or(strings.Join(contra, ", "), "nothing"), after.Access, after.AccessReason)
	if len(stays.Live()) > 0 && len(goes.Live()) > 0 {
		e.printf("both pay: joining ends no subscription\n")
	}
	e.hint("Nothing was changed. Add --yes --reason '…' to join them.")
	return nil
}

type customersUnmergeCmd struct {
	Customer int64 `arg:"" help:"Number of the customer that was joined into another."`
}

func (c customersUnmergeCmd) Run(ctx context.Context, env *Environment) error {
	a, err := env.open(ctx, slog.LevelError)
	if err != nil {
		return err
	}
	defer a.Close()
	m, err := a.DB.Read().MergeOf(ctx, c.Customer)
	if errors.Is(err, db.ErrNoRows) {
		return fmt.Errorf("customer %d is not joined with another", c.Customer)
	}
	if err != nil {
		return err
	}
	entry := auth.ByCommand("customers.unmerge", fmt.Sprintf("customer %d", m.IntoID), "")
	err = a.DB.Tx(ctx, func(q *db.Queries) error {
		done, err := a.Billing.Unmerge(ctx, q, m.ID, entry.Actor)
		if err != nil {
			return err
		}
		return auth.Audit(ctx, q, joinEntry(entry, done, ""))
	})
	if err != nil {
		return err
	}
	env.printf("customer %d has its own number and all it had again; %d keeps the rest\n", m.FromID, m.IntoID)
	return nil
}
