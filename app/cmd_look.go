package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"text/tabwriter"
	"time"

	"bursar/app/auth"
	"bursar/app/db"
	"bursar/app/queue"
)

// Commands that look at what is stored.

type jobsCmd struct {
	List  jobsListCmd  `cmd:"" default:"withargs" help:"List the newest jobs."`
	Show  jobsShowCmd  `cmd:"" help:"Show one job with its errors."`
	Retry jobsRetryCmd `cmd:"" help:"Make discarded or waiting jobs run now."`
}

type jobsListCmd struct {
	State string `help:"Only jobs in this state." enum:",available,running,retryable,completed,discarded,cancelled" default:""`
	Kind  string `help:"Only jobs of this kind, like sync_customer."`
	Limit int64  `help:"How many." default:"50"`
	JSON  bool   `name:"json" help:"Print JSON."`
}

func (c jobsListCmd) Run(ctx context.Context, env *Environment) error {
	return env.reading(ctx, func(q *db.Queries) error {
		jobs, err := q.ListJobs(ctx, db.ListJobsParams{Before: math.MaxInt64, State: c.State, Kind: c.Kind, N: c.Limit})
		if err != nil || c.JSON {
			return errors.Join(err, env.jsonIf(c.JSON, jobs))
		}
		rows := [][]any{{"ID", "KIND", "KEY", "STATE", "ATTEMPT", "NEXT OR DONE", "LAST ERROR"}}
		for _, j := range jobs {
			at, last := j.ScheduledAt, ""
			if !j.FinalizedAt.IsZero() {
				at = j.FinalizedAt
			}
			if errs := queue.Errors(j); len(errs) > 0 {
				last = errs[len(errs)-1].Error
			}
			rows = append(rows, []any{j.ID, j.Kind, j.Key, j.State, fmt.Sprintf("%d/%d", j.Attempt, j.MaxAttempts), stamp(at), last})
		}
		return env.table(rows)
	})
}

type jobsShowCmd struct {
	ID   int64 `arg:"" help:"Number of the job."`
	JSON bool  `name:"json" help:"Print JSON."`
}

func (c jobsShowCmd) Run(ctx context.Context, env *Environment) error {
	return env.reading(ctx, func(q *db.Queries) error {
		j, err := q.JobByID(ctx, c.ID)
		if errors.Is(err, db.ErrNoRows) {
			return fmt.Errorf("there is no job %d", c.ID)
		}
		if err != nil || c.JSON {
			return errors.Join(err, env.jsonIf(c.JSON, j))
		}
		env.printf("job %d: %s %s, %s\nattempt %d of %d, scheduled %s, created %s\nargs: %s\n", j.ID, j.Kind, j.Key, j.State,
			j.Attempt, j.MaxAttempts, stamp(j.ScheduledAt), stamp(j.CreatedAt), j.Args)
		for _, e := range queue.Errors(j) {
			env.printf("attempt %d at %s: %s\n", e.Attempt, e.At.Format(time.RFC3339), e.Error)
		}
		return nil
	})
}

type jobsRetryCmd struct {
	IDs       []int64 `arg:"" optional:"" name:"id" help:"Numbers of the jobs."`
	Discarded bool    `help:"All discarded jobs."`
}

func (c jobsRetryCmd) Run(ctx context.Context, env *Environment) error {
	if len(c.IDs) == 0 && !c.Discarded {
		return errors.New("name the jobs to retry, or use --discarded for all that gave up")
	}
	a, err := env.open(ctx, slog.LevelError)
	if err != nil {
		return err
	}
	defer a.Close()
	if c.Discarded {
		if c.IDs, err = a.DB.Read().DiscardedJobIDs(ctx); err != nil {
			return err
		}
	}
	for _, id := range c.IDs {
		var n int64
		err := a.DB.Tx(ctx, func(q *db.Queries) (err error) {
			if n, err = q.ReviveJob(ctx, db.Now(), id); n == 0 || err != nil {
				return err
			}
			return auth.Audit(ctx, q, auth.ByCommand("jobs.retry", fmt.Sprintf("job %d", id), ""))
		})
		if err != nil {
			return err
		}
		if n == 0 {
			env.printf("job %d: not retried; it is not there, not waiting or discarded, or a newer one of its kind waits already\n", id)
			continue
		}
		env.printf("job %d: will run now\n", id)
	}
	return nil
}

type eventsCmd struct {
	List eventsListCmd `cmd:"" default:"withargs" help:"List the newest events."`
	Show eventsShowCmd `cmd:"" help:"Show one event as Stripe sent it."`
}

