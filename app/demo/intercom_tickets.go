package demo

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

// newType makes a ticket type, with the attributes and states that each has.
func (i *Intercom) newType(name, category string) *intercomType {
	first := i.serial + 1
	i.serial += 7
	id := func(n int) string { return strconv.Itoa(first + n) }
	t := &intercomType{id: id(0), name: name, category: category, attributes: map[string]string{"_default_title_": id(1), "_default_description_": id(2)},
		states: []intercomState{{id(3), "submitted", "Submitted"}, {id(4), "in_progress", "In progress"},
			{id(5), "waiting_on_customer", "Waiting on customer"}, {id(6), "resolved", "Resolved"}}}
	i.types = append(i.types, t)
	return t
}

func (i *Intercom) typeByID(id string) *intercomType {
	for _, t := range i.types {
		if t.id == id {
			return t
		}
	}
	return nil
}

func (t *intercomType) render() object {
	attributes, states := []any{}, []any{}
	for _, name := range keysOf(t.attributes) {
		attributes = append(attributes, object{"type": "ticket_type_attribute", "id": t.attributes[name], "name": name, "data_type": "string", "archived": false})
	}
	for _, s := range t.states {
		states = append(states, s.render())
	}
	return object{"type": "ticket_type", "id": t.id, "name": t.name, "category": t.category, "archived": false,
		"ticket_type_attributes": object{"type": "list", "data": attributes}, "ticket_states": object{"type": "list", "data": states}}
}

func (s intercomState) render() object {
	return object{"type": "ticket_state", "id": s.id, "category": s.category, "internal_label": s.label, "external_label": s.label}
}

func (i *Intercom) listTypes(*vcall) (int, any, error) {
	list := []any{}
	for _, t := range i.types {
		list = append(list, t.render())
	}
	return http.StatusOK, object{"type": "list", "data": list}, nil
}

func (i *Intercom) getType(c *vcall) (int, any, error) {
	t := i.typeByID(c.PathValue("id"))
	if t == nil {
		return 0, nil, refuse(http.StatusNotFound, "Resource Not Found")
	}
	return http.StatusOK, t.render(), nil
}

func (i *Intercom) createType(c *vcall) (int, any, error) {
	var in struct {
		Name        string `json:"name"`
		Description string `json:"description"`
		Category    string `json:"category"`
		Icon        string `json:"icon"`
		Internal    bool   `json:"is_internal"`
	}
	if err := c.decode(&in); err != nil {
		return 0, nil, err
	}
	if in.Name == "" || in.Category != "" && in.Category != "Customer" && in.Category != "Back-office" && in.Category != "Tracker" {
		return 0, nil, refuse(http.StatusBadRequest, "name is required, and category is Customer, Back-office or Tracker")
	}
	return http.StatusOK, i.newType(in.Name, in.Category).render(), nil
}

func (i *Intercom) createTypeAttribute(c *vcall) (int, any, error) {
	t := i.typeByID(c.PathValue("id"))
	if t == nil {
		return 0, nil, refuse(http.StatusNotFound, "Resource Not Found")
	}
	var in struct {
		Name              string `json:"name"`
		Description       string `json:"description"`
		DataType          string `json:"data_type"`
		VisibleOnCreate   *bool  `json:"visible_on_create"`
		VisibleToContacts *bool  `json:"visible_to_contacts"`
	}
	if err := c.decode(&in); err != nil {
		return 0, nil, err
	}
	if in.Name == "" || in.Description == "" || in.DataType != "string" {
		return 0, nil, refuse(http.StatusBadRequest, "name, description and data_type are required; only text is simulated")
	}
	if t.attributes[in.Name] != "" {
		return 0, nil, refuse(http.StatusBadRequest, "Name has already been taken")
	}
	i.serial++
	t.attributes[in.Name] = strconv.Itoa(i.serial)
	return http.StatusOK, object{"type": "ticket_type_attribute", "id": t.attributes[in.Name], "name": in.Name, "data_type": in.DataType}, nil
}

