package server

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"

	"bursar/app/customer"
	"bursar/app/db"
	"bursar/app/mail"
)

const (
	listSize = 50     // rows of a list on one page
	stretch  = 20_000 // rows of a big table that one request searches for those that match a filter
	maxName  = 80     // characters of a name in a list
)

// pager are the links below a list.
type pager struct{ Newer, Older string }

// trailSize is how many pages back one can go step by step; from further on, the first step is to the newest.
const trailSize = 50

// pagerOf makes the links of a page. The next one begins at the cursor next, which is "" on the last. The cursors of
// the pages before come along as a trail, so that the way back is the same whatever was added since.
func pagerOf(r *http.Request, next string) pager {
	query := r.URL.Query()
	to := func(cursor string, trail []string) string {
		query.Del("before")
		query.Del("trail")
		if cursor != "" {
			query.Set("before", cursor)
		}
		if len(trail) > 0 {
			query.Set("trail", strings.Join(trail[max(len(trail)-trailSize, 0):], "-"))
		}
		if len(query) == 0 {
			return r.URL.Path
		}
		return r.URL.Path + "?" + query.Encode()
	}
	here := query.Get("before")
	trail := strings.FieldsFunc(query.Get("trail"), func(c rune) bool { return c == '-' })
	var p pager
	if here != "" && len(trail) > 0 {
		p.Newer = to(trail[len(trail)-1], trail[:len(trail)-1])
	} else if here != "" {
		p.Newer = to("", nil)
	}
	if next == "" {
		return p
	}
	if here != "" {
		trail = append(trail, here)
	} else {
		trail = nil
	}
	p.Older = to(next, trail)
	return p
}

// cursorOf is the id that all rows of the page lie below.
func cursorOf(r *http.Request) int64 {
	id, err := strconv.ParseInt(r.URL.Query().Get("before"), 10, 64)
	if err != nil || id <= 0 {
		return math.MaxInt64
	}
	return id
}

// cut takes the row off that was read only to know whether there are more. The cursor is the id of the
// last one that stays, "" if there are no more.
func cut[T any](rows []T, id func(T) int64) ([]T, string) {
	if len(rows) <= listSize {
		return rows, ""
	}
	rows = rows[:listSize]
	return rows, strconv.FormatInt(id(rows[listSize-1]), 10)
}

// floorOf is where the search of a big table ends, given its last id: 0 unless something is filtered.
func floorOf(filtered bool, before, last int64) int64 {
	if !filtered {
		return 0
	}
	return max(min(before, last+1)-stretch, 0)
}

// further is the cursor that goes on with a search that ended at a floor.
func further(next string, floor int64) string {
	if next == "" && floor > 1 {
		return strconv.FormatInt(floor, 10)
	}
	return next
}

// pathID is the number at the end of a path; what says what is not there if it is none.
func pathID(r *http.Request, what string) (int64, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil || id <= 0 {
		return 0, notFound(what)
	}
	return id, nil
}

// notFound says that something is not there.
func notFound(what string) error { return &HTTPError{Code: http.StatusNotFound, Msg: what} }

// found is the error for a page about something that may not be there.
func found(err error, what string) error {
	if errors.Is(err, db.ErrNoRows) {
		return notFound(what)
	}
	return err
}

// link is text that leads somewhere; without a Path it is only text.
type link struct{ Text, Path string }

// customerLink is a customer by name. One that was joined with another is a number that leads there.
func customerLink(ctx context.Context, q *db.Queries, id int64) (link, error) {
	lasting, err := customer.Lasting(ctx, q, id)
	if errors.Is(err, db.ErrNoRows) {
		return link{Text: fmt.Sprintf("Customer %d", id)}, nil
	}
	if err == nil && lasting != id {
		return link{fmt.Sprintf("Customer %d", id), customerPath(id)}, nil
	}
	if err != nil {
		return link{}, fmt.Errorf("read customer %d: %w", id, err)
	}
	c, err := q.CustomerByID(ctx, id)
	if err != nil {
		return link{}, fmt.Errorf("read customer %d: %w", id, err)
	}
	return nameLink(c.Name, c.Email, id), nil
}

// nameLink is a customer that was read already.
func nameLink(name, email string, id int64) link {
	l := link{Text: mail.Line(name, maxName), Path: customerPath(id)}
	if l.Text == "" {
		l.Text = mail.Line(email, maxName)
	}
	if l.Text == "" {
		l.Text = fmt.Sprintf("Customer %d", id)
	}
	return l
}

func customerPath(id int64) string { return fmt.Sprintf("/admin/customers/%d", id) }

// stripeLink is the customer that a Stripe customer belongs to, or its id if that is not known yet.
func stripeLink(ctx context.Context, q *db.Queries, stripeID string) (link, error) {
	id, err := q.LinkOf(ctx, "stripe", stripeID)
	if errors.Is(err, db.ErrNoRows) {
		return link{Text: mail.Line(stripeID, maxName)}, nil
	}
	if err != nil {
		return link{}, fmt.Errorf("look up %s: %w", stripeID, err)
	}
	return customerLink(ctx, q, id)
}

// plural says how many there are of something.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
