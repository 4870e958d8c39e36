package connect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strings"
	"time"

	"bursar/app/crm"
	"bursar/app/support"
)

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
