package connect

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"bursar/app/crm"
	"bursar/app/queue"
	"bursar/app/support"
)

// hubspot speaks the date version 2026-09 of HubSpot's API: v3 ends in September 2027
// (https://developers.hubspot.com/docs/api-reference/legacy/migration-guide). The shapes are those of
// https://github.com/HubSpot/HubSpot-public-api-spec-collection, PublicApiSpecs/CRM/…/2026-09.
func hubspot() Vendor {
	return Vendor{
		Name: "hubspot", Label: "HubSpot", CRM: true, Desk: true, Base: "https://api.hubapi.com",
		Token: "the token of a private app or a service key with the scopes in docs/connectors.md",
		// bursar_customer_id and bursar_cause are unique there.
		Absorbs: []Kind{Contact, Ticket},
		// 100 requests in 10 seconds is the least that any plan has
		// (https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines).
		Rate: 9, Burst: 10,
		Options: []Option{
			{Suffix: "TICKET_PIPELINE", Otherwise: "0", Help: "The pipeline of HubSpot's tickets, by its id."},
			{Suffix: "TICKET_OPEN_STAGE", Otherwise: "1", Help: "Where a ticket begins in that pipeline."},
			{Suffix: "TICKET_CLOSED_STAGE", Otherwise: "4", Help: "Where a ticket goes when its cause is gone."},
			{Suffix: "TICKET_OWNER", Help: "Id of the HubSpot user who gets new tickets."},
		},
		Open: func(c *Client, options map[string]string) Remote {
			c.Explain = hubspotMessage
			return &hubspotRemote{c: c, options: options, closed: map[string]bool{}, stages: map[string]string{}, owners: map[string]string{}}
		},
		Verify: verifyHubspot,
	}
}

type hubspotRemote struct {
	c       *Client
	options map[string]string

	mu     sync.Mutex
	closed map[string]bool   // stages that end a ticket; empty until they were read
	stages map[string]string // names by id
	owners map[string]string // names by id
}

const hubspotVersion = "2026-09"

var (
	hubspotTypes = map[Kind]string{Contact: "contacts", Ticket: "tickets", Task: "tasks", Note: "notes", Message: "notes"}
	hubspotKeys  = map[Kind]string{Contact: "bursar_customer_id", Ticket: "bursar_cause"}
	// The ids of HubSpot's own association types
	// (https://developers.hubspot.com/docs/guides/api/crm/associations/associations-v4#association-type-id-values).
	hubspotLinks = map[Kind]int{Note: 202, Task: 204, Ticket: 16, Message: 228}
)

// hubspotProperty is a property that Bursar creates and alone writes.
type hubspotProperty struct {
	Name      string `json:"name"`
	Label     string `json:"label"`
	Group     string `json:"groupName"`
	Type      string `json:"type"`
	FieldType string `json:"fieldType"`
	Unique    bool   `json:"hasUniqueValue"`
	field     string // whose value it has
}

// hubspotProperties are what a kind needs there. The unique one cannot be made unique later.
func hubspotProperties(kind Kind) []hubspotProperty {
	text := func(name, label, field string) hubspotProperty {
		return hubspotProperty{Name: name, Label: label, Type: "string", FieldType: "text", field: field}
	}
	list := []hubspotProperty{
		text("bursar_customer_id", "Bursar customer", ""), text("bursar_email", "Bursar e-mail", ""), text("bursar_user_id", "User id", crm.FieldUserID),
		text("bursar_stripe_ids", "Stripe customers", crm.FieldStripeIDs), text("bursar_lifecycle", "Bursar lifecycle", crm.FieldLifecycle),
		text("bursar_plan", "Plan", crm.FieldPlan), text("bursar_status", "Subscription status", crm.FieldStatus),
		text("bursar_access", "Access", crm.FieldAccess), text("bursar_mrr", "MRR", crm.FieldMRR), text("bursar_currency", "MRR currency", crm.FieldCurrency),
		text("bursar_last_paid_at", "Last paid", crm.FieldLastPaidAt), text("bursar_next_invoice_at", "Next invoice", crm.FieldNextInvoiceAt),
		text("bursar_url", "Customer in Bursar", crm.FieldURL),
	}
	group := "contactinformation"
	if kind == Ticket {
		list, group = []hubspotProperty{text("bursar_cause", "Bursar cause", ""), text("bursar_queue", "Bursar queue", Queue), text("bursar_tags", "Bursar tags", Tags)}, "ticketinformation"
	}
	list[0].Unique = true
	for i := range list {
		list[i].Group = group
		switch list[i].field {
		case crm.FieldMRR:
			list[i].Type, list[i].FieldType = "number", "number"
		case crm.FieldLastPaidAt, crm.FieldNextInvoiceAt:
			list[i].Type, list[i].FieldType = "datetime", "date"
		}
	}
	return list
}

