package connect

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"bursar/app/crm"
	"bursar/app/db"
	"bursar/app/queue"
)

// GoLive says what becomes of what stands here already, in the transaction in which the connector goes live: with
// catchUp it is written by jobs, without only what changes from then on is.
func (k *Keeper) GoLive(ctx context.Context, q *db.Queries, catchUp bool) error {
	if catchUp {
		return queue.Insert(ctx, q, CatchUp{System: k.System})
	}
	now := time.Now().UnixMilli()
	if _, err := q.SkipObserved(ctx, db.Now(), k.System); err != nil {
		return err
	}
	if k.isDesk() {
		return q.SkipUnknownTickets(ctx, k.System, now)
	}
	own, err := ownKeys(ctx, k.DB)
	if err != nil {
		return err
	}
	return errors.Join(q.SkipUnknownContacts(ctx, k.System, own, now), q.SkipUnknownTasks(ctx, k.System, now))
}

func (k *Keeper) isDesk() bool { return strings.HasPrefix(k.System, AreaDesk+":") }

// catchUp queues the jobs that write what was observed, and what nobody has looked at since the connector is there.
func (k *Keeper) catchUp(ctx context.Context) error {
	if mode, err := k.mode(ctx); err != nil || mode != Live {
		return err
	}
	after := db.ObservedRefsParams{System: k.System, N: 200}
	err := inPages(ctx, k.DB, after.N, func(q *db.Queries) (int, error) {
		refs, err := q.ObservedRefs(ctx, after)
		for _, ref := range refs {
			if after.Kind, after.Key = ref.Kind, ref.Key; err == nil {
				err = rewrite(ctx, q, ref)
			}
		}
		return len(refs), err
	})
	if err == nil && k.isDesk() {
		err = k.catchUpTickets(ctx)
	} else if err == nil {
		err = errors.Join(k.catchUpContacts(ctx), k.catchUpTasks(ctx))
	}
	if err != nil {
		return fmt.Errorf("queue what %s has to catch up with: %w", k.System, err)
	}
	return nil
}

// inPages calls do, each time in a transaction of its own, until it had less than a page.
func inPages(ctx context.Context, d *db.DB, size int64, do func(q *db.Queries) (n int, err error)) error {
	for n := int(size); n == int(size); {
		err := d.Tx(ctx, func(q *db.Queries) (err error) {
			n, err = do(q)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (k *Keeper) catchUpTickets(ctx context.Context) error {
	after := int64(0)
	return inPages(ctx, k.DB, 200, func(q *db.Queries) (int, error) {
		tickets, err := q.TicketsBehind(ctx, after, k.System, 200)
		for _, t := range tickets {
			if after = t.ID; err == nil {
				err = queue.Insert(ctx, q, PushTicket{t.Cause})
			}
		}
		return len(tickets), err
	})
}

func (k *Keeper) catchUpContacts(ctx context.Context) error {
	own, err := ownKeys(ctx, k.DB)
	if err != nil {
		return err
	}
	after := db.UnknownContactsParams{System: k.System, Own: own, N: 200}
	return inPages(ctx, k.DB, after.N, func(q *db.Queries) (int, error) {
		contacts, err := q.UnknownContacts(ctx, after)
		for _, c := range contacts {
			if after.After = c.ID; err == nil {
				err = queue.Insert(ctx, q, crm.SyncContact{Contact: crm.Stored(c)})
			}
		}
		return len(contacts), err
	})
}

func (k *Keeper) catchUpTasks(ctx context.Context) error {
	after := int64(0)
	return inPages(ctx, k.DB, 200, func(q *db.Queries) (int, error) {
		tasks, err := q.UnknownTasks(ctx, after, k.System, 200)
		for _, t := range tasks {
			if after = t.ID; err == nil {
				err = queue.Insert(ctx, q, crm.SyncTask{Task: crm.Task{CustomerID: t.CustomerID, Cause: t.Cause, Title: t.Title}})
			}
		}
		return len(tasks), err
	})
}

// rewrite queues the job that writes a record as it stands here; none if it is gone.
func rewrite(ctx context.Context, q *db.Queries, ref db.ExternalRef) error {
	var job queue.Args
	var err error
	kind, key := Kind(ref.Kind), ref.Key
	for _, begin := range []string{toDoNote, doneNote} {
		if cause, is := strings.CutPrefix(key, begin); is && kind == Note {
			kind, key = Task, cause
		}
	}
	switch kind {
	case Contact:
		var row db.Contact
		row, err = q.ContactOf(ctx, ref.CustomerID)
		job = crm.SyncContact{Contact: crm.Stored(row)}
	case Task:
		var t db.Task
		t, err = q.TaskByCause(ctx, key)
		job = crm.SyncTask{Task: crm.Task{CustomerID: t.CustomerID, Cause: t.Cause, Title: t.Title}, Done: !t.DoneAt.IsZero()}
	case Note:
		var n db.Note
		n, err = q.NoteByCause(ctx, key)
		job = crm.WriteNote{Note: crm.Note{CustomerID: n.CustomerID, Cause: n.Cause, Text: n.Text}}
	case Ticket:
		job = PushTicket{key}
	default:
		return nil // a message goes with its ticket
	}
	if errors.Is(err, db.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	return queue.Insert(ctx, q, job)
}
