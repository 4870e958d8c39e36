package connect

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"

	"bursar/app/crm"
)

// The fields of tickets, tasks, notes and messages; those of contacts are in package crm.
const (
	Subject  = "subject"  // of a ticket or task
	Body     = "body"     // of all of them
	Queue    = "queue"    // of a ticket: a queue of package support
	Priority = "priority" // of a ticket: normal or urgent
	Tags     = "tags"     // of a ticket, separated by commas
	State    = "state"    // of a ticket or task: Open or Closed
	Author   = "author"   // of a ticket or message: bursar, customer, or an e-mail address
	About    = "about"    // of a ticket: remote id of the contact it is about, where contacts are the same vendor's
)

// The values of State.
const (
	Open   = "open"
	Closed = "closed"
)

// policies of a record. Of what is not a contact, people over there go on with what was created: only that a task
// is done is written again.
func (k *Keeper) policies(r Record) crm.Policies {
	if r.Kind == Contact {
		return k.Policies
	}
	p := crm.Policies{}
	for field := range r.Fields {
		p[field] = crm.Fill
	}
	if r.Kind == Task && r.Fields[State] == Closed {
		p[State] = crm.Overwrite
	}
	return p
}

// fresh is what is written into a new record: everything that may be, and is not empty.
func fresh(p crm.Policies, want crm.Fields) crm.Fields {
	f := crm.Fields{}
	for field, value := range want {
		if value != "" && p[field] != crm.Never {
			f[field] = value
		}
	}
	return f
}

// apply is f with the changes made.
func apply(f crm.Fields, changes []crm.Change) crm.Fields {
	next := maps.Clone(f)
	if next == nil {
		next = crm.Fields{}
	}
	for _, c := range changes {
		next[c.Field] = c.New
	}
	return next
}

// hashOf the named fields, to notice that somebody changed them over there.
func hashOf(f crm.Fields, names []string) string {
	h := sha256.New()
	for _, name := range names {
		if value, kept := f[name]; kept {
			fmt.Fprintf(h, "%q=%q\n", name, value)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
