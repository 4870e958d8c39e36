package app

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"bursar/app/auth"
	"bursar/app/billing"
	"bursar/app/db"
)

type backfillCmd struct {
	JSON bool `name:"json" help:"Print a line of JSON for each step, and at the end."`
}

func (backfillCmd) Help() string {
	return `Needs STRIPE_API_KEY. It can be stopped at any time, and goes on where it stopped: with this command, or by itself in serve.
About six requests for each customer, and never more than 20 a second. Running it again does no harm.
Exit code 0: all that Stripe lists is stored. 4: not all of it is. 1: an error.`
}

func (c backfillCmd) Run(ctx context.Context, env *Environment) error {
	a, err := env.open(ctx, slog.LevelError)
	if err != nil {
		return err
	}
	defer a.Close()
	if a.Billing.Stripe == nil {
		return errors.New("there is no STRIPE_API_KEY; make a restricted key (rk_…) with read access in Stripe under Developers, API keys")
	}
	err = a.DB.Tx(ctx, func(q *db.Queries) error {
		return errors.Join(billing.StartBackfill(ctx, q, "asked for"), auth.Audit(ctx, q, auth.ByCommand("stripe.backfill", "all of Stripe", "")))
	})
	if err != nil {
		return err
	}
	show := c.printer(env)
	var p billing.Progress
	err = a.workAside(ctx, func(ctx context.Context) error {
		return await(ctx, func() (bool, error) {
			if p, err = billing.LastBackfill(ctx, a.DB.Read()); err != nil {
				return false, err
			}
			show(p)
			return !p.Underway(), nil
		})
	})
	if err != nil {
		if p.Underway() {
			env.hint("\nIt is not done. bursar backfill goes on from here, and so does bursar serve.")
		}
		return err
	}
	if p.State != "complete" {
		return exit(exitIncomplete)
	}
	return nil
}

// printer shows progress in the way that suits who reads it: a bar for a person at a terminal, a line for
// each step in a log, or JSON.
func (c backfillCmd) printer(env *Environment) func(billing.Progress) {
	last, said := "", time.Time{}
	return func(p billing.Progress) {
		text := backfillWords(p)
		if text == last && p.Underway() {
			return
		}
		switch {
		case c.JSON:
			if p.Underway() && time.Since(said) < time.Second {
				return
			}
			json.NewEncoder(env.Stdout).Encode(backfillJSON(p)) // to a reader who is gone there is nothing to say
		case isTerminal(env):
			env.printf("\r\x1b[K%s %s", bar(p.Percent()), text)
			if !p.Underway() {
				env.printf("\n")
			}
		default:
			if p.Underway() && time.Since(said) < 5*time.Second {
				return
			}
			env.printf("%s\n", text)
		}
		last, said = text, time.Now()
	}
}

// backfillWords is how far a backfill is, in a sentence.
func backfillWords(p billing.Progress) string {
	switch {
	case p.State == "complete":
		return fmt.Sprintf("Done: %d customers and %d subscriptions, all stored.", p.StoredCustomers, p.StoredSubscriptions)
	case !p.Underway():
		return "Not complete: " + p.Error + "."
	case p.Error != "":
		return "Trying again soon: " + p.Error
	case p.Listing():
		return fmt.Sprintf("Listing: %d customers and %d subscriptions so far", p.Customers, p.Subscriptions)
	}
	return fmt.Sprintf("%d of %d customers read", p.Done, p.Customers)
}

func backfillJSON(p billing.Progress) any {
	return struct {
		State               string `json:"state"`
		Customers           int64  `json:"customers"`
		CustomersRead       int64  `json:"customers_read"`
		CustomersStored     int64  `json:"customers_stored"`
		Subscriptions       int64  `json:"subscriptions"`
		SubscriptionsStored int64  `json:"subscriptions_stored"`
		Error               string `json:"error,omitempty"`
	}{p.State, p.Customers, p.Done, p.StoredCustomers, p.Subscriptions, p.StoredSubscriptions, p.Error}
}

const barWidth = 30

// bar is a progress bar of text.
func bar(percent int64) string {
	full := int(percent) * barWidth / 100
	return fmt.Sprintf("[%s%s] %3d %%", strings.Repeat("#", full), strings.Repeat(".", barWidth-full), percent)
}

// isTerminal says that a person sees the output as it comes.
func isTerminal(env *Environment) bool {
	f, ok := env.Stdout.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && cmp.Or(env.Getenv("TERM"), "dumb") != "dumb"
}
