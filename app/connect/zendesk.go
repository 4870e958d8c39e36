package connect

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"bursar/app/crm"
	"bursar/app/support"
)

// zendesk speaks version 2 of Zendesk's Ticketing API (https://developer.zendesk.com/api-reference/ticketing/introduction/,
// OpenAPI: https://developer.zendesk.com/zendesk/oas.yaml). It is a desk only.
func zendesk() Vendor {
	return Vendor{
		Name: "zendesk", Label: "Zendesk", Desk: true,
		Token: "an API token of an administrator, whose address is in ZENDESK_EMAIL, or an OAuth token with the scopes in docs/connectors.md",
		// Within two hours the idempotency key absorbs a second create, and later than that the external id was long found.
		Absorbs: []Kind{Ticket},
		// 200 requests a minute is the least that any plan has (https://developer.zendesk.com/api-reference/introduction/rate-limits/).
		Rate: 3, Burst: 10,
		Options: []Option{
			{Suffix: "EMAIL", Help: "Whose API token ZENDESK_TOKEN is; without it the token is an OAuth token."},
			{Suffix: "GROUPS", Help: "Which group of Zendesk gets the tickets of a queue, by its id: billing=360001,product=360002."},
		},
		Authorize: zendeskAuthorize,
		Open: func(c *Client, options map[string]string) Remote {
			c.Base, c.Explain = strings.TrimSuffix(c.Base, "/api/v2"), zendeskMessage
			return &zendeskRemote{c: c, options: options, users: map[int64]string{}, exports: rate.NewLimiter(zendeskExportEvery, zendeskExportBurst)}
		},
		Verify: verifyZendesk,
	}
}

// zendeskAuthorize is https://developer.zendesk.com/api-reference/introduction/security-and-auth/.
func zendeskAuthorize(token string, options map[string]string) string {
	if options["EMAIL"] == "" {
		return "Bearer " + token
	}
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(options["EMAIL"]+"/token:"+token))
}

type zendeskRemote struct {
	c       *Client
	options map[string]string
	exports *rate.Limiter // of the incremental export, which has a limit of its own

	mu    sync.Mutex
	users map[int64]string // addresses or names by id
	me    int64            // the user of the token, 0 until it was asked for
}

// zendeskTicket is https://developer.zendesk.com/api-reference/ticketing/tickets/tickets/#json-format.
type zendeskTicket struct {
	ID          int64     `json:"id"`
	ExternalID  string    `json:"external_id"`
	Subject     string    `json:"subject"`
	Description string    `json:"description"`
	Priority    string    `json:"priority"`
	Status      string    `json:"status"`
	Tags        []string  `json:"tags"`
	RequesterID int64     `json:"requester_id"`
	AssigneeID  int64     `json:"assignee_id"`
	FollowUps   []int64   `json:"followup_ids"` // only a closed ticket shows them
	UpdatedAt   time.Time `json:"updated_at"`
}

func (t zendeskTicket) id() string { return strconv.FormatInt(t.ID, 10) }

// zendeskWritten is the answer to a write of a ticket.
type zendeskWritten struct {
	Ticket zendeskTicket `json:"ticket"`
	Audit  struct {
		Events []struct {
			ID   int64  `json:"id"`
			Type string `json:"type"`
		} `json:"events"`
	} `json:"audit"`
}

// comment is the id of the comment that was written.
func (w zendeskWritten) comment() string {
	for _, e := range w.Audit.Events {
		if e.Type == "Comment" {
			return strconv.FormatInt(e.ID, 10)
		}
	}
	return ""
}

// zendeskError has the forms of errors: a word with a description and details by field, an object, or a list. Errors
// may be plain text too (https://developer.zendesk.com/documentation/api-basics/getting-started/errors/).
type zendeskError struct {
	Error       json.RawMessage `json:"error"`
	Description string          `json:"description"`
	Details     map[string][]struct {
		Description string `json:"description"`
	} `json:"details"`
	Errors []struct {
		Title  string `json:"title"`
		Detail string `json:"detail"`
	} `json:"errors"`
}

func zendeskMessage(status int, body []byte) string {
	var e zendeskError
	if json.Unmarshal(body, &e) != nil {
		return string(body)
	}
	var word string
	var said struct{ Title, Message string }
	if json.Unmarshal(e.Error, &word) != nil {
		_ = json.Unmarshal(e.Error, &said) // neither: there is nothing to say
	}
	parts := []string{word, said.Title, said.Message, e.Description}
	for _, one := range e.Errors {
		parts = append(parts, one.Title, one.Detail)
	}
	var fields []string
	for _, list := range e.Details {
		for _, one := range list {
			fields = append(fields, one.Description)
		}
	}
	slices.Sort(fields)
	parts = append(parts, fields...)
	if status == http.StatusUnauthorized {
		parts = append(parts, "look at ZENDESK_TOKEN and ZENDESK_EMAIL, and whether API tokens are allowed in Zendesk")
	}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "; ")
}

