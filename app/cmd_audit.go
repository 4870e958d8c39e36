package app

import (
	"context"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"bursar/app/auth"
	"bursar/app/db"
)

// audit writes down what a command did or is about to do, where that is no transaction of its own.
func (a *App) audit(ctx context.Context, e auth.Entry) error {
	return a.DB.Tx(ctx, func(q *db.Queries) error { return auth.Audit(ctx, q, e) })
}

type auditCmd struct {
	List   auditListCmd   `cmd:"" default:"withargs" help:"List the newest entries."`
	Verify auditVerifyCmd `cmd:"" help:"Check the whole audit; exit with 1 at the first entry that was changed."`
}

type auditListCmd struct {
	Who     string `help:"Only of whom this is a part of the name, like ada@example.com."`
	Action  string `help:"Only actions with this in them, like refund."`
	Outcome string `help:"Only with this outcome." enum:",asked,done,denied,failed,unknown" default:""`
	Target  string `help:"Only what this is a part of, like customer 42."`
	Limit   int64  `help:"How many." default:"50"`
	JSON    bool   `name:"json" help:"Print JSON."`
}

func (c auditListCmd) Run(ctx context.Context, env *Environment) error {
	return env.reading(ctx, func(q *db.Queries) error {
		entries, err := q.ListAudit(ctx, db.ListAuditParams{BeforeID: math.MaxInt64, Who: c.Who, What: c.Action, Outcome: c.Outcome, Target: c.Target, Count: c.Limit})
		if err != nil || c.JSON {
			return errors.Join(err, env.jsonIf(c.JSON, entries))
		}
		rows := [][]any{{"ID", "WHEN", "WHO", "ACTION", "TO", "OUTCOME", "REASON", "DETAIL"}}
		for _, e := range entries {
			rows = append(rows, []any{e.ID, stamp(e.CreatedAt), e.Actor, e.Action, e.Target, e.Outcome, e.Reason, e.Detail})
		}
		return env.table(rows)
	})
}

type auditVerifyCmd struct {
	Anchor string `help:"Entries and last hash as an earlier report told them, like 1204:9f2c41d0a7b35e68. Finds that the end was cut off, or all of it written anew, even if the file was changed with care." placeholder:"N:HASH"`
	JSON   bool   `name:"json" help:"Print JSON."`
}

func (c auditVerifyCmd) Run(ctx context.Context, env *Environment) error {
	anchors, err := parseAnchor(c.Anchor)
	if err != nil {
		return err
	}
	return env.reading(ctx, func(q *db.Queries) error {
		v, err := auth.VerifyAudit(ctx, q, anchors...)
		if c.JSON {
			return errors.Join(err, env.json(v))
		}
		switch {
		case v.Rows > 0:
			env.printf("%d entries follow each other, the last of %s UTC\nlast hash %s\n", v.Rows, stamp(db.At(v.LastAt)), v.LastHash)
		case err == nil:
			env.printf("The audit is empty.\n")
		}
		return err
	})
}

// parseAnchor reads what a report said; nothing is no anchor.
func parseAnchor(text string) ([]auth.Anchor, error) {
	if text == "" {
		return nil, nil
	}
	rows, hash, _ := strings.Cut(strings.TrimRight(text, "…"), ":")
	n, err := strconv.ParseInt(strings.ReplaceAll(rows, ",", ""), 10, 64)
	if err != nil || n <= 0 || !regexp.MustCompile(`^[0-9a-fA-F]{8,64}$`).MatchString(hash) {
		return nil, fmt.Errorf("--anchor %q is not like 1204:9f2c41d0a7b35e68: the number of entries and the last hash, of which eight characters or more", text)
	}
	return []auth.Anchor{{Rows: n, LastHash: hash}}, nil
}
