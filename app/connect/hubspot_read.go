package connect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"bursar/app/crm"
	"bursar/app/support"
)

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
