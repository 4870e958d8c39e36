package support

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"bursar/app/db"
)

// Place is where a ticket belongs.
type Place struct {
	Queue      string `json:"queue"`
	Priority   string `json:"priority"`
	AssignedTo int64  `json:"assigned_to"` // of users, 0 nobody
}

// PlaceOf is where a ticket belongs now.
func PlaceOf(t db.Ticket) Place { return Place{t.Queue, t.Priority, t.AssignedTo.Int64} }

// MovedFrom is where a ticket belonged before its last move; false if it was never moved, or that was taken back.
func MovedFrom(t db.Ticket) (p Place, ok bool) {
	return p, json.Unmarshal([]byte(t.MovedFrom), &p) == nil
}

// String is a place by ids, for the audit.
func (p Place) String() string {
	return fmt.Sprintf("queue %s, priority %s, assigned to user %d", p.Queue, p.Priority, p.AssignedTo)
}

// Valid says that there is such a queue and priority.
func (p Place) Valid() bool {
	return slices.Contains(Queues[:], p.Queue) && (p.Priority == Normal || p.Priority == Urgent)
}

// Move puts a ticket elsewhere and writes that down in it. It returns what changed, in words, "" if nothing did.
func Move(ctx context.Context, q *db.Queries, t db.Ticket, to Place, author string) (change string, err error) {
	from := PlaceOf(t)
	if from == to {
		return "", nil
	}
	change, err = difference(ctx, q, from, to)
	if err != nil {
		return "", err
	}
	b, err := json.Marshal(from)
	if err != nil {
		return "", err
	}
	back := string(b)
	if before, ok := MovedFrom(t); ok && before == to {
		back = "" // it was taken back
	}
	now := db.Now()
	err = q.PlaceTicket(ctx, db.PlaceTicketParams{Queue: to.Queue, Priority: to.Priority, AssignedTo: db.ID(to.AssignedTo), MovedFrom: back, Now: now, ID: t.ID})
	if err == nil {
		_, err = write(ctx, q, t.ID, fmt.Sprintf("moved:%d:%s:%s:%d", now.UnixMilli(), to.Queue, to.Priority, to.AssignedTo), author, "Moved: "+change+".")
	}
	if err != nil {
		return "", fmt.Errorf("move ticket %d: %w", t.ID, err)
	}
	return change, nil
}

func difference(ctx context.Context, q *db.Queries, from, to Place) (string, error) {
	var parts []string
	if from.Queue != to.Queue {
		parts = append(parts, fmt.Sprintf("queue %s → %s", from.Queue, to.Queue))
	}
	if from.Priority != to.Priority {
		parts = append(parts, fmt.Sprintf("priority %s → %s", from.Priority, to.Priority))
	}
	if from.AssignedTo != to.AssignedTo {
		was, err := personOf(ctx, q, from.AssignedTo)
		if err != nil {
			return "", err
		}
		is, err := personOf(ctx, q, to.AssignedTo)
		if err != nil {
			return "", err
		}
		parts = append(parts, fmt.Sprintf("assigned %s → %s", was, is))
	}
	return strings.Join(parts, ", "), nil
}

func personOf(ctx context.Context, q *db.Queries, id int64) (string, error) {
	if id == 0 {
		return "nobody", nil
	}
	u, err := q.UserByID(ctx, id)
	if err != nil {
		return "", fmt.Errorf("read user %d: %w", id, err)
	}
	return u.Email, nil
}
