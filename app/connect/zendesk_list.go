package connect

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"bursar/app/queue"
)

const (
	zendeskListPage   = 100
	zendeskExportPage = 250 // of 1000: a ticket with many fields is some kilobytes

	// 10 exports a minute are allowed; these make no more than 9.
	zendeskExportBurst = 2

	// zendeskHidden is more than the minute for which a change is missing from the export, with what the clocks differ.
	zendeskHidden = 3 * time.Minute
)

var zendeskExportEvery = rate.Every(8 * time.Second)

// zendeskMeta says whether a list goes on (https://developer.zendesk.com/api-reference/introduction/pagination/).
type zendeskMeta struct {
	More  bool   `json:"has_more"`
	After string `json:"after_cursor"`
}

func (m zendeskMeta) next(c *Client, after string) (string, error) {
	switch {
	case !m.More:
		return "", nil
	case m.After == "" || m.After == after:
		return "", c.Unreadable("a list that goes in a circle")
	}
	return m.After, nil
}

func zendeskCursor(after string) url.Values {
	query := url.Values{"page[size]": {strconv.Itoa(zendeskListPage)}}
	if after != "" {
		query.Set("page[after]", after)
	}
	return query
}

type zendeskPage struct {
	Tickets []zendeskTicket `json:"tickets"`
	Meta    zendeskMeta     `json:"meta"`
	// of an export
	After *string `json:"after_cursor"`
	End   *bool   `json:"end_of_stream"`
}

// List implements Remote. All tickets are those of the incremental export, which has the archived ones too, and then
// those that changed since a moment before it: the export leaves out the last minute, and what changes while it is read
// moves out of it. Changes alone are never asked of the export: it would show them a minute late.
func (z *zendeskRemote) List(ctx context.Context, kind Kind, since time.Time) iter.Seq2[Found, error] {
	return func(yield func(Found, error) bool) {
		seen := map[int64]bool{}
		give := func(t zendeskTicket) (bool, error) {
			if t.ExternalID == "" || t.Status == "deleted" || seen[t.ID] {
				return true, nil
			}
			seen[t.ID] = true
			now, err := z.followed(ctx, t)
			if err != nil || now.ID != t.ID && seen[now.ID] {
				return err == nil, err
			}
			seen[now.ID] = true
			return yield(z.found(ctx, *now), nil), nil
		}
		parts := []func() (bool, error){func() (bool, error) { return z.recent(ctx, since, give) }}
		if since.IsZero() {
			begun := time.Now().Add(-zendeskHidden)
			parts = []func() (bool, error){
				func() (bool, error) { return z.export(ctx, give) },
				func() (bool, error) { return z.recent(ctx, begun, give) },
			}
		}
		for _, part := range parts {
			more, err := part()
			if err != nil {
				yield(Found{}, err)
			}
			if !more || err != nil {
				return
			}
		}
	}
}

// recent lists the tickets that changed since then, the last one first
// (https://developer.zendesk.com/api-reference/ticketing/tickets/tickets/#list-tickets).
func (z *zendeskRemote) recent(ctx context.Context, since time.Time, give func(zendeskTicket) (bool, error)) (more bool, err error) {
	for after := ""; ; {
		query := zendeskCursor(after)
		query.Set("sort", "-updated_at")
		var page zendeskPage
		err := z.c.Do(ctx, "GET", "/api/v2/tickets?"+query.Encode(), nil, &page)
		if err == nil && page.Tickets == nil {
			err = z.c.Unreadable("a list without tickets")
		}
		if err != nil {
			return false, err
		}
		for _, t := range page.Tickets {
			if t.UpdatedAt.Before(since) {
				return true, nil
			}
			if more, err := give(t); !more || err != nil {
				return false, err
			}
		}
		if after, err = page.Meta.next(z.c, after); after == "" || err != nil {
			return err == nil, err
		}
	}
}

// export reads all tickets (https://developer.zendesk.com/api-reference/ticketing/ticket-management/incremental_exports/).
func (z *zendeskRemote) export(ctx context.Context, give func(zendeskTicket) (bool, error)) (more bool, err error) {
	query := url.Values{"start_time": {"0"}, "per_page": {strconv.Itoa(zendeskExportPage)}, "exclude_deleted": {"true"}}
	for {
		if err := z.exports.Wait(ctx); err != nil {
			return false, &CallError{Label: z.c.Label, Err: fmt.Errorf("no turn came within the limit of exports: %w", err)}
		}
		var page zendeskPage
		err := z.c.Do(ctx, "GET", "/api/v2/incremental/tickets/cursor.json?"+query.Encode(), nil, &page)
		if err == nil && (page.Tickets == nil || page.End == nil || !*page.End && (page.After == nil || *page.After == "" || *page.After == query.Get("cursor"))) {
			err = z.c.Unreadable("an export that does not say how it goes on")
		}
		if err != nil {
			return false, err
		}
		for _, t := range page.Tickets {
			if more, err := give(t); !more || err != nil {
				return false, err
			}
		}
		if *page.End {
			return true, nil
		}
		query.Del("start_time")
		query.Set("cursor", *page.After)
	}
}

