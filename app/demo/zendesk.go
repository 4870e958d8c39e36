package demo

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Zendesk is a simulated Zendesk account with the parts of its Ticketing API that a connector needs
// (https://developer.zendesk.com/api-reference/ticketing/introduction/). It refuses what the reference refuses: fields
// and values that are not known, a change of a closed ticket, a solved ticket that nobody has, an idempotency key with
// another body. It keeps these keys for two hours, leaves the last minute out of exports, and allows ten a minute.
type Zendesk struct {
	Vendor
	Secret string          // that webhooks are signed with
	Scopes map[string]bool // that the token lacks
	Role   string          // of the token's user
	Groups map[string]bool // ids

	keys    map[string]zendeskKept // by idempotency key
	exports []time.Time            // of the last minute
}

// zendeskKept is what was answered to a request with an idempotency key.
type zendeskKept struct {
	body   string
	answer object
	at     time.Time
}

// NewZendesk opens an account with one administrator, whose token it is, user 77, and two groups, 501 and 502.
func NewZendesk() *Zendesk {
	z := &Zendesk{Secret: "zendesk-secret", Scopes: map[string]bool{}, Role: "admin", Groups: map[string]bool{"501": true, "502": true}, keys: map[string]zendeskKept{}}
	z.open(zendeskFailure, map[string]func(*vcall) (int, any, error){
		"GET /api/v2/users/me":                        z.needs("users:read", z.me),
		"GET /api/v2/users/search":                    z.needs("users:read", z.searchUsers),
		"GET /api/v2/users/{id}":                      z.needs("users:read", z.getUser),
		"POST /api/v2/users/create_or_update":         z.needs("users:write", z.saveUser),
		"GET /api/v2/groups/{id}":                     z.needs("read", z.getGroup),
		"GET /api/v2/tickets":                         z.needs("tickets:read", z.list),
		"POST /api/v2/tickets":                        z.needs("tickets:write", z.create),
		"GET /api/v2/tickets/{id}":                    z.needs("tickets:read", z.get),
		"PUT /api/v2/tickets/{id}":                    z.needs("tickets:write", z.update),
		"GET /api/v2/tickets/{id}/comments":           z.needs("tickets:read", z.comments),
		"GET /api/v2/incremental/tickets/cursor.json": z.needs("tickets:read", z.export),
	})
	z.shelves["users"] = []*record{{kind: "users", id: "77", fields: map[string]string{"name": "Sam", "email": "sam@example.com", "role": "admin"}, created: time.Now().Add(-time.Hour)}}
	return z
}

// zendeskFailure is https://developer.zendesk.com/documentation/api-basics/getting-started/errors/. The limit of
// requests is told in plain text.
func zendeskFailure(status int, message string) any {
	word := map[int]string{400: "BadRequest", 403: "Forbidden", 404: "RecordNotFound", 422: "RecordInvalid"}[status]
	switch {
	case status == http.StatusTooManyRequests:
		return "Number of allowed API requests per minute exceeded"
	case status == http.StatusUnauthorized:
		return object{"error": "Couldn't authenticate you"}
	case word == "":
		return object{"error": object{"title": http.StatusText(status), "message": message}}
	}
	return object{"error": word, "description": message}
}

// invalidRecord is the refusal of a record.
func invalidRecord(field, why string) error {
	return &refusal{status: http.StatusUnprocessableEntity, message: why, body: object{"error": "RecordInvalid", "description": "Record validation errors",
		"details": object{field: []any{object{"description": why}}}}}
}

// needs refuses a call for which the token lacks the scope.
func (z *Zendesk) needs(scope string, handle func(*vcall) (int, any, error)) func(*vcall) (int, any, error) {
	return func(c *vcall) (int, any, error) {
		if z.Scopes[scope] {
			return 0, nil, refuse(http.StatusForbidden, "You are missing the following required scopes: %s", scope)
		}
		return handle(c)
	}
}