// Find implements Remote.
func (z *zendeskRemote) Find(ctx context.Context, r Record) (*Found, error) {
	if r.Kind == Message {
		return z.findComment(ctx, r)
	}
	t, err := z.byKey(ctx, r.Key)
	if t == nil || err != nil {
		return nil, err
	}
	found := z.found(ctx, *t)
	return &found, nil
}

// byKey is the newest ticket with an external id, which is not unique there: one that is not closed comes before
// those that are. A closed one of long ago, which Zendesk has archived, is not found.
func (z *zendeskRemote) byKey(ctx context.Context, key string) (*zendeskTicket, error) {
	var page zendeskPage
	err := z.c.Do(ctx, "GET", "/api/v2/tickets?"+url.Values{"external_id": {key}}.Encode(), nil, &page)
	if err == nil && page.Tickets == nil {
		err = z.c.Unreadable("a list without tickets")
	}
	if err != nil {
		return nil, err
	}
	var best *zendeskTicket
	for _, t := range page.Tickets {
		if t.ExternalID != key || t.Status == "deleted" {
			continue
		}
		if best == nil || (t.Status != "closed") && best.Status == "closed" || (t.Status == "closed") == (best.Status == "closed") && t.ID > best.ID {
			best = &t
		}
	}
	return best, nil
}

// Read implements Remote. A closed ticket that Bursar has a follow-up of is that one.
func (z *zendeskRemote) Read(ctx context.Context, kind Kind, id string) (*Found, error) {
	if kind == Message {
		return nil, nil // they are found by their mark
	}
	t, err := z.ticket(ctx, id)
	if t == nil || err != nil {
		return nil, err
	}
	found := z.found(ctx, *t)
	return &found, nil
}

// ticket reads a ticket, or the one that follows up on it.
func (z *zendeskRemote) ticket(ctx context.Context, id string) (*zendeskTicket, error) {
	var out zendeskWritten
	err := z.c.Do(ctx, "GET", "/api/v2/tickets/"+url.PathEscape(id), nil, &out)
	var call *CallError
	if errors.As(err, &call) && call.Status == http.StatusNotFound {
		return nil, nil
	}
	if err == nil && out.Ticket.ID == 0 {
		err = z.c.Unreadable("a ticket without an id")
	}
	if err != nil || out.Ticket.Status == "deleted" {
		return nil, err
	}
	return z.followed(ctx, out.Ticket)
}

// followed is the newest follow-up of a closed ticket that Bursar opened; those of customers have no external id of
// ours, and are other conversations.
func (z *zendeskRemote) followed(ctx context.Context, t zendeskTicket) (*zendeskTicket, error) {
	if t.Status != "closed" || t.ExternalID == "" {
		return &t, nil
	}
	for _, id := range slices.Backward(slices.Sorted(slices.Values(t.FollowUps))) {
		if id <= t.ID {
			break // a follow-up is newer, so that this ends
		}
		next, err := z.ticket(ctx, strconv.FormatInt(id, 10))
		if err != nil {
			return nil, err
		}
		if next != nil && next.ExternalID == t.ExternalID {
			return next, nil
		}
	}
	return &t, nil
}

// found is a ticket in Bursar's words.
func (z *zendeskRemote) found(ctx context.Context, t zendeskTicket) Found {
	f := Found{ID: t.id(), Key: t.ExternalID, URL: z.c.Base + "/agent/tickets/" + t.id(), Status: t.Status, At: time.Now(), Fields: crm.Fields{
		Subject: t.Subject, Body: t.Description, Tags: strings.Join(t.Tags, ","), State: Open, Priority: ""}}
	switch t.Priority {
	case "urgent":
		f.Fields[Priority] = support.Urgent
	case "high", "normal", "low":
		f.Fields[Priority] = support.Normal
	}
	if t.Status == "solved" || t.Status == "closed" {
		f.Fields[State] = Closed
	}
	if t.ExternalID != "" {
		f.Assignee = z.user(ctx, t.AssigneeID)
	}
	return f
}

// user is the address of an agent; if it cannot be read, the number must do.
func (z *zendeskRemote) user(ctx context.Context, id int64) string {
	if id == 0 {
		return ""
	}
	z.mu.Lock()
	name := z.users[id]
	z.mu.Unlock()
	if name != "" {
		return name
	}
	var out struct {
		User zendeskUser `json:"user"`
	}
	name = fmt.Sprintf("user %d", id)
	if err := z.c.Do(ctx, "GET", fmt.Sprintf("/api/v2/users/%d", id), nil, &out); err == nil {
		name = cmp.Or(out.User.Email, out.User.Name, name)
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	z.users[id] = name
	return name
}

// zendeskKey is the idempotency key of a create: the same on every try.
func zendeskKey(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	return "bursar-" + hex.EncodeToString(sum[:16])
}