// whoAmI is the user of the token (https://developer.zendesk.com/api-reference/ticketing/users/users/#show-self).
// Somebody whom Zendesk does not know gets a user without an id.
func (z *zendeskRemote) whoAmI(ctx context.Context) (zendeskUser, error) {
	var out struct {
		User *zendeskUser `json:"user"`
	}
	err := z.c.Do(ctx, "GET", "/api/v2/users/me", nil, &out)
	if err == nil && out.User == nil {
		err = z.c.Unreadable("no user")
	}
	if err != nil {
		return zendeskUser{}, err
	}
	if out.User.ID == 0 {
		return zendeskUser{}, &CallError{Label: z.c.Label, Status: http.StatusUnauthorized, Message: "nobody is signed in; look at ZENDESK_TOKEN and ZENDESK_EMAIL", Sent: true}
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	z.me = out.User.ID
	return *out.User, nil
}

// Check implements Remote. There is nothing to prepare in Zendesk.
func (z *zendeskRemote) Check(ctx context.Context, _ bool) error {
	groups, err := z.groups()
	if err != nil {
		return queue.Discard(err)
	}
	me, err := z.whoAmI(ctx)
	if err != nil {
		return outcome(fmt.Errorf("read the user of the token (scope users:read): %w", err))
	}
	if me.Role != "admin" {
		return queue.Unauthorized(fmt.Errorf("the token is of a user with the role %q, and Zendesk gives the list of all tickets to administrators only", me.Role))
	}
	var page zendeskPage
	if err := z.c.Do(ctx, "GET", "/api/v2/tickets?page%5Bsize%5D=1", nil, &page); err != nil {
		return outcome(fmt.Errorf("read tickets (scope tickets:read): %w", err))
	}
	for name, id := range groups {
		err := z.c.Do(ctx, "GET", fmt.Sprintf("/api/v2/groups/%d", id), nil, nil)
		var call *CallError
		if errors.As(err, &call) && call.Status == http.StatusNotFound {
			return queue.Discard(fmt.Errorf("ZENDESK_GROUPS: %s has the group %d, and Zendesk has none with that id", name, id))
		}
		if errors.As(err, &call) && call.Status == http.StatusForbidden {
			break // a token that only writes tickets does well without reading groups
		}
		if err != nil {
			return outcome(fmt.Errorf("read a group: %w", err))
		}
	}
	return nil
}

// zendeskWindow is how old a webhook may be.
const zendeskWindow = 5 * time.Minute

// verifyZendesk checks https://developer.zendesk.com/documentation/webhooks/verifying/. The body is that of an event of a
// ticket, or of a trigger with {"ticket_id": "{{ticket.id}}"}.
func verifyZendesk(w Webhook) ([]string, error) {
	stamp := w.Header.Get("X-Zendesk-Webhook-Signature-Timestamp")
	at, err := time.Parse(time.RFC3339, stamp)
	if age := w.Now.Sub(at); err != nil || age > zendeskWindow || age < -zendeskWindow || w.Secret == "" {
		return nil, ErrSignature
	}
	mac := hmac.New(sha256.New, []byte(w.Secret))
	mac.Write([]byte(stamp))
	mac.Write(w.Body)
	given, err := base64.StdEncoding.DecodeString(w.Header.Get("X-Zendesk-Webhook-Signature"))
	if err != nil || !hmac.Equal(given, mac.Sum(nil)) {
		return nil, ErrSignature
	}
	return zendeskEvent(w.Body)
}

// zendeskEvent is the id of the ticket that an event is about, none if it is about something else.
func zendeskEvent(body []byte) ([]string, error) {
	var event struct {
		Type     string          `json:"type"`
		TicketID json.RawMessage `json:"ticket_id"`
		Detail   struct {
			ID json.RawMessage `json:"id"`
		} `json:"detail"`
	}
	if err := json.Unmarshal(body, &event); err != nil {
		return nil, fmt.Errorf("read the event of a webhook: %w", err)
	}
	raw := event.TicketID
	if strings.HasPrefix(event.Type, "zen:event-type:ticket.") {
		raw = event.Detail.ID
	}
	id := strings.Trim(string(raw), `"`)
	if id == "" || slices.ContainsFunc([]byte(id), func(b byte) bool { return b < '0' || b > '9' }) {
		return nil, nil
	}
	return []string{id}, nil
}
