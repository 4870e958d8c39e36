package stripe

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"net/url"
	"strconv"
	"time"
)

const pageSize = "100" // the most Stripe gives

// Customers lists every customer, newest first, except deleted ones and those of test clocks.
// The list is complete unless it yields an error, which ends it.
func (c *Client) Customers(ctx context.Context) iter.Seq2[Customer, error] {
	return decoded(c.list(ctx, "/v1/customers", url.Values{}), decodeCustomer)
}

// Subscriptions lists every subscription of any status, newest first, except those of deleted
// customers and of test clocks. The list is complete unless it yields an error, which ends it.
func (c *Client) Subscriptions(ctx context.Context) iter.Seq2[Subscription, error] {
	return decoded(c.list(ctx, "/v1/subscriptions", url.Values{"status": {"all"}}), decodeSubscription)
}

// EventQuery says which events to list.
type EventQuery struct {
	Since       time.Time // created then or later, in whole seconds; zero: all of the 30 days
	Undelivered bool      // only those that some endpoint has not confirmed
}

// Events lists events, newest first; Stripe keeps them for 30 days and shows each in the version it was
// made in. The list is complete unless it yields an error, which ends it; one that goes on beyond Since
// is an error too (https://docs.stripe.com/api/events/list).
func (c *Client) Events(ctx context.Context, q EventQuery) iter.Seq2[Event, error] {
	query := url.Values{}
	if !q.Since.IsZero() {
		query.Set("created[gte]", strconv.FormatInt(q.Since.Unix(), 10))
	}
	if q.Undelivered {
		query.Set("delivery_success", "false")
	}
	return decoded(c.list(ctx, "/v1/events", query), func(raw json.RawMessage) (Event, error) {
		e, err := DecodeEvent(raw)
		if err == nil && e.CreatedAt.Before(q.Since.Truncate(time.Second)) {
			err = fmt.Errorf("the list goes on beyond the time that was asked for, with %s", e.ID)
		}
		return e, err
	})
}

// WebhookEndpoints lists the endpoints of the account and mode of the key, newest first. A restricted key
// needs the permission to read them; without it the error is an ErrUnauthorized with status 403. The list
// is complete unless it yields an error, which ends it.
func (c *Client) WebhookEndpoints(ctx context.Context) iter.Seq2[WebhookEndpoint, error] {
	return decoded(c.list(ctx, "/v1/webhook_endpoints", url.Values{}), decodeEndpoint)
}

// CustomersAfter is one page of Customers, the one after a cursor, and whether there are more.
func (c *Client) CustomersAfter(ctx context.Context, cursor string) (customers []Customer, more bool, err error) {
	return pageAfter(ctx, c, "/v1/customers", url.Values{}, cursor, decodeCustomer)
}

// SubscriptionsAfter is one page of the subscriptions of a status (or all), the one after a cursor, and
// whether there are more. Those of deleted customers are among the canceled ones only
// (https://docs.stripe.com/api/subscriptions/list).
func (c *Client) SubscriptionsAfter(ctx context.Context, status, cursor string) (subscriptions []Subscription, more bool, err error) {
	return pageAfter(ctx, c, "/v1/subscriptions", url.Values{"status": {status}}, cursor, decodeSubscription)
}

func pageAfter[T any](ctx context.Context, c *Client, path string, query url.Values, cursor string, decode func(json.RawMessage) (T, error)) (list []T, more bool, err error) {
	query.Set("limit", pageSize)
	if cursor != "" {
		query.Set("starting_after", cursor)
	}
	p, err := c.page(ctx, path, query)
	if err != nil {
		return nil, false, err
	}
	for _, raw := range p.Data {
		object, err := decode(raw)
		if err != nil {
			return nil, false, incomplete("%v", err)
		}
		list = append(list, object)
	}
	if p.HasMore && len(list) == 0 {
		return nil, false, incomplete("a page of %s leads nowhere", path)
	}
	return list, p.HasMore, nil
}

// decoded decodes a list and ends it with the first error.
func decoded[T any](list iter.Seq2[json.RawMessage, error], decode func(json.RawMessage) (T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for raw, err := range list {
			var object T
			if err == nil {
				if object, err = decode(raw); err != nil {
					err = incomplete("%v", err)
				}
			}
			if !yield(object, err) || err != nil {
				return
			}
		}
	}
}

// list reads all pages of a list. stripe-go's own iterator ends without an error at a page
// that is {}, and a caller would take every customer after it for deleted.
func (c *Client) list(ctx context.Context, path string, query url.Values) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		query := maps.Clone(query)
		query.Set("limit", pageSize)
		var seen string // an earlier cursor, moved on at each power of two: meets any circle
		for n := 1; ; n++ {
			page, err := c.page(ctx, path, query)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, raw := range page.Data {
				if !yield(raw, nil) {
					return
				}
			}
			if !page.HasMore {
				return
			}
			cursor := page.last()
			if cursor == "" || cursor == seen {
				yield(nil, incomplete("page %d of %s leads nowhere", n, path))
				return
			}
			if n&(n-1) == 0 {
				seen = cursor
			}
			query.Set("starting_after", cursor)
		}
	}
}

// page is one page of a list: https://docs.stripe.com/api/pagination.
type page struct {
	Object  string            `json:"object"`
	Data    []json.RawMessage `json:"data"`
	HasMore bool              `json:"has_more"`
}

func (c *Client) page(ctx context.Context, path string, query url.Values) (page, error) {
	var p page
	raw, err := c.get(ctx, path, query)
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal(raw, &p); err != nil || p.Object != "list" || p.Data == nil {
		return p, incomplete("%s is not answered with a list", path)
	}
	return p, nil
}

// last is the id of the last element, or empty.
func (p *page) last() string {
	if len(p.Data) == 0 {
		return ""
	}
	var element wireHead
	if err := json.Unmarshal(p.Data[len(p.Data)-1], &element); err != nil {
		return ""
	}
	return element.ID
}
