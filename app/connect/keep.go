package connect

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"bursar/app/crm"
	"bursar/app/db"
	"bursar/app/queue"
)

// The states of a row of external_refs.
const (
	intended = "intended" // about to be created; with tried_at a create was sent, and the process died then
	linked   = "linked"
	unknown  = "unknown"  // a create was sent, and its answer did not come or said nothing
	observed = "observed" // it would be written
	skipped  = "skipped"  // not written: it was observed, and the owner wanted only what changes later
	asking   = "asking"   // a person has to look at it
)

// recreateAfter bounds how often a record that somebody deletes over there is created again.
const recreateAfter = 24 * time.Hour

// Keeper makes records stand at a vendor, each once whatever dies or gets lost.
//
// A row with the record's key is committed before the call that creates it. If nothing is heard of that call, or
// the process dies, the row says so: the next attempt waits for longer than the vendor may take to show what it
// has, and then reads by the key before it creates anything.
type Keeper struct {
	DB       *db.DB
	System   string // like crm:hubspot
	Vendor   Vendor
	Remote   Remote
	Policies crm.Policies // of contacts
	// Linked is called in the transaction in which a contact gets its id over there. Nil: nothing follows from that.
	Linked func(ctx context.Context, q *db.Queries, contact db.ExternalRef) error

	watch *watch
	locks locks
}

// Save makes a record stand as r says, and returns how it stands then. Only what differs is written.
func (k *Keeper) Save(ctx context.Context, r Record) (Found, error) {
	defer k.locks.lock(string(r.Kind) + " " + r.Key)()
	mode, err := k.mode(ctx)
	if err != nil {
		return Found{}, err
	}
	ref, err := k.DB.Read().ExternalRef(ctx, k.System, string(r.Kind), r.Key)
	if err != nil && !errors.Is(err, db.ErrNoRows) {
		return Found{}, fmt.Errorf("read what is known of %s %s: %w", r.Kind, r.Key, err)
	}
	ref.System, ref.Kind, ref.Key, ref.CustomerID = k.System, string(r.Kind), r.Key, r.Person.CustomerID
	if mode == Observe {
		return k.observe(ctx, ref, r)
	}
	if err := k.ready(ctx); err != nil {
		return Found{}, k.failed(ctx, ref, err)
	}
	others, err := k.inherit(ctx, &ref)
	var found *Found
	if err == nil {
		found, err = k.locate(ctx, &ref, r)
	}
	switch {
	case err != nil:
	case found == nil:
		found, err = k.create(ctx, &ref, r)
	default:
		found, err = k.update(ctx, &ref, *found, r)
	}
	if err == nil {
		err = k.askAbout(ctx, others, found.ID)
	}
	if err != nil {
		return Found{}, k.failed(ctx, ref, outcome(err))
	}
	return *found, nil
}

// failed remembers why a record is not written, for the page about the connector.
func (k *Keeper) failed(ctx context.Context, ref db.ExternalRef, err error) error {
	if ref.State == "" {
		ref.State = intended
	}
	ref.Problem = Redact(err.Error())
	if saveErr := k.saveRef(context.WithoutCancel(ctx), ref); saveErr != nil {
		return errors.Join(err, saveErr)
	}
	return err
}

