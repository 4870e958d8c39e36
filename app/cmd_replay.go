package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"bursar/app/auth"
	"bursar/app/billing"
	"bursar/app/db"
	"bursar/app/stripe"
)

type replayCmd struct {
	File   string `arg:"" help:"File of events, - for standard input."`
	DryRun bool   `help:"Only say what would happen: everything is done on a copy of the file that is thrown away, and nothing leaves the machine."`
	JSON   bool   `name:"json" help:"Print the outcome as JSON."`
}

func (replayCmd) Help() string {
	return `The file holds one event a line, a JSON list of events, or a list as Stripe's API gives it:
  stripe events list --limit 100 > events.json
  bursar replay events.json --dry-run
Events that are stored already change nothing, so a file can be replayed again.`
}

// outcome is what a replay did.
type outcome struct {
	New        int      `json:"new"`
	Duplicates int      `json:"duplicates"`
	Ignored    int      `json:"ignored"`
	Unreadable []string `json:"unreadable"`
	Changes    []change `json:"changes"`
	Jobs       []work   `json:"jobs"`
}

type change struct {
	Customer int64  `json:"customer"`
	Text     string `json:"text"`
}

type work struct {
	ID    int64  `json:"id"`
	Kind  string `json:"kind"`
	Key   string `json:"key"`
	State string `json:"state"`
}

func (c replayCmd) Run(ctx context.Context, env *Environment) error {
	config, err := env.config()
	if err != nil {
		return err
	}
	if c.DryRun {
		dir, err := os.MkdirTemp("", "bursar-dry-run-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		if config, err = env.rehearse(ctx, config, dir); err != nil {
			return err
		}
	}
	in := io.Reader(os.Stdin)
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	a, err := New(ctx, config, env.Files, env.logger(slog.LevelError))
	if err != nil {
		return err
	}
	defer a.Close()
	var o outcome
	if err := a.audit(ctx, auth.ByCommand("events.replay", c.File, "")); err != nil {
		return err
	}
	err = a.workAside(ctx, func(ctx context.Context) error {
		o, err = a.replay(ctx, in)
		return err
	})
	if err != nil {
		return err
	}
	return c.print(env, o)
}

// rehearse makes a Config for a copy of the file that can reach nothing outside.
func (e *Environment) rehearse(ctx context.Context, c Config, dir string) (Config, error) {
	a, err := New(ctx, c, e.Files, e.logger(slog.LevelError))
	if err != nil {
		return c, err
	}
	defer a.Close()
	c.DB = filepath.Join(dir, "copy.db")
	c.StripeKey, c.SMTP = "", nil
	return c, a.DB.Backup(ctx, c.DB)
}

// replay stores the events of a file, waits until all that follows is done, and says what that was.
func (a *App) replay(ctx context.Context, in io.Reader) (outcome, error) {
	o := outcome{Unreadable: []string{}, Changes: []change{}, Jobs: []work{}}
	lastLine, lastJob, err := a.marks(ctx)
	if err != nil {
		return o, err
	}
	for e, err := range stripe.DecodeList(in) {
		if err != nil {
			o.Unreadable = append(o.Unreadable, err.Error())
			continue
		}
		receipt, err := a.Billing.Receive(ctx, e, billing.Replay)
		switch {
		case err != nil:
			return o, err
		case receipt.Duplicate:
			o.Duplicates++
		case receipt.Ignored != "":
			o.Ignored++
		default:
			o.New++
		}
	}
	q := a.DB.Read()
	err = await(ctx, func() (bool, error) {
		n, err := q.OpenJobs(ctx, db.Now())
		return n == 0, err
	})
	if err != nil {
		return o, err
	}
	lines, err := q.TimelineSince(ctx, lastLine)
	if err != nil {
		return o, err
	}
	for _, l := range lines {
		o.Changes = append(o.Changes, change{l.CustomerID, l.Text})
	}
	jobs, err := q.JobsSince(ctx, lastJob)
	for _, j := range jobs {
		o.Jobs = append(o.Jobs, work{j.ID, j.Kind, j.Key, j.State})
	}
	return o, err
}

func (a *App) marks(ctx context.Context) (line, job int64, err error) {
	line, lineErr := a.DB.Read().LastTimelineID(ctx)
	job, jobErr := a.DB.Read().LastJobID(ctx)
	return line, job, errors.Join(lineErr, jobErr)
}

func (c replayCmd) print(env *Environment, o outcome) error {
	if c.JSON {
		if err := env.json(o); err != nil {
			return err
		}
	} else {
		if c.DryRun {
			env.printf("Rehearsal on a copy: nothing was changed.\n")
		}
		env.printf("%d new, %d stored before, %d ignored, %d unreadable\n", o.New, o.Duplicates, o.Ignored, len(o.Unreadable))
		for _, text := range o.Unreadable {
			env.printf("  unreadable: %s\n", text)
		}
		for _, ch := range o.Changes {
			env.printf("  customer %d: %s\n", ch.Customer, ch.Text)
		}
		for _, j := range o.Jobs {
			env.printf("  %s %s (%s)\n", j.Kind, j.Key, j.State)
		}
	}
	if len(o.Unreadable) > 0 {
		return fmt.Errorf("%d entries of the file are no events", len(o.Unreadable))
	}
	return nil
}