type eventsListCmd struct {
	Type     string `help:"Only this type, like invoice.paid."`
	Customer string `help:"Only this Stripe customer (cus_…)."`
	Limit    int64  `help:"How many." default:"50"`
	JSON     bool   `name:"json" help:"Print JSON."`
}

func (c eventsListCmd) Run(ctx context.Context, env *Environment) error {
	return env.reading(ctx, func(q *db.Queries) error {
		events, err := q.ListEvents(ctx, db.ListEventsParams{Before: math.MaxInt64, Type: c.Type, Customer: c.Customer, N: c.Limit})
		if err != nil || c.JSON {
			return errors.Join(err, env.jsonIf(c.JSON, events))
		}
		rows := [][]any{{"ID", "TYPE", "CUSTOMER", "CREATED", "RECEIVED", "BY", "IGNORED BECAUSE"}}
		for _, e := range events {
			rows = append(rows, []any{e.ID, e.Type, e.Customer, stamp(e.CreatedAt), stamp(e.ReceivedAt), e.Source, e.Ignored})
		}
		return env.table(rows)
	})
}

type eventsShowCmd struct {
	ID string `arg:"" help:"Stripe's id of the event (evt_…)."`
}

func (c eventsShowCmd) Run(ctx context.Context, env *Environment) error {
	return env.reading(ctx, func(q *db.Queries) error {
		e, err := q.EventByID(ctx, c.ID)
		if errors.Is(err, db.ErrNoRows) {
			return fmt.Errorf("event %s is not stored here", c.ID)
		}
		if err != nil {
			return err
		}
		if !e.PurgedAt.IsZero() {
			return fmt.Errorf("the payload of event %s was thrown away on %s, as it was old", c.ID, e.PurgedAt.Format("2 January 2006"))
		}
		return env.json(json.RawMessage(e.Payload))
	})
}

type mailCmd struct {
	List mailListCmd `cmd:"" default:"withargs" help:"List the newest mails."`
	Show mailShowCmd `cmd:"" help:"Show one mail."`
}

type mailListCmd struct {
	Limit int64 `help:"How many." default:"50"`
	JSON  bool  `name:"json" help:"Print JSON."`
}

func (c mailListCmd) Run(ctx context.Context, env *Environment) error {
	return env.reading(ctx, func(q *db.Queries) error {
		mails, err := q.ListMails(ctx, math.MaxInt64, c.Limit)
		if err != nil || c.JSON {
			return errors.Join(err, env.jsonIf(c.JSON, mails))
		}
		rows := [][]any{{"ID", "WRITTEN", "STATE", "TO", "SUBJECT", "ERROR"}}
		for _, m := range mails {
			rows = append(rows, []any{m.ID, stamp(m.CreatedAt), m.State, m.Recipients, m.Subject, m.Error})
		}
		return env.table(rows)
	})
}

type mailShowCmd struct {
	ID   int64 `arg:"" help:"Number of the mail."`
	HTML bool  `name:"html" help:"Print the HTML part; save it to a file and open that in a browser."`
}

func (c mailShowCmd) Run(ctx context.Context, env *Environment) error {
	return env.reading(ctx, func(q *db.Queries) error {
		m, err := q.MailByID(ctx, c.ID)
		if errors.Is(err, db.ErrNoRows) {
			return fmt.Errorf("there is no mail %d", c.ID)
		}
		if err != nil {
			return err
		}
		if c.HTML {
			env.printf("%s\n", m.HTML)
			return nil
		}
		env.printf("To: %s\nSubject: %s\nState: %s\n\n%s\n", m.Recipients, m.Subject, m.State, m.Text)
		return nil
	})
}

// reading opens the file for a command that changes nothing.
func (e *Environment) reading(ctx context.Context, fn func(q *db.Queries) error) error {
	a, err := e.open(ctx, slog.LevelError)
	if err != nil {
		return err
	}
	defer a.Close()
	return fn(a.DB.Read())
}

func (e *Environment) jsonIf(yes bool, v any) error {
	if !yes {
		return nil
	}
	return e.json(v)
}

func (e *Environment) table(rows [][]any) error {
	if len(rows) == 1 {
		e.printf("none\n")
		return nil
	}
	w := tabwriter.NewWriter(e.Stdout, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		for i, cell := range row {
			if i > 0 {
				fmt.Fprint(w, "\t")
			}
			fmt.Fprint(w, cell)
		}
		fmt.Fprintln(w)
	}
	return w.Flush()
}

func stamp(t db.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}