// locate finds the record over there, nil if there is none and one may be created.
func (k *Keeper) locate(ctx context.Context, ref *db.ExternalRef, r Record) (*Found, error) {
	if ref.RemoteID != "" {
		found, err := k.Remote.Read(ctx, r.Kind, ref.RemoteID)
		if err != nil {
			return nil, fmt.Errorf("read %s %s: %w", r.Kind, ref.RemoteID, err)
		}
		if found != nil {
			return found, k.checkOwn(ctx, ref, *found)
		}
	}
	if !ref.TriedAt.IsZero() && !k.Vendor.absorbs(r.Kind) {
		if sure := ref.TriedAt.Add(k.Vendor.lag()); time.Now().Before(sure) {
			return nil, queue.Snooze(sure, fmt.Errorf("whether %s has created this %s is not known; it is looked for then", k.Vendor.Label, r.Kind))
		}
	}
	found, err := k.Remote.Find(ctx, r)
	if err != nil {
		return nil, fmt.Errorf("look for %s %s: %w", r.Kind, r.Key, err)
	}
	if found != nil {
		owner, err := k.owner(ctx, *found, ref)
		if err != nil {
			return nil, err
		}
		if owner == "" || owner == r.Key {
			return found, nil
		}
	}
	if again := ref.LinkedAt.Add(recreateAfter); !ref.LinkedAt.IsZero() && time.Now().Before(again) {
		return nil, queue.Snooze(again, fmt.Errorf("somebody deleted this %s in %s; it is created again at most once a day", r.Kind, k.Vendor.Label))
	}
	return nil, nil
}

// checkOwn asks a person about a record that was merged with one of another customer.
func (k *Keeper) checkOwn(ctx context.Context, ref *db.ExternalRef, found Found) error {
	owner, err := k.owner(ctx, found, ref)
	if err != nil || owner == "" || owner == ref.Key {
		return err
	}
	ref.State = asking
	return queue.Discard(fmt.Errorf("the %s was merged in %s with that of another customer; take them apart there, or join the two customers here",
		ref.Kind, k.Vendor.Label))
}

// owner is the key of ours that a record belongs to, "" if it is nobody's. What is of a customer who was joined with
// this one is this one's.
func (k *Keeper) owner(ctx context.Context, found Found, ref *db.ExternalRef) (string, error) {
	var other db.ExternalRef
	var err error
	if found.Key != "" {
		other, err = k.DB.Read().ExternalRef(ctx, k.System, ref.Kind, found.Key)
	} else {
		other, err = k.DB.Read().ExternalRefByRemote(ctx, k.System, ref.Kind, found.ID)
	}
	if errors.Is(err, db.ErrNoRows) {
		if lost, err := isLost(ctx, k.DB, found.Key); lost || err != nil {
			return "", err
		}
		return found.Key, nil
	}
	if err != nil {
		return "", fmt.Errorf("read whose %s %s is: %w", ref.Kind, found.ID, err)
	}
	if ref.Kind == string(Contact) && other.CustomerID == ref.CustomerID {
		return ref.Key, nil
	}
	return other.Key, nil
}

// create creates a record that is not there. The row is committed before.
func (k *Keeper) create(ctx context.Context, ref *db.ExternalRef, r Record) (*Found, error) {
	ref.State, ref.RemoteID, ref.TriedAt = intended, "", db.Now()
	if err := k.saveRef(ctx, *ref); err != nil {
		return nil, err
	}
	want := r.Fields
	r.Fields = fresh(k.policies(r), want)
	id, err := k.Remote.Create(ctx, r)
	var call *CallError
	switch {
	case errors.Is(err, ErrConflict):
		return k.adopt(ctx, ref, r, want)
	case errors.As(err, &call) && call.refused():
		ref.TriedAt = db.Time{} // nothing was created
		return nil, fmt.Errorf("create %s %s: %w", r.Kind, r.Key, err)
	case err != nil:
		ref.State, ref.TriedAt = unknown, db.Now()
		return nil, fmt.Errorf("create %s %s, and whether that was done is not known: %w", r.Kind, r.Key, err)
	}
	found := Found{ID: id, Key: r.Key, Fields: r.Fields, At: time.Now()}
	var changes []crm.Change
	for _, field := range r.Fields.Names() {
		changes = append(changes, crm.Change{Field: field, New: r.Fields[field]})
	}
	return &found, k.link(ctx, ref, found, r, "create", false, changes)
}

