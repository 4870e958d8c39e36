package reconcile

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"

	"bursar/app/customer"
	"bursar/app/db"
)

// alike are the addresses of everybody, sixteen bytes each.
type alike struct {
	seed maphash.Seed
	list []addressOf
}

type addressOf struct {
	hash uint64
	id   int64
}

func newAlike() *alike { return &alike{seed: maphash.MakeSeed()} }

func (a *alike) add(c db.Customer) {
	if address := customer.Mailbox(c.Email); address != "" && !c.Deleted {
		a.list = append(a.list, addressOf{maphash.String(a.seed, address), c.ID})
	}
}

// compareAlike finds customers with the same address, each with the oldest of them.
func (c *comparison) compareAlike(ctx context.Context, a *alike) error {
	slices.SortFunc(a.list, func(x, y addressOf) int {
		return cmp.Or(cmp.Compare(x.hash, y.hash), cmp.Compare(x.id, y.id))
	})
	for from := 0; from < len(a.list); {
		to := from + 1
		for to < len(a.list) && a.list[to].hash == a.list[from].hash {
			to++
		}
		for _, other := range a.list[from+1 : to] {
			if err := c.addAlike(ctx, a.list[from].id, other.id); err != nil {
				return err
			}
		}
		from = to
	}
	return nil
}

func (c *comparison) addAlike(ctx context.Context, first, second int64) error {
	ids, err := json.Marshal([]int64{first, second})
	if err != nil {
		return err
	}
	rows, err := c.DB.Read().PageOfCustomers(ctx, string(ids))
	if err != nil || len(rows) < 2 || customer.Mailbox(rows[0].Email) != customer.Mailbox(rows[1].Email) {
		return err // one has gone meanwhile
	}
	a, err := customer.Load(ctx, c.DB.Read(), first)
	if err != nil {
		return err
	}
	b, err := customer.Load(ctx, c.DB.Read(), second)
	if err != nil {
		return err
	}
	return c.add(ctx, finding{kind: duplicateCustomers, subject: fmt.Sprintf("%d+%d", first, second), customerID: first,
		expected: "one customer", actual: fmt.Sprintf("customers %d and %d", first, second),
		reason: reason{cause: Duplicate, evidence: evidenceOf(a, b), at: b.Record.CreatedAt.Time}})
}

// evidenceOf says what speaks for two customers being one, and what against it.
func evidenceOf(a, b customer.Facts) string {
	pro, contra := customer.Alike(a, b)
	text := "For: " + strings.Join(pro, ", ")
	if len(contra) > 0 {
		text += ". Against: " + strings.Join(contra, ", ")
	}
	return text
}
