package app

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	"bursar/app/lab"
	"bursar/app/reconcile"
)

// driftLabCmd measures the reconciler. It touches nothing outside a temporary folder.
type driftLabCmd struct {
	Kinds     string `help:"Kinds of differences to put, separated by commas, or all." default:"all"`
	Customers int    `help:"How many customers the simulated company has." default:"1000"`
	Seed      uint64 `help:"The same seed makes the same company and the same mixtures." default:"7"`
	Mixtures  int    `help:"How many mixtures of ten to put after each alone." default:"10"`
	JSON      bool   `name:"json" help:"Print the score as JSON."`
}

const perMixture = 10

func (c driftLabCmd) Run(ctx context.Context, env *Environment) (err error) {
	drifts, err := c.drifts()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "bursar-lab-")
	if err != nil {
		return fmt.Errorf("make a folder for the laboratory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	began := time.Now()
	company, err := lab.New(ctx, dir, env.Files, c.Customers, c.Seed)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, company.Close()) }()
	say := func(format string, args ...any) {
		if !c.JSON {
			env.printf(format, args...)
		}
	}
	say("%d customers in agreement, %s\n", c.Customers, time.Since(began).Round(time.Second))
	var total lab.Score
	for _, d := range drifts {
		s, err := company.Measure(ctx, []lab.Drift{d})
		if err != nil {
			return fmt.Errorf("%s: %w", d.Name, err)
		}
		say("%-4s %-22s %s\n", verdictOf(s), d.Kind, d.Name)
		total.Add(s)
	}
	rng := rand.New(rand.NewPCG(c.Seed, c.Seed))
	for n := range c.Mixtures {
		var some []lab.Drift
		for _, at := range rng.Perm(len(drifts))[:min(perMixture, len(drifts))] {
			some = append(some, drifts[at])
		}
		s, err := company.Measure(ctx, some)
		if err != nil {
			return fmt.Errorf("mixture %d: %w", n+1, err)
		}
		say("%-4s mixture %d of %d, %d readings of Stripe\n", verdictOf(s), n+1, c.Mixtures, s.Calls)
		total.Add(s)
	}
	return c.print(env, total)
}

// drifts are those of the kinds that were asked for.
func (c driftLabCmd) drifts() ([]lab.Drift, error) {
	all := lab.Drifts()
	if c.Kinds == "all" {
		return all, nil
	}
	var some []lab.Drift
	for name := range strings.SplitSeq(c.Kinds, ",") {
		name = strings.TrimSpace(name)
		before := len(some)
		for _, d := range all {
			if d.Kind == name {
				some = append(some, d)
			}
		}
		if len(some) == before {
			return nil, fmt.Errorf("nothing here leads to %q; the kinds are %s", name, strings.Join(kindNames(), ", "))
		}
	}
	return some, nil
}

func kindNames() (names []string) {
	for _, k := range reconcile.Kinds() {
		names = append(names, k.Name)
	}
	slices.Sort(names)
	return names
}

func verdictOf(s lab.Score) string {
	if s.Clean() {
		return "ok"
	}
	return "BAD"
}

func (c driftLabCmd) print(env *Environment, s lab.Score) error {
	if c.JSON {
		if err := env.json(s); err != nil {
			return err
		}
	} else {
		env.printf("\nput %d, found %d (%s), cause right %d (%s)\nfalse findings %d, wrong repairs %d, access taken without a person %d, money moved %d, left over after repair %d\n",
			s.Put, s.Found, percent(s.Found, s.Put), s.CauseRight, percent(s.CauseRight, s.Put), len(s.False), len(s.WrongRepairs), len(s.AccessTaken), s.MoneyMoved, len(s.LeftOver))
		for what, list := range map[string][]string{"missed": s.Missed, "false": s.False, "cause wrong": s.CauseWrong, "wrong repair": s.WrongRepairs, "access taken": s.AccessTaken, "left over": s.LeftOver} {
			for _, line := range list {
				env.printf("%s: %s\n", what, line)
			}
		}
	}
	if !s.Clean() || s.CauseRight*100 < s.Put*95 {
		return exit(exitError)
	}
	return nil
}

func percent(n, of int) string {
	if of == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f %%", 100*float64(n)/float64(of))
}
