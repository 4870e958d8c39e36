package auth

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"bursar/app/db"
	"bursar/app/queue"
)

// ErrAudit is what VerifyAudit says, with the first broken link, of an audit that somebody changed.
var ErrAudit = errors.New("the audit is broken")

// Verified is what VerifyAudit read: how many rows, and the last of them.
type Verified struct {
	Rows     int64     `json:"rows"`
	LastHash string    `json:"last_hash"` // in hex, "" of an empty audit
	LastAt   time.Time `json:"last_at"`
}

// Anchor is a length of the audit and the hash that its last row had then, in hex, or the beginning of it.
// Kept elsewhere, as in yesterday's mail, it shows that the end was cut off or all was written anew.
type Anchor struct {
	Rows     int64
	LastHash string
}

const verifyPage = 1000

// VerifyAudit follows the chain from the first row to the last and past each anchor; that of the last
// nightly check is one of them. Its error is ErrAudit with the first broken link, or that it could not be
// read; what it gives beside an error is how far the chain is whole.
func VerifyAudit(ctx context.Context, q *db.Queries, anchors ...Anchor) (Verified, error) {
	state, err := LastAuditCheck(ctx, q)
	if err != nil {
		return Verified{}, err
	}
	anchors = append(anchors, Anchor{state.Rows, state.LastHash})
	var v Verified
	var last []byte
	for {
		rows, err := q.AuditSince(ctx, v.Rows, verifyPage)
		if err != nil {
			return v, fmt.Errorf("read the audit after entry %d: %w", v.Rows, err)
		}
		for _, row := range rows {
			if err := checkLink(row, v.Rows, last, anchors); err != nil {
				return v, err
			}
			last = row.Hash
			v = Verified{Rows: row.ID, LastHash: hex.EncodeToString(row.Hash), LastAt: row.CreatedAt.Time}
		}
		if len(rows) < verifyPage {
			break
		}
	}
	for _, a := range anchors {
		if a.Rows > v.Rows {
			return v, fmt.Errorf("%w: it ends with entry %d, and had %d when it was checked: the end is cut off", ErrAudit, v.Rows, a.Rows)
		}
	}
	return v, nil
}

// checkLink holds a row against the one before it, and against the anchors of its place.
func checkLink(row db.Audit, before int64, last []byte, anchors []Anchor) error {
	switch {
	case row.ID == before+2:
		return fmt.Errorf("%w at entry %d: it is missing", ErrAudit, before+1)
	case row.ID != before+1:
		return fmt.Errorf("%w at entry %d: it and those up to entry %d are missing", ErrAudit, before+1, row.ID-1)
	case !bytes.Equal(row.Hash, sum(row)):
		return fmt.Errorf("%w at entry %d: it was changed after it was written", ErrAudit, row.ID)
	case !bytes.Equal(row.PrevHash, last):
		return fmt.Errorf("%w at entry %d: it does not follow the entry before it, which is another one than there was", ErrAudit, row.ID)
	}
	for _, a := range anchors {
		if a.Rows == row.ID && !strings.HasPrefix(hex.EncodeToString(row.Hash), strings.ToLower(a.LastHash)) {
			return fmt.Errorf("%w at entry %d or before: the hash is not the one it had when it was checked; the entries were written anew", ErrAudit, row.ID)
		}
	}
	return nil
}

// AuditCheck is what the last nightly check found.
type AuditCheck struct {
	Verified // of the last check that found it whole
	At       time.Time
	Broken   string // the first broken link, "" if it is whole
}

const auditCheckMeta = "audit_check"

// LastAuditCheck is the zero value before the first one.
func LastAuditCheck(ctx context.Context, q *db.Queries) (AuditCheck, error) {
	var c AuditCheck
	kept, err := q.Meta(ctx, auditCheckMeta)
	switch {
	case errors.Is(err, db.ErrNoRows):
		return c, nil
	case err == nil:
		err = json.Unmarshal([]byte(kept), &c)
	}
	if err != nil {
		return c, fmt.Errorf("read the last check of the audit: %w", err)
	}
	return c, nil
}

// CheckAudit is the job that verifies the audit and keeps what it found.
type CheckAudit struct{}

func (CheckAudit) Kind() string { return "check_audit" }

// Key is the same for all: one check is enough.
func (CheckAudit) Key() string { return "audit" }

// HandleCheckAudit registers CheckAudit.
func HandleCheckAudit(w *queue.Worker) {
	queue.Handle(w, queue.Options{Timeout: 10 * time.Minute}, func(ctx context.Context, _ CheckAudit) error {
		return checkAudit(ctx, w.DB)
	})
}

// checkAudit keeps the anchor of the last good check when it finds the audit broken: else the next check
// would take the broken end for the right one.
func checkAudit(ctx context.Context, d *db.DB) error {
	state, err := LastAuditCheck(ctx, d.Read())
	if err != nil {
		return err
	}
	verified, err := VerifyAudit(ctx, d.Read())
	switch {
	case err == nil:
		state.Verified, state.Broken = verified, ""
	case errors.Is(err, ErrAudit):
		state.Broken = err.Error()
	default:
		return err
	}
	state.At = time.Now().UTC()
	kept, err := json.Marshal(state)
	if err != nil {
		return err
	}
	return d.Tx(ctx, func(q *db.Queries) error { return q.KeepMeta(ctx, auditCheckMeta, string(kept)) })
}