// zendeskInput is a ticket as it is sent; what is not there is nil.
type zendeskInput struct {
	ExternalID *string      `json:"external_id"`
	Subject    *string      `json:"subject"`
	Priority   *string      `json:"priority"`
	Status     *string      `json:"status"`
	Tags       *[]string    `json:"tags"`
	Requester  *json.Number `json:"requester_id"`
	Assignee   *json.Number `json:"assignee_id"`
	Group      *json.Number `json:"group_id"`
	Follows    *json.Number `json:"via_followup_source_id"`
	Comment    *struct {
		Body   string `json:"body"`
		Public *bool  `json:"public"` // true where it is not said
	} `json:"comment"`
}

var (
	zendeskStates     = []string{"new", "open", "pending", "hold", "solved", "closed"}
	zendeskPriorities = []string{"urgent", "high", "normal", "low"}
)

// apply checks what is sent against the ticket as it stands, and gives the fields as they are then.
func (z *Zendesk) apply(in zendeskInput, is map[string]string) (map[string]string, error) {
	next := map[string]string{}
	for name, value := range map[string]*string{"external_id": in.ExternalID, "subject": in.Subject, "priority": in.Priority, "status": in.Status} {
		if value != nil {
			next[name] = *value
		}
	}
	for name, value := range map[string]*json.Number{"requester_id": in.Requester, "assignee_id": in.Assignee, "group_id": in.Group, "followup_of": in.Follows} {
		if value != nil {
			next[name] = value.String()
		}
	}
	if in.Tags != nil {
		next["tags"] = strings.Join(slices.Sorted(slices.Values(*in.Tags)), ",")
	}
	assignee := next["assignee_id"]
	if assignee == "" {
		assignee = is["assignee_id"]
	}
	source := z.record("tickets", next["followup_of"])
	switch {
	case is["status"] == "closed":
		return nil, invalidRecord("status", "Status: closed prevents ticket update")
	case in.Status != nil && !slices.Contains(zendeskStates, *in.Status):
		return nil, invalidRecord("status", "Status: "+*in.Status+" is not valid")
	case in.Status != nil && *in.Status == "new" && is["status"] != "" && is["status"] != "new":
		return nil, invalidRecord("status", "Status: cannot be changed back to new")
	case in.Status != nil && *in.Status == "solved" && assignee == "":
		return nil, invalidRecord("base", "Assignee: is required when solving a ticket")
	case in.Priority != nil && !slices.Contains(zendeskPriorities, *in.Priority):
		return nil, invalidRecord("priority", "Priority: "+*in.Priority+" is not valid")
	case in.Requester != nil && z.record("users", in.Requester.String()) == nil:
		return nil, invalidRecord("requester", "Requester: is not valid")
	case in.Group != nil && !z.Groups[in.Group.String()]:
		return nil, invalidRecord("group", "Group: is invalid")
	case in.Follows != nil && (source == nil || source.fields["status"] != "closed"):
		return nil, invalidRecord("via_followup_source_id", "Via followup source: must be a closed ticket")
	case in.Comment != nil && strings.TrimSpace(in.Comment.Body) == "":
		return nil, invalidRecord("base", "Description: cannot be blank")
	}
	return next, nil
}

// zendeskKeep is for how long an idempotency key is known.
const zendeskKeep = 2 * time.Hour

func (z *Zendesk) create(c *vcall) (int, any, error) {
	key := c.Header.Get("Idempotency-Key")
	if len(key) > 255 {
		return 0, nil, refuse(http.StatusBadRequest, "the idempotency key is too long")
	}
	if kept, known := z.keys[key]; known && key != "" && time.Since(kept.at) < zendeskKeep {
		if kept.body != string(c.body) {
			why := "Request parameters don't match the given idempotency key"
			return 0, nil, &refusal{status: http.StatusBadRequest, message: why, body: object{"error": "IdempotentRequestError", "description": why}}
		}
		c.sent["X-Idempotency-Lookup"] = "hit"
		return http.StatusCreated, kept.answer, nil
	}
	var in struct {
		Ticket zendeskInput `json:"ticket"`
	}
	if err := c.decode(&in); err != nil {
		return 0, nil, err
	}
	if in.Ticket.Comment == nil {
		return 0, nil, invalidRecord("base", "Description: cannot be blank")
	}
	fields, err := z.apply(in.Ticket, nil)
	if err != nil {
		return 0, nil, err
	}
	if fields["status"] == "" {
		fields["status"] = "new"
	}
	if fields["requester_id"] == "" {
		fields["requester_id"] = "77"
	}
	fields["description"] = in.Ticket.Comment.Body
	r := z.add("tickets", fields)
	answer := object{"ticket": z.render(r), "audit": z.comment(r, in.Ticket)}
	if key != "" {
		c.sent["X-Idempotency-Lookup"] = "miss"
		z.keys[key] = zendeskKept{string(c.body), answer, time.Now()}
	}
	return http.StatusCreated, answer, nil
}

