package server

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"bursar/app/auth"
	"bursar/app/customer"
	"bursar/app/db"
	"bursar/app/mail"
)

// joinsPart is what the page of a customer says of others who are, or look like, the same person.
type joinsPart struct {
	Candidates []candidate
	Joined     []joinedRow
	Contacts   []string
	MayMerge   bool
}

// candidate is somebody who looks like the same person.
type candidate struct {
	Who  link
	ID   int64
	Path string // of the preview
	Why  string
}

// joinedRow is a customer that was joined into this one.
type joinedRow struct {
	db.Merge
	Undo string // "" if it cannot be taken back
	Why  string // it cannot
}

func readJoins(ctx context.Context, q *db.Queries, f customer.Facts, role auth.Role) (p joinsPart, err error) {
	p.MayMerge = role.May(auth.MergeCustomers)
	if p.Candidates, err = candidates(ctx, q, f); err != nil {
		return p, err
	}
	merges, err := q.MergesInto(ctx, f.Record.ID)
	if err != nil {
		return p, fmt.Errorf("read who was joined with customer %d: %w", f.Record.ID, err)
	}
	for _, m := range merges {
		row := joinedRow{Merge: m, Undo: unmergePath(m.ID)}
		row.Reason = mail.Line(m.Reason, lineLength)
		if err := customer.Separable(ctx, q, m); errors.Is(err, customer.ErrMerge) {
			row.Undo, row.Why = "", reasonOf(err)
		} else if err != nil {
			return p, err
		}
		p.Joined = append(p.Joined, row)
	}
	p.Contacts, err = contactsElsewhere(ctx, q, f.Record.ID)
	return p, err
}

// candidates are those with the same address, and those that the comparison found; none that somebody dismissed.
func candidates(ctx context.Context, q *db.Queries, f customer.Facts) (list []candidate, err error) {
	id := f.Record.ID
	findings, err := q.FindingsOfPair(ctx, strconv.FormatInt(id, 10))
	if err != nil {
		return nil, fmt.Errorf("read who is like customer %d: %w", id, err)
	}
	known := map[int64]bool{id: true}
	add := func(c db.Customer, why string) {
		list = append(list, candidate{nameLink(c.Name, c.Email, c.ID), c.ID, fmt.Sprintf("%s/merge?with=%d", customerPath(id), c.ID), why})
	}
	for _, found := range findings {
		var a, b int64
		if _, err := fmt.Sscanf(found.Subject, "%d+%d", &a, &b); err != nil {
			continue
		}
		other := a + b - id
		c, err := q.CustomerByID(ctx, other)
		if errors.Is(err, db.ErrNoRows) || known[other] {
			continue
		}
		if err != nil {
			return nil, err
		}
		if known[other] = true; found.State == "open" {
			add(c, mail.Line(found.Evidence, lineLength))
		}
	}
	if f.Record.Email == "" {
		return list, nil
	}
	same, err := q.CustomersByEmail(ctx, f.Record.Email)
	for _, c := range same {
		if !known[c.ID] && c.ErasedAt.IsZero() && !c.Deleted {
			add(c, "For: the same mailbox, "+mail.Line(c.Email, maxName))
		}
	}
	return list, err
}
