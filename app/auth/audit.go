package auth

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os/user"
	"strings"
	"unicode/utf8"

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

// Entry is a row of the audit: who did what, to what, and why. A text longer than 2,000 bytes is cut.
type Entry struct {
	Actor   string // e-mail address, a program, or who used the command line
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

// ByCommand is an entry about what somebody did with a command on the machine itself.
func ByCommand(action, target, detail string) Entry {
	who := "somebody"
	if u, err := user.Current(); err == nil {
		who = u.Username
	}
	return Entry{Actor: who + " on the command line", Action: action, Target: target, Outcome: Done, Detail: detail}
}

// Audit writes an entry in the transaction of q, chained to the row before it. All writes come one after
// the other, so that row is the last one also when this one is kept.
func Audit(ctx context.Context, q *db.Queries, e Entry) error {
	last, err := q.LastAudit(ctx)
	if err == nil || errors.Is(err, db.ErrNoRows) {
		row := db.Audit{ID: last.ID + 1, CreatedAt: db.Now(), Actor: text(e.Actor), Role: text(string(e.Role)), Address: text(e.Address),
			Action: text(e.Action), Target: text(e.Target), Outcome: e.Outcome, Reason: text(e.Reason), Before: text(e.Before),
			After: text(e.After), Detail: text(e.Detail), PrevHash: append([]byte{}, last.Hash...)}
		row.Hash = sum(row)
		err = q.InsertAudit(ctx, db.InsertAuditParams(row))
	}
	if err != nil {
		return fmt.Errorf("write to the audit that %s was %s: %w", e.Action, e.Outcome, err)
	}
	return nil
}

// sum is the hash of a row: SHA-256 of its fields in the order of the table, numbers as eight bytes and
// texts with their length before them, so that no two rows read the same.
func sum(row db.Audit) []byte {
	h := sha256.New()
	number := func(n int64) { h.Write(binary.BigEndian.AppendUint64(nil, uint64(n))) }
	number(row.ID)
	number(row.CreatedAt.UnixMilli())
	for _, field := range []string{row.Actor, row.Role, row.Address, row.Action, row.Target, row.Outcome, row.Reason,
		row.Before, row.After, row.Detail, string(row.PrevHash)} {
		number(int64(len(field)))
		h.Write([]byte(field))
	}
	return h.Sum(nil)
}

const maxAuditText = 2000

// text is fit to be stored and read back the same: whole characters without NUL, which would end it in
// some readers, and not without end, since part of it is what strangers send.
func text(s string) string {
	s = strings.ToValidUTF8(s[:min(len(s), maxAuditText+utf8.UTFMax)], "\ufffd")
	s = strings.ReplaceAll(s, "\x00", "")
	if len(s) <= maxAuditText {
		return s
	}
	cut := maxAuditText
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