// hubspotObject is a record as HubSpot gives it. Every value is a string.
type hubspotObject struct {
	ID         string             `json:"id"`
	Properties map[string]*string `json:"properties"`
	URL        string             `json:"url"`
	// Of a ticket, with associations=contacts.
	Associations map[string]struct {
		Results []struct {
			ID string `json:"id"`
		} `json:"results"`
	} `json:"associations"`
}

func (o hubspotObject) get(name string) string {
	if v := o.Properties[name]; v != nil {
		return *v
	}
	return ""
}

type hubspotPage struct {
	Results []hubspotObject `json:"results"`
	Errors  []hubspotError  `json:"errors"`
	Paging  struct {
		Next struct {
			After string `json:"after"`
		} `json:"next"`
	} `json:"paging"`
}

type hubspotError struct {
	Status   string `json:"status"`
	Category string `json:"category"`
	Message  string `json:"message"`
	Errors   []struct {
		Message string `json:"message"`
		Context struct {
			Scopes []string `json:"requiredGranularScopes"`
		} `json:"context"`
	} `json:"errors"`
}

// hubspotMessage is what an error says, with the scopes that are missing.
func hubspotMessage(_ int, body []byte) string {
	var e hubspotError
	if json.Unmarshal(body, &e) != nil {
		return string(body)
	}
	text := e.Message
	for _, one := range e.Errors {
		if one.Message != "" && one.Message != e.Message {
			text += "; " + one.Message
		}
		if len(one.Context.Scopes) > 0 {
			text += "; the token lacks the scope " + strings.Join(one.Context.Scopes, ", ")
		}
	}
	return text
}

func (h *hubspotRemote) path(kind Kind, rest string) string {
	return "/crm/objects/" + hubspotVersion + "/" + hubspotTypes[kind] + rest
}

// names of the properties that are read of a kind.
func (h *hubspotRemote) names(kind Kind) []string {
	switch kind {
	case Task:
		return []string{"hs_task_subject", "hs_task_body", "hs_task_status"}
	case Note, Message:
		return []string{"hs_note_body"}
	case Ticket:
		return []string{"subject", "content", "hs_pipeline_stage", "hs_ticket_priority", "hubspot_owner_id", "bursar_cause", "bursar_queue", "bursar_tags"}
	}
	list := []string{"firstname", "lastname", "email"}
	for _, p := range hubspotProperties(Contact) {
		list = append(list, p.Name)
	}
	return list
}

// Find implements Remote.
func (h *hubspotRemote) Find(ctx context.Context, r Record) (*Found, error) {
	if hubspotKeys[r.Kind] == "" {
		return h.findAttached(ctx, r)
	}
	found, err := h.read(ctx, r.Kind, r.Key, hubspotKeys[r.Kind])
	if found != nil || err != nil || r.Kind != Contact || r.Person.Email == "" {
		return found, err
	}
	return h.read(ctx, Contact, r.Person.Email, "email")
}

// Read implements Remote.
func (h *hubspotRemote) Read(ctx context.Context, kind Kind, id string) (*Found, error) {
	return h.read(ctx, kind, id, "")
}

