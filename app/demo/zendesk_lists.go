package demo

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// list gives the tickets with an external id from an index that lags, or all of them a page at a time.
func (z *Zendesk) list(c *vcall) (int, any, error) {
	query := c.URL.Query()
	tickets := slices.Clone(z.live("tickets"))
	if key := query.Get("external_id"); key != "" {
		tickets = slices.DeleteFunc(z.indexed("tickets"), func(r *record) bool { return r.fields["external_id"] != key })
	}
	switch sort := query.Get("sort"); sort {
	case "", "id":
	case "-updated_at":
		slices.SortStableFunc(tickets, func(a, b *record) int { return b.updated.Compare(a.updated) })
	default:
		return 0, nil, refuse(http.StatusBadRequest, "sort is not valid")
	}
	return z.page(query, "tickets", tickets, func(r *record) object { return z.render(r) })
}

func (z *Zendesk) comments(c *vcall) (int, any, error) {
	ticket := z.record("tickets", c.PathValue("id"))
	if ticket == nil {
		return 0, nil, refuse(http.StatusNotFound, "Not found")
	}
	list := slices.DeleteFunc(z.live("comments"), func(r *record) bool { return r.fields["ticket_id"] != ticket.id })
	return z.page(c.URL.Query(), "comments", list, func(r *record) object {
		return object{"id": json.Number(r.id), "type": "Comment", "body": r.fields["body"], "public": r.fields["public"] == "true"}
	})
}

// page is https://developer.zendesk.com/api-reference/introduction/pagination/#cursor-pagination.
func (z *Zendesk) page(query url.Values, name string, list []*record, render func(*record) object) (int, any, error) {
	size, err := number(query, "page[size]", 100, 100)
	if err != nil {
		return 0, nil, err
	}
	records, next := after(list, query.Get("page[after]"), size)
	rows := []any{}
	for _, r := range records {
		rows = append(rows, render(r))
	}
	return http.StatusOK, object{name: rows, "meta": object{"has_more": next != "", "after_cursor": next}}, nil
}

// export is https://developer.zendesk.com/api-reference/ticketing/ticket-management/incremental_exports/.
func (z *Zendesk) export(c *vcall) (int, any, error) {
	now := time.Now()
	z.exports = slices.DeleteFunc(z.exports, func(t time.Time) bool { return now.Sub(t) >= time.Minute })
	if len(z.exports) >= 10 {
		return 0, nil, &refusal{status: http.StatusTooManyRequests, message: "too many exports", header: map[string]string{"Retry-After": "60"}}
	}
	z.exports = append(z.exports, now)
	if z.Role != "admin" {
		return 0, nil, refuse(http.StatusForbidden, "You do not have access to this page. Please contact the account owner of this help desk for further help.")
	}
	query := c.URL.Query()
	size, err := number(query, "per_page", 1000, 1000)
	if err != nil {
		return 0, nil, err
	}
	begin, err := strconv.ParseInt(query.Get("start_time"), 10, 64)
	switch {
	case query.Get("cursor") == "" && err != nil:
		return 0, nil, refuse(http.StatusBadRequest, "start_time is missing or not a number")
	case query.Get("cursor") == "" && now.Sub(time.Unix(begin, 0)) < time.Minute:
		return 0, nil, &refusal{status: http.StatusBadRequest, message: "Too recent start_time", body: object{"error": "StartTimeTooRecent", "description": "Too recent start_time. Use a start_time older than 1 minute"}}
	}
	list := slices.Clone(z.live("tickets"))
	list = slices.DeleteFunc(list, func(r *record) bool { return now.Sub(r.updated) < time.Minute || r.updated.Unix() < begin })
	slices.SortStableFunc(list, func(a, b *record) int { return a.updated.Compare(b.updated) })
	records, next := after(list, query.Get("cursor"), size)
	rows, cursor := []any{}, query.Get("cursor")
	for _, r := range records {
		rows = append(rows, z.render(r))
		cursor = r.id
	}
	return http.StatusOK, object{"tickets": rows, "after_cursor": cursor, "after_url": nil, "end_of_stream": next == ""}, nil
}
