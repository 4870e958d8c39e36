package connect

import (
	"context"
	"iter"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// List implements Remote.
func (h *hubspotRemote) List(ctx context.Context, kind Kind, since time.Time) iter.Seq2[Found, error] {
	return func(yield func(Found, error) bool) {
		for after := ""; ; {
			at := time.Now()
			page, err := h.page(ctx, kind, since, after)
			if err != nil {
				yield(Found{}, err)
				return
			}
			for _, o := range page.Results {
				if o.get(hubspotKeys[kind]) == "" {
					continue
				}
				if f, err := h.found(ctx, kind, o, at); !yield(f, err) || err != nil {
					return
				}
			}
			if page.Paging.Next.After == "" {
				return
			}
			if page.Paging.Next.After == after {
				yield(Found{}, h.c.Unreadable("a list that goes in a circle"))
				return
			}
			after = page.Paging.Next.After
		}
	}
}

// page is one page of a list: of everything, or by search of what changed lately.
func (h *hubspotRemote) page(ctx context.Context, kind Kind, since time.Time, after string) (page hubspotPage, err error) {
	if since.IsZero() {
		query := url.Values{"limit": {strconv.Itoa(hubspotBatch)}, "properties": {strings.Join(h.names(kind), ",")}}
		if after != "" {
			query.Set("after", after)
		}
		err = h.c.Do(ctx, "GET", h.path(kind, "?"+query.Encode()), nil, &page)
	} else {
		filters := []any{object{"propertyName": "hs_lastmodifieddate", "operator": "GTE", "value": strconv.FormatInt(since.UnixMilli(), 10)},
			object{"propertyName": hubspotKeys[kind], "operator": "HAS_PROPERTY"}}
		body := object{"limit": hubspotBatch, "properties": h.names(kind), "filterGroups": []any{object{"filters": filters}},
			"sorts": []string{"hs_lastmodifieddate"}}
		if after != "" {
			body["after"] = after
		}
		err = h.c.Do(ctx, "POST", h.path(kind, "/search"), body, &page)
	}
	if err == nil && page.Results == nil {
		err = h.c.Unreadable("a list without results")
	}
	return page, err
}
