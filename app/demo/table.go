package demo

import (
	"slices"
	"time"
)

// object is one JSON object of the API.
type object = map[string]any

// entity is anything with an id that the API can show.
type entity interface {
	ident() string
	render() object // in the shape of version 2023-10-16, freshly made
}

// table keeps objects in the order of their creation, and by id and by owner.
type table[T entity] struct {
	all   []T
	byID  map[string]T
	owned map[string][]T
}

// add stores v and makes it findable through the ids of its owners.
func (t *table[T]) add(v T, owners ...string) {
	if t.byID == nil {
		t.byID, t.owned = map[string]T{}, map[string][]T{}
	}
	t.all = append(t.all, v)
	t.byID[v.ident()] = v
	for _, o := range owners {
		t.own(v, o)
	}
}

// own makes v findable through one more owner; an empty id is none.
func (t *table[T]) own(v T, owner string) {
	if owner != "" {
		t.owned[owner] = append(t.owned[owner], v)
	}
}

// remove forgets v; only endpoints are ever removed, so it need not be fast.
func (t *table[T]) remove(v T) {
	delete(t.byID, v.ident())
	t.all = slices.DeleteFunc(t.all, func(o T) bool { return o.ident() == v.ident() })
}

// of lists what belongs to owner, oldest first; everything when owner is "".
func (t *table[T]) of(owner string) []T {
	if owner == "" {
		return t.all
	}
	return t.owned[owner]
}

// listOf is Stripe's list object for rows that are shown inside another object.
func listOf[T entity](url string, rows []T) object {
	data := make([]any, 0, len(rows))
	for _, r := range rows {
		data = append(data, r.render())
	}
	return object{"object": "list", "url": url, "has_more": false, "data": data}
}

// unix is a time as Stripe writes it: seconds, or null when there is none.
func unix(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.Unix()
}

// orNull is a text, or null when there is none.
func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// labels is metadata, which is never null.
func labels(m map[string]string) object {
	out := make(object, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}