// ticketAttributes checks the attributes that are sent for a type.
func ticketAttributes(t *intercomType, in map[string]any) (map[string]string, error) {
	f := map[string]string{}
	for name, value := range in {
		text, isText := value.(string)
		if t.attributes[name] == "" || !isText && value != nil {
			return nil, refuse(http.StatusBadRequest, "Ticket attribute %s does not exist or is of another type", name)
		}
		f[name] = text
	}
	return f, nil
}

func (i *Intercom) createTicket(c *vcall) (int, any, error) {
	var in struct {
		Type     json.Number `json:"ticket_type_id"`
		Contacts []struct {
			ID         string `json:"id"`
			ExternalID string `json:"external_id"`
			Email      string `json:"email"`
		} `json:"contacts"`
		Attributes map[string]any `json:"ticket_attributes"`
		Assignment struct {
			Admin json.Number `json:"admin_assignee_id"`
			Team  json.Number `json:"team_assignee_id"`
		} `json:"assignment"`
		Quiet bool `json:"skip_notifications"`
	}
	if err := c.decode(&in); err != nil {
		return 0, nil, err
	}
	t := i.typeByID(in.Type.String())
	if t == nil || len(in.Contacts) != 1 {
		return 0, nil, refuse(http.StatusBadRequest, "ticket_type_id and one contact are required")
	}
	f, err := ticketAttributes(t, in.Attributes)
	if err != nil {
		return 0, nil, err
	}
	var who *record
	switch one := in.Contacts[0]; {
	case one.ID != "":
		who = i.exactly("contacts", one.ID)
	case one.ExternalID != "":
		who = i.by("contacts", "external_id", one.ExternalID)
	case one.Email != "":
		if who = i.by("contacts", "email", one.Email); who == nil {
			who = i.add("contacts", map[string]string{"role": "lead", "email": one.Email})
		}
	}
	if who == nil {
		return 0, nil, refuse(http.StatusNotFound, "User Not Found")
	}
	if in.Assignment.Admin != "" && isAdmin(in.Assignment.Admin) != nil || in.Assignment.Team != "" && in.Assignment.Team != "12" {
		return 0, nil, refuse(http.StatusNotFound, "Assignee not found")
	}
	f["type"], f["contact"], f["state"], f["open"] = t.id, who.id, t.states[0].id, "true"
	f["admin"], f["team"] = in.Assignment.Admin.String(), in.Assignment.Team.String()
	return http.StatusOK, i.renderTicket(i.add("tickets", f)), nil
}

func (i *Intercom) renderTicket(r *record) any {
	t := i.typeByID(r.fields["type"])
	attributes, state := object{}, object{}
	for name := range t.attributes {
		attributes[name] = orNull(r.fields[name])
	}
	for _, s := range t.states {
		if s.id == r.fields["state"] {
			state = s.render()
		}
	}
	parts := []any{}
	for _, p := range i.live("parts") {
		if p.fields["ticket"] == r.id {
			parts = append(parts, renderPart(p))
		}
	}
	assignee := func(id string) string {
		if id == "" {
			return "0"
		}
		return id
	}
	return object{"type": "ticket", "id": r.id, "ticket_id": r.id[2:], "category": t.category, "ticket_attributes": attributes, "ticket_state": state,
		"ticket_type": t.render(), "contacts": object{"type": "contact.list", "contacts": []any{object{"type": "contact", "id": r.fields["contact"]}}},
		"admin_assignee_id": assignee(r.fields["admin"]), "team_assignee_id": assignee(r.fields["team"]), "open": r.fields["open"] == "true",
		"created_at": r.created.Unix(), "updated_at": r.updated.Unix(),
		"ticket_parts": object{"type": "ticket_part.list", "ticket_parts": parts, "total_count": len(parts)}}
}

func renderPart(p *record) object {
	return object{"type": "ticket_part", "id": p.id, "part_type": "note", "body": p.fields["body"], "created_at": p.created.Unix(),
		"author": object{"type": "admin", "id": p.fields["admin"]}}
}

func (i *Intercom) getTicket(c *vcall) (int, any, error) {
	r := i.exactly("tickets", c.PathValue("id"))
	if r == nil {
		return 0, nil, refuse(http.StatusNotFound, "Ticket not found")
	}
	return http.StatusOK, i.renderTicket(r), nil
}

