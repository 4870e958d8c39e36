package connect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"bursar/app/support"
)

// zendeskUser is https://developer.zendesk.com/api-reference/ticketing/users/users/#json-format.
type zendeskUser struct {
	ID    int64  `json:"id"`
	Name  string `json:"name"`
	Email string `json:"email"`
	Role  string `json:"role"`
}

// Create implements Remote.
func (z *zendeskRemote) Create(ctx context.Context, r Record) (string, error) {
	if r.Kind == Message {
		return z.createComment(ctx, r)
	}
	requester, err := z.requester(ctx, r.Person)
	if err != nil {
		return "", err
	}
	t := z.fields(r)
	t["comment"] = zendeskComment(zendeskText(r))
	if requester != 0 {
		t["requester_id"] = requester
	}
	if group, err := z.group(r.Fields[Queue]); err != nil {
		return "", err
	} else if group != 0 {
		t["group_id"] = group
	}
	out, err := z.create(ctx, zendeskKey("ticket", r.Key), t)
	return out.Ticket.id(), err
}

// create makes a ticket under an idempotency key (https://developer.zendesk.com/api-reference/ticketing/introduction/#idempotency).
// A key that was used with another body, and one that is being worked on, say that there is a ticket.
func (z *zendeskRemote) create(ctx context.Context, key string, t object) (out zendeskWritten, err error) {
	_, err = z.c.Send(ctx, "POST", "/api/v2/tickets", http.Header{"Idempotency-Key": {key}}, object{"ticket": t}, &out)
	var call *CallError
	if errors.As(err, &call) && (call.Status == http.StatusConflict || call.Status == http.StatusBadRequest && strings.Contains(string(call.Body), "IdempotentRequestError")) {
		return out, fmt.Errorf("%w: %w", ErrConflict, err)
	}
	if err == nil && out.Ticket.ID == 0 {
		err = z.c.Unreadable("a new ticket without an id")
	}
	return out, err
}

// requester is the user whom a ticket is about, 0 for nobody Bursar knows. One who is there is taken as he is: name and
// external id are the company's own. A new one gets no mail about it.
func (z *zendeskRemote) requester(ctx context.Context, p Person) (int64, error) {
	if p.CustomerID == 0 {
		return 0, nil
	}
	key := "bursar:" + p.Key
	query, user := url.Values{"external_id": {key}}, object{"name": p.Name, "external_id": key}
	if p.Email != "" {
		query, user = url.Values{"query": {"email:" + p.Email}}, object{"name": p.Name, "email": p.Email, "skip_verify_email": true}
	}
	if p.Name == "" {
		user["name"] = fmt.Sprintf("Customer %d", p.CustomerID)
		if p.Email != "" {
			user["name"] = p.Email
		}
	}
	var list struct {
		Users []struct {
			zendeskUser
			ExternalID string `json:"external_id"`
		} `json:"users"`
	}
	// https://developer.zendesk.com/api-reference/ticketing/users/users/#search-users
	err := z.c.Do(ctx, "GET", "/api/v2/users/search?"+query.Encode(), nil, &list)
	if err == nil && list.Users == nil {
		err = z.c.Unreadable("a list without users")
	}
	if err != nil {
		return 0, fmt.Errorf("look for the requester: %w", err)
	}
	for _, u := range list.Users {
		if p.Email != "" && strings.EqualFold(u.Email, p.Email) || p.Email == "" && u.ExternalID == key {
			return u.ID, nil
		}
	}
	// The search lags, but this takes the one who is there: by external id, or by address.
	// https://developer.zendesk.com/api-reference/ticketing/users/users/#create-or-update-user
	var out struct {
		User zendeskUser `json:"user"`
	}
	err = z.c.Do(ctx, "POST", "/api/v2/users/create_or_update", object{"user": user}, &out)
	if err == nil && out.User.ID == 0 {
		err = z.c.Unreadable("a user without an id")
	}
	if err != nil {
		return 0, fmt.Errorf("make the requester: %w", err)
	}
	return out.User.ID, nil
}

// fields are those of a ticket that may be written at any time.
func (z *zendeskRemote) fields(r Record) object {
	t := object{"external_id": r.Key}
	if subject, ok := r.Fields[Subject]; ok {
		t["subject"] = subject
	}
	if priority, ok := r.Fields[Priority]; ok {
		t["priority"] = map[bool]string{true: "urgent", false: "normal"}[priority == support.Urgent]
	}
	if tags, ok := r.Fields[Tags]; ok {
		t["tags"] = strings.Split(tags, ",")
	}
	return t
}

// groups are the ids of groups by queue.
func (z *zendeskRemote) groups() (map[string]int64, error) {
	groups := map[string]int64{}
	for entry := range strings.SplitSeq(z.options["GROUPS"], ",") {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		name, number, _ := strings.Cut(entry, "=")
		id, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
		if err != nil || id <= 0 {
			return nil, fmt.Errorf("ZENDESK_GROUPS: %q is not a queue and the id of a group, like %s=360001", entry, support.Billing)
		}
		groups[strings.TrimSpace(name)] = id
	}
	return groups, nil
}

func (z *zendeskRemote) group(queue string) (int64, error) {
	groups, err := z.groups()
	return groups[queue], err
}

// zendeskText is what a ticket or message says, with who said it if it was not Bursar.
func zendeskText(r Record) string {
	if author := r.Fields[Author]; author != "" && author != "bursar" {
		return author + ":\n" + r.Fields[Body]
	}
	return r.Fields[Body]
}

