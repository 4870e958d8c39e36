package stripe

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"maps"
	"net/url"
	"strconv"
	"time"

	stripego "github.com/stripe/stripe-go/v76"
)

const pageSize = "100" // the most Stripe gives

// Customers lists every customer, newest first, except deleted ones and those of test clocks.
// The list is complete unless it yields an error, which ends it.
func (c *Client) Customers(ctx context.Context) iter.Seq2[Customer, error] {
	return listOf(ctx, c, "/v1/customers", url.Values{}, "customer", (*wireCustomer).customer)
}

// Subscriptions lists every subscription of any status, newest first, except those of deleted
// customers and of test clocks. The list is complete unless it yields an error, which ends it.
func (c *Client) Subscriptions(ctx context.Context) iter.Seq2[Subscription, error] {
	return listOf(ctx, c, "/v1/subscriptions", url.Values{"status": {"all"}}, "subscription", (*wireSubscription).subscription)
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
	return func(yield func(Event, error) bool) {
		for w, err := range elements[wireRaw](ctx, c, "/v1/events", query, "event") {
			var e Event
			if err == nil {
				if e, err = DecodeEvent(w.raw); err != nil {
					err = incomplete("%v", err)
				}
			}
			if err == nil && e.CreatedAt.Before(q.Since.Truncate(time.Second)) {
				err = incomplete("the list goes on beyond the time that was asked for, with %s", e.ID)
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// WebhookEndpoints lists the endpoints of the account and mode of the key, newest first. A restricted key
// needs the permission to read them; without it the error is an ErrUnauthorized with status 403. The list
// is complete unless it yields an error, which ends it.
func (c *Client) WebhookEndpoints(ctx context.Context) iter.Seq2[WebhookEndpoint, error] {
	return listOf(ctx, c, "/v1/webhook_endpoints", url.Values{}, "webhook_endpoint", (*wireEndpoint).endpoint)
}

// CustomersAfter is one page of Customers, the one after a cursor, and whether there are more.
func (c *Client) CustomersAfter(ctx context.Context, cursor string) (customers []Customer, more bool, err error) {
	return pageAfter(ctx, c, "/v1/customers", url.Values{}, cursor, "customer", (*wireCustomer).customer)
}

// SubscriptionsAfter is one page of the subscriptions of a status (or all), the one after a cursor, and
// whether there are more. Those of deleted customers are among the canceled ones only
// (https://docs.stripe.com/api/subscriptions/list).
func (c *Client) SubscriptionsAfter(ctx context.Context, status, cursor string) (subscriptions []Subscription, more bool, err error) {
	return pageAfter(ctx, c, "/v1/subscriptions", url.Values{"status": {status}}, cursor, "subscription", (*wireSubscription).subscription)
}

func pageAfter[W wire, T any](ctx context.Context, c *Client, path string, query url.Values, cursor, object string, convert func(*W) T) (found []T, more bool, err error) {
	query.Set("limit", pageSize)
	if cursor != "" {
		query.Set("starting_after", cursor)
	}
	p, err := pageOf[W](ctx, c, path, query, object)
	if err != nil {
		return nil, false, err
	}
	for i := range p.Data {
		found = append(found, convert(&p.Data[i]))
	}
	if p.HasMore && len(found) == 0 {
		return nil, false, incomplete("a page of %s leads nowhere", path)
	}
	return found, p.HasMore, nil
}

// listOf reads all pages of a list of one kind of object and makes our own type of each.
func listOf[W wire, T any](ctx context.Context, c *Client, path string, query url.Values, object string, convert func(*W) T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for w, err := range elements[W](ctx, c, path, query, object) {
			var made T
			if err == nil {
				made = convert(w)
			}
			if !yield(made, err) {
				return
			}
		}
	}
}

// elements reads all pages of a list, and ends it with the first error. stripe-go's own iterator ends without an
// error at a page that is {}, and a caller would take every customer after it for deleted.
func elements[W wire](ctx context.Context, c *Client, path string, query url.Values, object string) iter.Seq2[*W, error] {
	return func(yield func(*W, error) bool) {
		query := maps.Clone(query)
		query.Set("limit", pageSize)
		var seen string // an earlier cursor, moved on at each power of two: meets any circle
		for n := 1; ; n++ {
			page, err := pageOf[W](ctx, c, path, query, object)
			if err != nil {
				yield(nil, err)
				return
			}
			for i := range page.Data {
				if !yield(&page.Data[i], nil) {
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
type page[W wire] struct {
	stripego.APIResource
	Object  string `json:"object"`
	Data    []W    `json:"data"`
	HasMore bool   `json:"has_more"`
}

// pageOf has stripe-go decode the answer into our own types: reading a page once and its objects again took
// most of the time of a comparison.
func pageOf[W wire](ctx context.Context, c *Client, path string, query url.Values, object string) (*page[W], error) {
	p := &page[W]{}
	if err := c.call(ctx, path, query, p); err != nil {
		if p.LastResponse == nil {
			return nil, err
		}
		// stripe-go's own error quotes the answer.
		why, broken := json.Unmarshal(p.LastResponse.RawJSON, &page[W]{}), new(json.SyntaxError)
		if errors.As(why, &broken) {
			return nil, err
		}
		return nil, incomplete("%s: %v", path, why)
	}
	if p.Object != "list" || p.Data == nil {
		return nil, incomplete("%s is not answered with a list", path)
	}
	for i := range p.Data {
		if err := is(p.Data[i].head(), object); err != nil {
			return nil, incomplete("%v", err)
		}
	}
	return p, nil
}

// last is the id of the last element, or empty.
func (p *page[W]) last() string {
	if len(p.Data) == 0 {
		return ""
	}
	return p.Data[len(p.Data)-1].head().ID
}