func (i *Intercom) searchTickets(c *vcall) (int, any, error) {
	var s intercomSearch
	if err := s.read(c, 20); err != nil {
		return 0, nil, err
	}
	list, err := i.find("tickets", s.Query, func(r *record, field string) (string, bool) {
		if id, is := strings.CutPrefix(field, "ticket_attribute."); is {
			for _, t := range i.types {
				for name, one := range t.attributes {
					if one == id {
						return r.fields[name], true
					}
				}
			}
			return "", false
		}
		switch field {
		case "ticket_type_id":
			return r.fields["type"], true
		case "updated_at":
			return strconv.FormatInt(r.updated.Unix(), 10), true
		}
		return "", false
	})
	if err != nil {
		return 0, nil, err
	}
	data, pages := intercomPage(list, s.Pagination.StartingAfter, s.Pagination.PerPage, i.renderTicket)
	return http.StatusOK, object{"type": "ticket.list", "tickets": data, "total_count": len(list), "pages": pages}, nil
}

func (i *Intercom) updateTicket(c *vcall) (int, any, error) {
	r := i.exactly("tickets", c.PathValue("id"))
	if r == nil {
		return 0, nil, refuse(http.StatusNotFound, "Ticket not found")
	}
	var in struct {
		Attributes map[string]any `json:"ticket_attributes"`
		State      string         `json:"ticket_state_id"`
		Open       *bool          `json:"open"`
		Admin      *int64         `json:"admin_id"`
		Assignee   string         `json:"assignee_id"`
		Quiet      bool           `json:"skip_notifications"`
	}
	if err := c.decode(&in); err != nil {
		return 0, nil, err
	}
	t := i.typeByID(r.fields["type"])
	f, err := ticketAttributes(t, in.Attributes)
	if err != nil {
		return 0, nil, err
	}
	if in.Admin != nil && isAdmin(json.Number(strconv.FormatInt(*in.Admin, 10))) != nil || in.Assignee != "" && isAdmin(json.Number(in.Assignee)) != nil {
		return 0, nil, refuse(http.StatusNotFound, "Assignee not found")
	}
	if in.State != "" {
		for _, s := range t.states {
			if s.id == in.State {
				f["state"] = s.id
			}
		}
		if f["state"] == "" {
			return 0, nil, refuse(http.StatusBadRequest, "Ticket state id is not valid or is not associated with the ticket type")
		}
	}
	if in.Open != nil {
		f["open"] = strconv.FormatBool(*in.Open)
	}
	if in.Assignee != "" {
		f["admin"] = in.Assignee
	}
	r.set(f)
	return http.StatusOK, i.renderTicket(r), nil
}

// Resolve is what a teammate does in the inbox: takes a ticket and resolves it, or opens it again.
func (i *Intercom) Resolve(ticket, admin string, is bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	r := i.record("tickets", ticket)
	category := map[bool]string{true: "resolved", false: "submitted"}[is]
	for _, s := range i.typeByID(r.fields["type"]).states {
		if s.category == category {
			r.set(map[string]string{"state": s.id, "admin": admin, "open": strconv.FormatBool(!is)})
		}
	}
}

func (i *Intercom) reply(c *vcall) (int, any, error) {
	r := i.exactly("tickets", c.PathValue("id"))
	if r == nil {
		return 0, nil, refuse(http.StatusNotFound, "Resource Not Found")
	}
	var in struct {
		Kind  string `json:"message_type"`
		Type  string `json:"type"`
		Admin string `json:"admin_id"`
		Body  string `json:"body"`
	}
	if err := c.decode(&in); err != nil {
		return 0, nil, err
	}
	if in.Kind != "note" && in.Kind != "comment" || in.Type != "admin" || in.Admin == "" || in.Body == "" {
		return 0, nil, refuse(http.StatusBadRequest, "message_type, type, admin_id and body are required")
	}
	if err := isAdmin(json.Number(in.Admin)); err != nil {
		return 0, nil, err
	}
	p := i.add("parts", map[string]string{"ticket": r.id, "body": in.Body, "admin": in.Admin})
	r.set(nil)
	return http.StatusOK, renderPart(p), nil
}