// comment adds the comment of a request, and is the audit of the request.
func (z *Zendesk) comment(ticket *record, in zendeskInput) object {
	events := []any{}
	if in.Comment != nil {
		public := in.Comment.Public == nil || *in.Comment.Public
		r := z.add("comments", map[string]string{"ticket_id": ticket.id, "body": in.Comment.Body, "public": strconv.FormatBool(public)})
		events = append(events, object{"id": json.Number(r.id), "type": "Comment", "body": in.Comment.Body, "public": public})
	}
	return object{"ticket_id": json.Number(ticket.id), "events": events}
}

func (z *Zendesk) update(c *vcall) (int, any, error) {
	var in struct {
		Ticket zendeskInput `json:"ticket"`
	}
	if err := c.decode(&in); err != nil {
		return 0, nil, err
	}
	r := z.record("tickets", c.PathValue("id"))
	if r == nil {
		return 0, nil, refuse(http.StatusNotFound, "Not found")
	}
	in.Ticket.Follows = nil // only a create follows up
	fields, err := z.apply(in.Ticket, r.fields)
	if err != nil {
		return 0, nil, err
	}
	r.set(fields)
	audit := z.comment(r, in.Ticket)
	return http.StatusOK, object{"ticket": z.render(r), "audit": audit}, nil
}

func (z *Zendesk) get(c *vcall) (int, any, error) {
	r := z.record("tickets", c.PathValue("id"))
	if r == nil {
		return 0, nil, refuse(http.StatusNotFound, "Not found")
	}
	return http.StatusOK, object{"ticket": z.render(r)}, nil
}

// render is a ticket as the API shows it.
func (z *Zendesk) render(r *record) object {
	o := object{"id": json.Number(r.id), "url": "https://example.zendesk.com/api/v2/tickets/" + r.id + ".json", "description": r.fields["description"],
		"created_at": r.created.UTC().Format(time.RFC3339), "updated_at": r.updated.UTC().Format(time.RFC3339), "tags": []string{}}
	for _, name := range []string{"external_id", "subject", "priority", "status"} {
		o[name] = nil
		if v, ok := r.fields[name]; ok {
			o[name] = v
		}
	}
	for _, name := range []string{"requester_id", "assignee_id", "group_id"} {
		o[name] = nil
		if v, ok := r.fields[name]; ok {
			o[name] = json.Number(v)
		}
	}
	if tags := r.fields["tags"]; tags != "" {
		o["tags"] = strings.Split(tags, ",")
	}
	if r.fields["status"] == "closed" {
		ids := []json.Number{}
		for _, other := range z.live("tickets") {
			if other.fields["followup_of"] == r.id {
				ids = append(ids, json.Number(other.id))
			}
		}
		o["followup_ids"] = ids
	}
	return o
}

// Webhook is what Zendesk would send to url about a change of a ticket, signed.
func (z *Zendesk) Webhook(url, ticket string, at time.Time) (*http.Request, error) {
	body := fmt.Sprintf(`{"type":"zen:event-type:ticket.status_changed","account_id":1,"time":%q,"subject":"zen:ticket:%s","detail":{"id":%q},"event":{"current":"SOLVED"}}`,
		at.UTC().Format(time.RFC3339), ticket, ticket)
	stamp := at.UTC().Format(time.RFC3339)
	r, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Zendesk-Webhook-Signature-Timestamp", stamp)
	r.Header.Set("X-Zendesk-Webhook-Signature", signature(z.Secret, stamp+body))
	return r, nil
}