// zendeskComment is an internal note: nothing that Bursar writes is mailed to a customer.
func zendeskComment(text string) object { return object{"body": text, "public": false} }

// Update implements Remote. What a closed ticket says cannot be changed; to open it again is to follow up on it.
func (z *zendeskRemote) Update(ctx context.Context, id string, r Record) error {
	if r.Kind == Message {
		return nil // said is said
	}
	t := z.fields(r)
	switch r.Fields[State] {
	case Open:
		t["status"] = "open"
	case Closed:
		t["status"] = "solved"
	}
	_, err := z.put(ctx, id, t)
	if r.Fields[State] == Closed && zendeskSays(err, "Assignee: is required") {
		if t["assignee_id"], err = z.self(ctx); err != nil {
			return err
		}
		_, err = z.put(ctx, id, t)
	}
	if !zendeskClosed(err) {
		return err
	}
	if r.Fields[State] != Open {
		return nil
	}
	next, err := z.ticket(ctx, id)
	if err != nil || next == nil {
		return err
	}
	if next.Status == "closed" {
		_, err = z.followUp(ctx, *next, "Opened again.")
		return err
	}
	_, err = z.put(ctx, next.id(), t)
	return err
}

// put is https://developer.zendesk.com/api-reference/ticketing/tickets/tickets/#update-ticket.
func (z *zendeskRemote) put(ctx context.Context, id string, t object) (out zendeskWritten, err error) {
	err = z.c.Do(ctx, "PUT", "/api/v2/tickets/"+url.PathEscape(id), object{"ticket": t}, &out)
	if err == nil && out.Ticket.ID == 0 {
		err = z.c.Unreadable("a ticket without an id")
	}
	return out, err
}

// zendeskSays finds a reason among those for which a record was refused.
func zendeskSays(err error, text string) bool {
	var call *CallError
	if !errors.As(err, &call) || call.Status != http.StatusUnprocessableEntity {
		return false
	}
	var e zendeskError
	if json.Unmarshal(call.Body, &e) != nil {
		return false
	}
	for _, list := range e.Details {
		for _, one := range list {
			if strings.Contains(one.Description, text) {
				return true
			}
		}
	}
	return false
}

func zendeskClosed(err error) bool { return zendeskSays(err, "closed prevents ticket update") }

// self is the user of the token.
func (z *zendeskRemote) self(ctx context.Context) (int64, error) {
	z.mu.Lock()
	id := z.me
	z.mu.Unlock()
	if id != 0 {
		return id, nil
	}
	me, err := z.whoAmI(ctx)
	return me.ID, err
}

// followUp opens a ticket that goes on where a closed one ended, which cannot be opened again
// (https://developer.zendesk.com/documentation/ticketing/managing-tickets/creating-and-updating-tickets/#creating-follow-up-tickets).
func (z *zendeskRemote) followUp(ctx context.Context, closed zendeskTicket, text string) (zendeskWritten, error) {
	t := object{"external_id": closed.ExternalID, "via_followup_source_id": closed.ID, "subject": closed.Subject, "tags": closed.Tags,
		"requester_id": closed.RequesterID, "status": "open", "comment": zendeskComment(text)}
	if closed.Priority != "" {
		t["priority"] = closed.Priority
	}
	return z.create(ctx, zendeskKey("follow-up", closed.id()), t)
}

// createComment adds a note to a ticket, or to what follows up on it.
func (z *zendeskRemote) createComment(ctx context.Context, r Record) (string, error) {
	text := zendeskText(r) + "\n" + mark(r.Key)
	out, err := z.put(ctx, r.Parent, object{"comment": zendeskComment(text)})
	if zendeskClosed(err) {
		var next *zendeskTicket
		next, err = z.ticket(ctx, r.Parent)
		switch {
		case err != nil:
		case next == nil:
			return "", &CallError{Label: z.c.Label, Status: http.StatusNotFound, Message: "the ticket is not there any more", Sent: true}
		case next.Status == "closed":
			out, err = z.followUp(ctx, *next, text)
		default:
			out, err = z.put(ctx, next.id(), object{"comment": zendeskComment(text)})
		}
	}
	if err == nil && out.comment() == "" {
		err = z.c.Unreadable("a comment without an id")
	}
	return out.comment(), err
}

// findComment looks for the mark of a message in the ticket it belongs to.
func (z *zendeskRemote) findComment(ctx context.Context, r Record) (*Found, error) {
	t, err := z.ticket(ctx, r.Parent)
	if t == nil || err != nil {
		return nil, err
	}
	for after := ""; ; {
		var page struct {
			Comments []struct {
				ID   int64  `json:"id"`
				Body string `json:"body"`
			} `json:"comments"`
			Meta zendeskMeta `json:"meta"`
		}
		// https://developer.zendesk.com/api-reference/ticketing/tickets/ticket_comments/#list-comments
		err := z.c.Do(ctx, "GET", "/api/v2/tickets/"+t.id()+"/comments?"+zendeskCursor(after).Encode(), nil, &page)
		if err == nil && page.Comments == nil {
			err = z.c.Unreadable("a list without comments")
		}
		if err != nil {
			return nil, err
		}
		for _, c := range page.Comments {
			if markedKey(c.Body) == r.Key {
				return &Found{ID: strconv.FormatInt(c.ID, 10), Key: r.Key, Fields: r.Fields}, nil
			}
		}
		if after, err = page.Meta.next(z.c, after); after == "" || err != nil {
			return nil, err
		}
	}
}
