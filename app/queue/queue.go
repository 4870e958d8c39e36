// Package queue is the jobs table: work that is stored in the transaction that causes it, done by
// workers of this process, retried, and never lost. The words are River's (https://riverqueue.com/docs).
//
// A job is waiting (available, or retryable after an error), running, or final: completed, discarded
// (it needs a person) or cancelled (a newer job of the same kind and key took its place, a person set it
// aside, or a backup was restored). There is at most one waiting and one running job of each kind and key,
// so bursts join, jobs of one thing never overlap, and what arrives while a job runs is worked on after it.
package queue

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"bursar/app/db"
)

// The states of a job.
const (
	Available = "available"
	Running   = "running"
	Retryable = "retryable"
	Completed = "completed"
	Discarded = "discarded"
	Cancelled = "cancelled"
)

// Args says what to do. It is stored as JSON, so its fields must be exported.
type Args interface {
	Kind() string // the handler's name, like sync_customer
	Key() string  // what it is about; two jobs with the same kind and key must be able to stand for each other
}

// maxAttempts with retryDelay makes a job wait for about a day and a half before it is discarded.
const maxAttempts = 15

// Insert stores a job in the transaction of q; it runs after the commit. Where one of its kind and key
// waits already, that one takes the new args.
func Insert(ctx context.Context, q *db.Queries, args Args) error {
	return InsertAt(ctx, q, args, time.Now())
}

// InsertAt stores a job that runs at a time, or earlier if it is inserted again for an earlier one. One
// that waits after an error keeps its time: a burst of reasons must not use up its attempts.
func InsertAt(ctx context.Context, q *db.Queries, args Args, at time.Time) error {
	_, err := insert(ctx, q, args, at)
	return err
}

// Join is Insert for callers who can do something meanwhile: held says that the job waits after an error.
func Join(ctx context.Context, q *db.Queries, args Args) (held bool, err error) {
	changed, err := insert(ctx, q, args, time.Now())
	if err != nil || !changed {
		return false, err
	}
	job, err := q.WaitingJob(ctx, args.Kind(), args.Key())
	if err != nil {
		return false, fmt.Errorf("read the waiting job %s of %s: %w", args.Kind(), args.Key(), err)
	}
	return job.State == Retryable, nil
}

// Hurry is InsertAt for somebody who asks, or looked: also a job that waits after an error runs then.
func Hurry(ctx context.Context, q *db.Queries, args Args, at time.Time) error {
	if changed, err := insert(ctx, q, args, at); err != nil || !changed {
		return err
	}
	if err := q.HurryJob(ctx, db.At(at), args.Kind(), args.Key()); err != nil {
		return fmt.Errorf("hurry job %s of %s: %w", args.Kind(), args.Key(), err)
	}
	return nil
}

// insert says whether it wrote anything: not where it joined a job that needed no change.
func insert(ctx context.Context, q *db.Queries, args Args, at time.Time) (changed bool, err error) {
	text, err := json.Marshal(args)
	if err != nil {
		return false, fmt.Errorf("insert job %s: %w", args.Kind(), err)
	}
	n, err := q.InsertJob(ctx, db.InsertJobParams{Kind: args.Kind(), Key: args.Key(), Args: string(text),
		MaxAttempts: maxAttempts, Now: db.Now(), ScheduledAt: db.At(at)})
	if err != nil {
		return false, fmt.Errorf("insert job %s of %s: %w", args.Kind(), args.Key(), err)
	}
	return n > 0, nil
}

// AttemptError is one entry of a job's errors.
type AttemptError struct {
	At      time.Time `json:"at"`
	Attempt int64     `json:"attempt"`
	Error   string    `json:"error"`
}

// Errors decodes the errors of a job, oldest first.
func Errors(job db.Job) []AttemptError {
	var list []AttemptError
	json.Unmarshal([]byte(job.Errors), &list) // the column is checked to be JSON of our own writing
	return list
}

const (
	keptErrors   = 10
	maxErrorText = 500 // bytes
)

// withError adds an error to the job's, keeping the newest few.
func withError(job db.Job, err error) string {
	text := err.Error()
	if len(text) > maxErrorText {
		text = strings.ToValidUTF8(text[:maxErrorText], "") + "…" // a rune may be cut in two
	}
	list := append(Errors(job), AttemptError{At: time.Now().UTC(), Attempt: job.Attempt, Error: text})
	if len(list) > keptErrors {
		list = list[len(list)-keptErrors:]
	}
	b, _ := json.Marshal(list) // strings and numbers only
	return string(b)
}