// adopt takes the record that the vendor says is there already.
func (k *Keeper) adopt(ctx context.Context, ref *db.ExternalRef, r Record, want crm.Fields) (*Found, error) {
	ref.TriedAt = db.Time{} // the answer was a no
	found, err := k.Remote.Find(ctx, r)
	if err != nil {
		return nil, fmt.Errorf("look for the %s that is in the way of %s: %w", r.Kind, r.Key, err)
	}
	if found == nil {
		return nil, fmt.Errorf("%s says that there is a %s like %s already, and does not show it yet", k.Vendor.Label, r.Kind, r.Key)
	}
	owner, err := k.owner(ctx, *found, ref)
	if err != nil {
		return nil, err
	}
	if owner != "" && owner != r.Key {
		ref.State = asking
		return nil, queue.Discard(fmt.Errorf("%s has this %s already, and it is another customer's", k.Vendor.Label, r.Kind))
	}
	r.Fields = want
	return k.update(ctx, ref, *found, r)
}

// update writes what differs.
func (k *Keeper) update(ctx context.Context, ref *db.ExternalRef, found Found, r Record) (*Found, error) {
	names := r.Fields.Names()
	changes := k.policies(r).Changes(found.Fields, r.Fields)
	byHand := ref.Hash != "" && ref.Hash != hashOf(found.Fields, names)
	if len(changes) == 0 && found.Key == r.Key {
		return &found, k.link(ctx, ref, found, r, "", byHand, nil)
	}
	only := r
	only.Fields = crm.Fields{}
	for _, c := range changes {
		only.Fields[c.Field] = c.New
	}
	err := k.Remote.Update(ctx, found.ID, only)
	var call *CallError
	if errors.As(err, &call) && call.Status == http.StatusNotFound {
		return nil, fmt.Errorf("%s %s went away while it was written", r.Kind, found.ID) // the next attempt looks again
	}
	if err != nil {
		return nil, fmt.Errorf("write %s %s: %w", r.Kind, found.ID, err)
	}
	found.Key, found.Fields = r.Key, apply(found.Fields, changes)
	return &found, k.link(ctx, ref, found, r, "update", byHand, changes)
}

// link remembers how the record stands, and what was written.
func (k *Keeper) link(ctx context.Context, ref *db.ExternalRef, found Found, r Record, action string, byHand bool, changes []crm.Change) error {
	isNew := ref.State != linked || ref.RemoteID != found.ID
	if ref.LinkedAt.IsZero() || ref.RemoteID != found.ID {
		ref.LinkedAt = db.Now()
	}
	ref.State, ref.RemoteID, ref.TriedAt, ref.Problem = linked, found.ID, db.Time{}, ""
	ref.Hash = hashOf(found.Fields, r.Fields.Names())
	return k.DB.Tx(ctx, func(q *db.Queries) error {
		if r.Kind == Contact {
			if err := q.DropInherited(ctx, db.DropInheritedParams{System: k.System, CustomerID: ref.CustomerID, Key: ref.Key, RemoteID: ref.RemoteID}); err != nil {
				return err
			}
		}
		if err := saveRef(ctx, q, *ref); err != nil {
			return err
		}
		if err := q.DropObservedWrite(ctx, k.System, ref.Kind, ref.Key); err != nil {
			return err
		}
		if isNew && r.Kind == Contact && k.Linked != nil {
			if err := k.Linked(ctx, q, *ref); err != nil {
				return err
			}
		}
		return logWrite(ctx, q, *ref, action, false, byHand, changes)
	})
}

func (k *Keeper) saveRef(ctx context.Context, ref db.ExternalRef) error {
	err := k.DB.Tx(ctx, func(q *db.Queries) error { return saveRef(ctx, q, ref) })
	if err != nil {
		return fmt.Errorf("remember %s %s: %w", ref.Kind, ref.Key, err)
	}
	return nil
}

func saveRef(ctx context.Context, q *db.Queries, ref db.ExternalRef) error {
	return q.SaveExternalRef(ctx, db.SaveExternalRefParams{System: ref.System, Kind: ref.Kind, Key: ref.Key, CustomerID: ref.CustomerID,
		RemoteID: ref.RemoteID, State: ref.State, Hash: ref.Hash, Problem: ref.Problem, TriedAt: ref.TriedAt, LinkedAt: ref.LinkedAt, UpdatedAt: db.Now()})
}
