package demo

import (
	"slices"
)

// Fail arranges a fault. Faults that were arranged earlier come first.
func (v *Vendor) Fail(f APIFault) {
	v.mu.Lock()
	defer v.mu.Unlock()
	f.Count = max(f.Count, 1)
	v.faults = append(v.faults, &f)
}

// Lose makes a share of all answers get lost after the work was done.
func (v *Vendor) Lose(share float64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.lose = share
}

// Down cuts every connection without doing anything, until Down(false).
func (v *Vendor) Down(is bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.down = is
}

// Revoke makes the token bad, or good again.
func (v *Vendor) Revoke(is bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.revoked = is
}

// Requests are all so far, in order.
func (v *Vendor) Requests() []Asked {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.requests)
}

// Records are the fields of all records of a kind that are not deleted, each with its "id", oldest first.
func (v *Vendor) Records(kind string) (list []map[string]string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, r := range v.shelves[kind] {
		if r.archived {
			continue
		}
		one := map[string]string{"id": r.id}
		for name, value := range r.fields {
			one[name] = value
		}
		list = append(list, one)
	}
	return list
}

// Edit changes a record by hand.
func (v *Vendor) Edit(kind, id string, fields map[string]string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if r := v.record(kind, id); r != nil {
		r.set(fields)
	}
}

// Delete deletes a record by hand.
func (v *Vendor) Delete(kind, id string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if r := v.record(kind, id); r != nil {
		r.archived = true
	}
}

// Merge makes one record of two: what asks for the second gets the first.
func (v *Vendor) Merge(kind, into, from string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if r := v.record(kind, from); r != nil {
		r.archived, r.mergedTo = true, into
	}
}

// Add puts a record there by hand and returns its id.
func (v *Vendor) Add(kind string, fields map[string]string) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.add(kind, fields).id
}