func (h *hubspotRemote) read(ctx context.Context, kind Kind, id, idProperty string) (*Found, error) {
	query := url.Values{"properties": {strings.Join(h.names(kind), ",")}}
	if idProperty != "" {
		query.Set("idProperty", idProperty)
	}
	if kind == Ticket {
		query.Set("associations", hubspotTypes[Contact])
	}
	var o hubspotObject
	at := time.Now()
	err := h.c.Do(ctx, "GET", h.path(kind, "/"+url.PathEscape(id)+"?"+query.Encode()), nil, &o)
	var call *CallError
	// While Bursar only observes, the properties of its keys may not be there, and so no record that has one.
	noSuchProperty := idProperty != "" && errors.As(err, &call) && call.Status == http.StatusBadRequest && strings.Contains(call.Message, idProperty)
	if errors.As(err, &call) && call.Status == http.StatusNotFound || noSuchProperty {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if o.ID == "" {
		return nil, h.c.Unreadable("a record without an id")
	}
	found, err := h.found(ctx, kind, o, at)
	if kind == Ticket {
		found.Fields[About] = ""
		if list := o.Associations[hubspotTypes[Contact]].Results; len(list) > 0 {
			found.Fields[About] = list[0].ID
		}
	}
	return &found, err
}

// findAttached looks through what hangs on the parent for the mark that every text of ours ends with: reading by
// association is direct, where the search lags.
func (h *hubspotRemote) findAttached(ctx context.Context, r Record) (*Found, error) {
	if r.Parent == "" {
		return nil, nil
	}
	from := Contact
	if r.Kind == Message {
		from = Ticket
	}
	for after := ""; ; {
		input := map[string]string{"id": r.Parent}
		if after != "" {
			input["after"] = after
		}
		var page struct {
			Results []struct {
				To []struct {
					ID json.Number `json:"toObjectId"`
				} `json:"to"`
				Paging struct {
					Next struct {
						After string `json:"after"`
					} `json:"next"`
				} `json:"paging"`
			} `json:"results"`
		}
		path := fmt.Sprintf("/crm/associations/%s/%s/%s/batch/read", hubspotVersion, hubspotTypes[from], hubspotTypes[r.Kind])
		if err := h.c.Do(ctx, "POST", path, object{"inputs": []any{input}}, &page); err != nil {
			return nil, err
		}
		if page.Results == nil {
			return nil, h.c.Unreadable("associations without results")
		}
		if len(page.Results) == 0 {
			return nil, nil
		}
		var ids []string
		for _, to := range page.Results[0].To {
			ids = append(ids, to.ID.String())
		}
		found, err := h.marked(ctx, r, ids)
		after = page.Results[0].Paging.Next.After
		if found != nil || err != nil || after == "" {
			return found, err
		}
	}
}

// object is a JSON object to send.
type object map[string]any

// hubspotBatch is how many records one request may name.
const hubspotBatch = 100

// marked is the record among these that has the mark of r.
func (h *hubspotRemote) marked(ctx context.Context, r Record, ids []string) (*Found, error) {
	for some := range slices.Chunk(ids, hubspotBatch) {
		var inputs []any
		for _, id := range some {
			inputs = append(inputs, object{"id": id})
		}
		var page hubspotPage
		at := time.Now()
		err := h.c.Do(ctx, "POST", h.path(r.Kind, "/batch/read"), object{"inputs": inputs, "properties": h.names(r.Kind), "propertiesWithHistory": []string{}}, &page)
		if err == nil && page.Results == nil {
			err = h.c.Unreadable("a list without results")
		}
		if err != nil {
			return nil, err
		}
		for _, o := range page.Results {
			if found, err := h.found(ctx, r.Kind, o, at); err != nil || found.Key == r.Key {
				return &found, err
			}
		}
	}
	return nil, nil
}

// mark is the end of every task and note of ours.
func mark(key string) string { return "[bursar:" + key + "]" }

// markedKey finds the key in a text.
func markedKey(text string) string {
	text = html.UnescapeString(text)
	at := strings.LastIndex(text, "[bursar:")
	if at < 0 {
		return ""
	}
	key, _, ok := strings.Cut(text[at+len("[bursar:"):], "]")
	if !ok {
		return ""
	}
	return key
}

// Create implements Remote.
func (h *hubspotRemote) Create(ctx context.Context, r Record) (string, error) {
	if r.Kind == Contact {
		return h.createContact(ctx, r)
	}
	body := object{"properties": h.properties(r, true), "associations": []any{}}
	parent := r.Parent
	if r.Kind == Ticket {
		parent = r.Person.ContactID
	}
	if parent != "" {
		body["associations"] = []any{object{"to": object{"id": parent},
			"types": []any{object{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": hubspotLinks[r.Kind]}}}}
	}
	// A batch/upsert takes no associations. One create does both or nothing, and the unique property refuses a second.
	var o hubspotObject
	err := h.conflict(h.c.Do(ctx, "POST", h.path(r.Kind, ""), body, &o))
	var call *CallError
	if r.Kind == Ticket && parent != "" && !errors.Is(err, ErrConflict) && errors.As(err, &call) && (call.Status == http.StatusBadRequest || call.Status == http.StatusNotFound) {
		body["associations"] = []any{} // the contact may be gone; a ticket without one is better than none
		err = h.conflict(h.c.Do(ctx, "POST", h.path(r.Kind, ""), body, &o))
	}
	if err != nil {
		return "", err
	}
	if o.ID == "" {
		return "", h.c.Unreadable("a new record without an id")
	}
	return o.ID, nil
}

// createContact upserts by our unique property. HubSpot has one contact for an e-mail address: when another customer
// of ours has it, this one goes without, and bursar_email still says it.
func (h *hubspotRemote) createContact(ctx context.Context, r Record) (string, error) {
	properties := h.properties(r, true)
	id, err := h.upsert(ctx, r, properties)
	if !errors.Is(err, ErrConflict) || properties["email"] == "" {
		return id, err
	}
	other, findErr := h.read(ctx, Contact, properties["email"], "email")
	if findErr != nil {
		return "", findErr
	}
	if other == nil || other.Key == "" {
		return "", err // to be adopted
	}
	delete(properties, "email")
	return h.upsert(ctx, r, properties)
}

func (h *hubspotRemote) upsert(ctx context.Context, r Record, properties map[string]string) (string, error) {
	var page hubspotPage
	err := h.c.Do(ctx, "POST", h.path(r.Kind, "/batch/upsert"),
		object{"inputs": []any{object{"idProperty": hubspotKeys[r.Kind], "id": r.Key, "properties": properties}}}, &page)
	if err != nil {
		return "", h.conflict(err)
	}
	if len(page.Errors) > 0 { // 207: what was refused, record by record
		return "", h.conflict(h.refusal(page.Errors[0]))
	}
	if len(page.Results) != 1 || page.Results[0].ID == "" {
		return "", h.c.Unreadable("an upsert without an id")
	}
	return page.Results[0].ID, nil
}

// refusal is an entry of a partial answer as the error it is.
func (h *hubspotRemote) refusal(e hubspotError) error {
	body, _ := json.Marshal(e) // strings only
	status := http.StatusBadRequest
	if e.Category == "CONFLICT" || e.Category == "OBJECT_ALREADY_EXISTS" {
		status = http.StatusConflict
	}
	return &CallError{Label: h.c.Label, Status: status, Message: Redact(hubspotMessage(status, body)), Body: body, Sent: true}
}

// conflict tells the refusal of a second record apart: 409, or 400 with the id of the one that has the value.
func (h *hubspotRemote) conflict(err error) error {
	var call *CallError
	if errors.As(err, &call) && (call.Status == http.StatusConflict || call.Status == http.StatusBadRequest && strings.Contains(call.Message, "already has that value")) {
		return fmt.Errorf("%w: %w", ErrConflict, err)
	}
	return err
}

// Update implements Remote.
func (h *hubspotRemote) Update(ctx context.Context, id string, r Record) error {
	properties := h.properties(r, false)
	if len(properties) == 0 {
		return nil
	}
	var o hubspotObject
	err := h.c.Do(ctx, "PATCH", h.path(r.Kind, "/"+url.PathEscape(id)), object{"properties": properties}, &o)
	if errors.Is(h.conflict(err), ErrConflict) && properties["email"] != "" {
		delete(properties, "email") // another contact has it, and bursar_email says it
		err = h.c.Do(ctx, "PATCH", h.path(r.Kind, "/"+url.PathEscape(id)), object{"properties": properties}, &o)
	}
	if contact := r.Fields[About]; err == nil && contact != "" {
		return h.associate(ctx, id, contact)
	}
	return err
}

// associate says whom a ticket is about
// (https://developers.hubspot.com/docs/api-reference/latest/crm/associations/associate-records/guide).
func (h *hubspotRemote) associate(ctx context.Context, ticket, contact string) error {
	path := h.path(Ticket, "/"+url.PathEscape(ticket)+"/associations/default/"+hubspotTypes[Contact]+"/"+url.PathEscape(contact))
	err := h.c.Do(ctx, "PUT", path, nil, nil)
	var call *CallError
	if errors.As(err, &call) && call.Status == http.StatusNotFound {
		return nil // the contact is gone; when there is one again, the ticket is pushed again
	}
	return err
}

// properties are the fields in HubSpot's words. A new record has more than a change.
func (h *hubspotRemote) properties(r Record, isNew bool) map[string]string {
	p := map[string]string{}
	if key := hubspotKeys[r.Kind]; key != "" {
		p[key] = r.Key
		for _, own := range hubspotProperties(r.Kind) {
			if value, ok := r.Fields[own.field]; ok && own.field != "" {
				p[own.Name] = value
			}
		}
	}
	switch r.Kind {
	case Contact:
		if name, ok := r.Fields[crm.FieldName]; ok {
			p["firstname"], p["lastname"], _ = strings.Cut(name, " ")
		}
		if email, ok := r.Fields[crm.FieldEmail]; ok {
			p["email"], p["bursar_email"] = email, email
		}
	case Ticket:
		h.ticketProperties(p, r, isNew)
	case Task:
		if subject, ok := r.Fields[Subject]; ok {
			p["hs_task_subject"] = subject
		}
		if state, ok := r.Fields[State]; ok {
			p["hs_task_status"] = map[bool]string{true: "COMPLETED", false: "NOT_STARTED"}[state == Closed]
		}
		if isNew {
			p["hs_timestamp"], p["hs_task_type"], p["hs_task_priority"], p["hs_task_body"] = stampNow(), "TODO", "HIGH", mark(r.Key)
		}
	default:
		if isNew {
			p["hs_timestamp"], p["hs_note_body"] = stampNow(), noteHTML(r)
		}
	}
	return p
}

func stampNow() string { return time.Now().UTC().Format(time.RFC3339) }

// noteHTML is the text of a note, which HubSpot keeps as HTML.
func noteHTML(r Record) string {
	text := r.Fields[Body]
	if author := r.Fields[Author]; author != "" && author != "bursar" {
		text = author + ":\n" + text
	}
	return strings.ReplaceAll(html.EscapeString(text+"\n"+mark(r.Key)), "\n", "<br>")
}

func (h *hubspotRemote) ticketProperties(p map[string]string, r Record, isNew bool) {
	for field, name := range map[string]string{Subject: "subject", Body: "content"} {
		if value, ok := r.Fields[field]; ok {
			p[name] = value
		}
	}
	if priority, ok := r.Fields[Priority]; ok {
		p["hs_ticket_priority"] = map[bool]string{true: "HIGH", false: "MEDIUM"}[priority == support.Urgent]
	}
	switch r.Fields[State] {
	case Open:
		p["hs_pipeline_stage"] = h.options["TICKET_OPEN_STAGE"]
	case Closed:
		p["hs_pipeline_stage"] = h.options["TICKET_CLOSED_STAGE"]
	}
	if isNew {
		p["hs_pipeline"] = h.options["TICKET_PIPELINE"]
		if owner := h.options["TICKET_OWNER"]; owner != "" {
			p["hubspot_owner_id"] = owner
		}
	}
}

// found is an object in Bursar's words.
func (h *hubspotRemote) found(ctx context.Context, kind Kind, o hubspotObject, at time.Time) (Found, error) {
	f := Found{ID: o.ID, Fields: crm.Fields{}, URL: o.URL, At: at}
	if key := hubspotKeys[kind]; key != "" {
		f.Key = o.get(key)
		for _, own := range hubspotProperties(kind) {
			if own.field != "" {
				f.Fields[own.field] = hubspotValue(own, o.get(own.Name))
			}
		}
	}
	switch kind {
	case Contact:
		f.Fields[crm.FieldName] = strings.TrimSpace(o.get("firstname") + " " + o.get("lastname"))
		f.Fields[crm.FieldEmail] = o.get("email")
		if f.Fields[crm.FieldEmail] == "" {
			f.Fields[crm.FieldEmail] = o.get("bursar_email")
		}
	case Ticket:
		return f, h.ticket(ctx, &f, o)
	case Task:
		f.Key, f.Fields[Subject] = markedKey(o.get("hs_task_body")), o.get("hs_task_subject")
		f.Fields[State] = map[bool]string{true: Closed, false: Open}[o.get("hs_task_status") == "COMPLETED"]
	default:
		f.Key = markedKey(o.get("hs_note_body"))
	}
	return f, nil
}

// hubspotValue undoes what HubSpot does to the form of numbers and times.
func hubspotValue(p hubspotProperty, value string) string {
	switch p.Type {
	case "number":
		if strings.Contains(value, ".") {
			value = strings.TrimRight(strings.TrimRight(value, "0"), ".")
		}
	case "datetime":
		if t, err := time.Parse(time.RFC3339, value); err == nil {
			return crm.Stamp(t)
		}
		if ms, err := strconv.ParseInt(value, 10, 64); err == nil {
			return crm.Stamp(time.UnixMilli(ms))
		}
	}
	return value
}

func (h *hubspotRemote) ticket(ctx context.Context, f *Found, o hubspotObject) error {
	f.Fields[Subject], f.Fields[Body] = o.get("subject"), o.get("content")
	f.Fields[Priority] = map[bool]string{true: support.Urgent, false: support.Normal}[o.get("hs_ticket_priority") == "HIGH" || o.get("hs_ticket_priority") == "URGENT"]
	name, closed, err := h.stage(ctx, o.get("hs_pipeline_stage"))
	if err != nil {
		return err
	}
	f.Status, f.Fields[State] = name, Open
	if closed {
		f.Fields[State] = Closed
	}
	f.Assignee = h.owner(ctx, o.get("hubspot_owner_id"))
	return nil
}

// stage says what a stage is called, and whether it ends a ticket.
func (h *hubspotRemote) stage(ctx context.Context, id string) (name string, closed bool, err error) {
	h.mu.Lock()
	name, known := h.stages[id]
	closed = h.closed[id]
	h.mu.Unlock()
	if known {
		return name, closed, nil
	}
	var pipelines struct {
		Results []struct {
			Stages []struct {
				ID       string            `json:"id"`
				Label    string            `json:"label"`
				Metadata map[string]string `json:"metadata"`
			} `json:"stages"`
		} `json:"results"`
	}
	err = h.c.Do(ctx, "GET", "/crm/pipelines/"+hubspotVersion+"/tickets", nil, &pipelines)
	if err == nil && pipelines.Results == nil {
		err = h.c.Unreadable("pipelines without results")
	}
	if err != nil {
		return "", false, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range pipelines.Results {
		for _, s := range p.Stages {
			h.stages[s.ID], h.closed[s.ID] = s.Label, s.Metadata["ticketState"] == "CLOSED"
		}
	}
	h.closed[h.options["TICKET_CLOSED_STAGE"]] = true
	return h.stages[id], h.closed[id], nil
}

// owner is the address of a user; without the scope to ask for it, the number must do.
func (h *hubspotRemote) owner(ctx context.Context, id string) string {
	if id == "" {
		return ""
	}
	h.mu.Lock()
	name := h.owners[id]
	h.mu.Unlock()
	if name != "" {
		return name
	}
	var o struct {
		Email string `json:"email"`
	}
	name = "user " + id
	if err := h.c.Do(ctx, "GET", "/crm/owners/"+hubspotVersion+"/"+url.PathEscape(id), nil, &o); err == nil && o.Email != "" {
		name = o.Email
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.owners[id] = name
	return name
}

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

// Check implements Remote: it creates the properties that are missing.
func (h *hubspotRemote) Check(ctx context.Context, prepare bool) error {
	for _, kind := range []Kind{Contact, Ticket} {
		if (kind == Ticket) != (h.options[AreaOption] == AreaDesk) {
			continue
		}
		var there struct {
			Results []hubspotProperty `json:"results"`
		}
		path := "/crm/properties/" + hubspotVersion + "/" + hubspotTypes[kind]
		err := h.c.Do(ctx, "GET", path, nil, &there)
		if err == nil && there.Results == nil {
			err = h.c.Unreadable("properties without a list")
		}
		if err != nil {
			return outcome(fmt.Errorf("read the properties of %s: %w", hubspotTypes[kind], err))
		}
		for _, p := range hubspotProperties(kind) {
			n := slices.IndexFunc(there.Results, func(is hubspotProperty) bool { return is.Name == p.Name })
			if n >= 0 && p.Unique && !there.Results[n].Unique {
				return queue.Discard(fmt.Errorf("the property %s of %s exists and is not unique; delete it in HubSpot and let Bursar create it", p.Name, hubspotTypes[kind]))
			}
			if n >= 0 || !prepare {
				continue
			}
			err = h.conflict(h.c.Do(ctx, "POST", path, p, &hubspotProperty{}))
			if err != nil && !errors.Is(err, ErrConflict) {
				return outcome(fmt.Errorf("create the property %s of %s (name %s, type %s, field type %s, unique %t); with the scope crm.schemas.%s.write Bursar does it, or do it by hand: %w",
					p.Label, hubspotTypes[kind], p.Name, p.Type, p.FieldType, p.Unique, hubspotTypes[kind], err))
			}
		}
	}
	return nil
}

// hubspotWindow is how old a webhook may be.
const hubspotWindow = 5 * time.Minute

// verifyHubspot checks version 3 of the signature
// (https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation).
func verifyHubspot(w Webhook) ([]string, error) {
	stamp := w.Header.Get("X-Hubspot-Request-Timestamp")
	ms, err := strconv.ParseInt(stamp, 10, 64)
	if age := w.Now.Sub(time.UnixMilli(ms)); err != nil || age > hubspotWindow || age < -hubspotWindow {
		return nil, ErrSignature
	}
	mac := hmac.New(sha256.New, []byte(w.Secret))
	mac.Write([]byte(http.MethodPost + w.URL))
	mac.Write(w.Body)
	mac.Write([]byte(stamp))
	given, err := base64.StdEncoding.DecodeString(w.Header.Get("X-Hubspot-Signature-V3"))
	if err != nil || !hmac.Equal(given, mac.Sum(nil)) {
		return nil, ErrSignature
	}
	var events []struct {
		ObjectID     json.Number `json:"objectId"`
		Subscription string      `json:"subscriptionType"`
		ObjectType   string      `json:"objectTypeId"`
	}
	if err := json.Unmarshal(w.Body, &events); err != nil {
		return nil, fmt.Errorf("read the events of a webhook: %w", err)
	}
	var ids []string
	for _, e := range events {
		if strings.HasPrefix(e.Subscription, "ticket.") || e.ObjectType == "0-5" {
			ids = append(ids, e.ObjectID.String())
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}
