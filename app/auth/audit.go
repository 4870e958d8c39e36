package auth

import (
	"context"
	"fmt"

	"bursar/app/db"
)

// What a row of the audit says of its action.
const (
	Asked   = "asked" // about to be done; its outcome is a later row
	Done    = "done"
	Denied  = "denied"
	Failed  = "failed"
	Unknown = "unknown" // nobody can tell yet whether it was done
)

// Entry is a row of the audit: who did what, to what, and why.
type Entry struct {
	Actor   string // e-mail address, or bursar
	Role    Role
	Address string // where the request came from, "" on the command line
	Action  string // like jobs.retry: the thing and the verb
	Target  string // what it was done to, by an id and not by a name
	Outcome string
	Reason  string // as the person gave it
	Before  string
	After   string
	Detail  string
}

// Audit writes an entry in the transaction of q.
func Audit(ctx context.Context, q *db.Queries, e Entry) error {
	err := q.InsertAudit(ctx, db.InsertAuditParams{CreatedAt: db.Now(), Actor: e.Actor, Role: string(e.Role), Address: e.Address,
		Action: e.Action, Target: e.Target, Outcome: e.Outcome, Reason: e.Reason, Before: e.Before, After: e.After, Detail: e.Detail})
	if err != nil {
		return fmt.Errorf("write to the audit that %s was %s: %w", e.Action, e.Outcome, err)
	}
	return nil
}
