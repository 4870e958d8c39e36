package connect

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"bursar/app/crm"
	"bursar/app/db"
)

// observe records what Save would write.
func (k *Keeper) observe(ctx context.Context, ref db.ExternalRef, r Record) (Found, error) {
	var found *Found
	var err error
	if ref.RemoteID != "" {
		found, err = k.Remote.Read(ctx, r.Kind, ref.RemoteID)
	}
	if found == nil && err == nil {
		found, err = k.Remote.Find(ctx, r)
	}
	if err != nil {
		return Found{}, k.failed(ctx, ref, outcome(fmt.Errorf("look for %s %s: %w", r.Kind, r.Key, err)))
	}
	action, stands := "update", Found{Key: r.Key, Fields: crm.Fields{}}
	var changes []crm.Change
	if found == nil {
		action = "create"
		for _, field := range r.Fields.Names() {
			if value := fresh(k.policies(r), r.Fields)[field]; value != "" {
				changes = append(changes, crm.Change{Field: field, New: value})
			}
		}
	} else {
		stands = *found
		changes = k.policies(r).Changes(found.Fields, r.Fields)
	}
	stands.Fields = apply(stands.Fields, changes)
	if ref.State == "" || ref.State == skipped {
		ref.State = observed
	}
	ref.Problem = ""
	return stands, k.DB.Tx(ctx, func(q *db.Queries) error {
		if err := saveRef(ctx, q, ref); err != nil {
			return err
		}
		if err := q.DropObservedWrite(ctx, k.System, ref.Kind, ref.Key); err != nil {
			return err
		}
		return logWrite(ctx, q, ref, action, true, false, changes)
	})
}

// maxShown bounds a value in the list of writes, in bytes.
const maxShown = 200

func logWrite(ctx context.Context, q *db.Queries, ref db.ExternalRef, action string, only, byHand bool, changes []crm.Change) error {
	if len(changes) == 0 {
		return nil
	}
	if is, err := erased(ctx, q, ref.CustomerID); err != nil || is {
		return err // while the call was under way
	}
	shown := slices.Clone(changes)
	for i := range shown {
		shown[i].Old, shown[i].New = cut(shown[i].Old), cut(shown[i].New)
	}
	text, err := json.Marshal(shown)
	if err != nil {
		return err
	}
	return q.InsertExternalWrite(ctx, db.InsertExternalWriteParams{System: ref.System, Kind: ref.Kind, Key: ref.Key, CustomerID: ref.CustomerID,
		Observed: only, Action: action, ByHand: byHand, Changes: string(text), CreatedAt: db.Now()})
}

func cut(text string) string {
	if len(text) <= maxShown {
		return text
	}
	return strings.ToValidUTF8(text[:maxShown], "") + "…"
}
