package demo

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// call is one request to the API: the path, and the parameters of query and form.
type call struct {
	*http.Request
	s     *Stripe
	form  url.Values
	route route

	endless bool // see Endless
}

// id is the id in the path.
func (c *call) id() string { return c.PathValue("id") }

// has is true when the parameter was sent, even if empty.
func (c *call) has(name string) bool { return c.form.Has(name) }

func (c *call) text(name string) string { return c.form.Get(name) }

// set overwrites a field with a parameter that was sent; empty unsets it.
func (c *call) set(name string, field *string) {
	if c.has(name) {
		*field = c.text(name)
	}
}

// first is the first of the parameters that was sent with a value.
func (c *call) first(names ...string) string {
	for _, name := range names {
		if v := c.text(name); v != "" {
			return v
		}
	}
	return ""
}

// number reads an integer.
func (c *call) number(name string, otherwise int64) (int64, error) {
	if c.text(name) == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(c.text(name), 10, 64)
	if err != nil {
		return 0, invalid("parameter_invalid_integer", name, "Invalid integer: "+c.text(name))
	}
	return n, nil
}

// truth reads a boolean.
func (c *call) truth(name string) (bool, error) {
	switch c.text(name) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, invalid("parameter_invalid_boolean", name, "Invalid boolean: "+c.text(name))
}

// moment reads a Unix time; the zero time when it is not there.
func (c *call) moment(name string) (time.Time, error) {
	n, err := c.number(name, 0)
	if err != nil || n == 0 {
		return time.Time{}, err
	}
	return time.Unix(n, 0).UTC(), nil
}

// list reads name[], or name[0], name[1] …
func (c *call) list(name string) []string {
	out := slices.Clone(c.form[name+"[]"])
	for i := 0; c.has(name + "[" + strconv.Itoa(i) + "]"); i++ {
		out = append(out, c.text(name+"["+strconv.Itoa(i)+"]"))
	}
	return out
}

// metadata is old with the changes of the call: an empty value removes a key, an empty
// metadata removes all.
func (c *call) metadata(old map[string]string) map[string]string { return c.labels("metadata", old) }

func (c *call) labels(name string, old map[string]string) map[string]string {
	out := cloneLabels(old)
	if c.has(name) && c.text(name) == "" {
		clear(out)
	}
	for param := range c.form {
		inner, ok := strings.CutPrefix(param, name+"[")
		if !ok {
			continue
		}
		if key := strings.TrimSuffix(inner, "]"); c.text(param) == "" {
			delete(out, key)
		} else {
			out[key] = c.text(param)
		}
	}
	return out
}

// is holds for any value when the filter was not sent.
func (c *call) is(filter, value string) bool { return !c.has(filter) || c.text(filter) == value }

// agrees is is for booleans.
func (c *call) agrees(filter string, value bool) bool { return c.is(filter, strconv.FormatBool(value)) }

// createdWithin applies created, created[gt], created[gte], created[lt] and created[lte].
func (c *call) createdWithin(t time.Time) bool {
	bound := func(name string, holds func(limit int64) bool) bool {
		limit, err := strconv.ParseInt(c.text(name), 10, 64)
		return err != nil || holds(limit)
	}
	at := t.Unix()
	return bound("created", func(l int64) bool { return at == l }) &&
		bound("created[gt]", func(l int64) bool { return at > l }) &&
		bound("created[gte]", func(l int64) bool { return at >= l }) &&
		bound("created[lt]", func(l int64) bool { return at < l }) &&
		bound("created[lte]", func(l int64) bool { return at <= l })
}

// checkNames refuses parameters that the route does not know, so that a typing error in a
// caller cannot pass unnoticed.
func (c *call) checkNames() error {
	known := strings.Fields(c.route.params)
	for name := range c.form {
		base, _, _ := strings.Cut(name, "[")
		if base != "expand" && !slices.Contains(known, base) && !slices.Contains(known, name) {
			return unknownParam(name)
		}
	}
	return nil
}

// fingerprint identifies the request for its idempotency key.
func (c *call) fingerprint() string { return c.Method + " " + c.URL.Path + " " + c.form.Encode() }

// among holds when wanted is empty or names value.
func among(wanted []string, value string) bool {
	return len(wanted) == 0 || slices.Contains(wanted, value)
}

// find looks an object of the path up.
func find[T entity](t *table[T], kind, id string) (T, error) {
	v, ok := t.byID[id]
	if !ok {
		return v, missing(kind, id, "id")
	}
	return v, nil
}

// page is one page of the rows that keep accepts, the newest first
// (https://docs.stripe.com/api/pagination).
func page[T entity](c *call, rows []T, keep func(T) bool) (object, error) {
	limit, err := c.number("limit", 10)
	switch {
	case err != nil:
		return nil, err
	case limit < 1 || limit > 100:
		return nil, invalid("parameter_invalid_integer", "limit", "This value must be between 1 and 100 (inclusive).")
	}
	if c.s.pageSize > 0 {
		limit = min(limit, c.s.pageSize)
	}
	after, before := c.text("starting_after"), c.text("ending_before")
	if c.endless {
		after = ""
	}
	from, step := len(rows)-1, -1
	for _, cursor := range []string{after, before} {
		if cursor == "" {
			continue
		}
		at := slices.IndexFunc(rows, func(v T) bool { return v.ident() == cursor })
		if at < 0 {
			name := map[string]string{after: "starting_after", before: "ending_before"}[cursor]
			return nil, missing("object", cursor, name)
		}
		if cursor == after {
			from = at - 1
		} else {
			from, step = at+1, 1
		}
	}
	data, more := []any{}, false
	for i := from; i >= 0 && i < len(rows); i += step {
		if !keep(rows[i]) {
			continue
		}
		if more = int64(len(data)) == limit; more {
			break
		}
		data = append(data, rows[i].render())
	}
	if step > 0 {
		slices.Reverse(data)
	}
	return object{"object": "list", "url": c.URL.Path, "has_more": more || c.endless, "data": data}, nil
}
