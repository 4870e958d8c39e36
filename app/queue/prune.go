package queue

import (
	"context"
	"time"

	"bursar/app/db"
)

// keepFinished is how long jobs that need nobody any more are kept to be looked at.
const keepFinished = 7 * 24 * time.Hour

// Prune is the job that deletes old completed and cancelled jobs. Discarded ones stay until a person
// has dealt with them.
type Prune struct{}

func (Prune) Kind() string { return "prune" }

// Key is the same for all: one prune is enough.
func (Prune) Key() string { return "jobs" }

// HandlePrune registers Prune.
func HandlePrune(w *Worker) {
	Handle(w, Options{}, func(ctx context.Context, _ Prune) error {
		return w.DB.Tx(ctx, func(q *db.Queries) error {
			_, err := q.PruneJobs(ctx, db.At(time.Now().Add(-keepFinished)))
			return err
		})
	})
}
