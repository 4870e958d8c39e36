package demo

import (
	"encoding/json"
	"net/http"
	"net/mail"
	"slices"
	"strings"
)

// intercomContact is a contact as it is sent (schemas create_contact_request, update_contact_request).
type intercomContact struct {
	Role       string         `json:"role"`
	ExternalID string         `json:"external_id"`
	Email      string         `json:"email"`
	Name       *string        `json:"name"`
	Custom     map[string]any `json:"custom_attributes"`
}

// fields checks a contact and gives it as it is kept: custom attributes stand by their names, an empty one is none.
func (i *Intercom) fields(in intercomContact, except *record) (map[string]string, error) {
	f := map[string]string{}
	if in.Role != "" && in.Role != "user" && in.Role != "lead" {
		return nil, refuse(http.StatusBadRequest, "role must be user or lead")
	}
	for name, value := range map[string]string{"role": in.Role, "external_id": in.ExternalID, "email": in.Email} {
		if value != "" {
			f[name] = value
		}
	}
	if in.Name != nil {
		f["name"] = *in.Name
	}
	if _, err := mail.ParseAddress(in.Email); in.Email != "" && err != nil {
		return nil, refuse(http.StatusBadRequest, "email is invalid")
	}
	for name, value := range in.Custom {
		text, err := i.custom(name, value)
		if err != nil {
			return nil, err
		}
		f[name] = text
	}
	return f, i.unique(f, except)
}

// custom is the value of a custom attribute as text.
func (i *Intercom) custom(name string, value any) (string, error) {
	kind, known := i.attributes[name]
	if !known {
		return "", refuse(http.StatusBadRequest, "Custom attribute '%s' does not exist", name)
	}
	wrong := refuse(http.StatusBadRequest, "Custom attribute '%s' is of type %s", name, kind)
	switch v := value.(type) {
	case nil:
		return "", nil
	case string:
		if kind != "string" {
			return "", wrong
		}
		return v, nil
	case json.Number:
		whole, err := v.Int64()
		if kind == "float" || err == nil && whole > 0 && (kind == "integer" || kind == "datetime" || kind == "date") {
			return v.String(), nil
		}
	}
	return "", wrong
}

// unique refuses a second contact with an external id, or a second user with an address.
func (i *Intercom) unique(f map[string]string, except *record) error {
	for _, name := range []string{"external_id", "email"} {
		for _, r := range i.shelves["contacts"] {
			if f[name] == "" || r == except || r.mergedTo != "" || !strings.EqualFold(r.fields[name], f[name]) ||
				name == "email" && (i.SharedEmails || r.fields["role"] == "lead") {
				continue
			}
			if r.archived {
				return refuse(http.StatusConflict, "An archived contact matching those details already exists with id=%s", r.id)
			}
			return refuse(http.StatusConflict, "A contact matching those details already exists with id=%s", r.id)
		}
	}
	return nil
}

func (i *Intercom) renderContact(r *record) any {
	custom := object{}
	for name, kind := range i.attributes {
		text := r.fields[name]
		switch {
		case text == "":
		case kind == "string":
			custom[name] = text
		default:
			custom[name] = json.Number(text)
		}
	}
	return object{"type": "contact", "id": r.id, "workspace_id": "demo1234", "external_id": orNull(r.fields["external_id"]), "role": r.fields["role"],
		"email": orNull(r.fields["email"]), "name": orNull(r.fields["name"]), "created_at": r.created.Unix(), "updated_at": r.updated.Unix(), "custom_attributes": custom}
}

func (i *Intercom) createContact(c *vcall) (int, any, error) {
	var in intercomContact
	if err := c.decode(&in); err != nil {
		return 0, nil, err
	}
	if in.Email == "" && in.ExternalID == "" && in.Role == "" {
		return 0, nil, refuse(http.StatusBadRequest, "one of email, external_id and role is required")
	}
	if in.Role == "" {
		in.Role = "user"
	}
	f, err := i.fields(in, nil)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, i.renderContact(i.add("contacts", f)), nil
}

func (i *Intercom) updateContact(c *vcall) (int, any, error) {
	r := i.exactly("contacts", c.PathValue("id"))
	if r == nil {
		return 0, nil, refuse(http.StatusNotFound, "User Not Found")
	}
	var in intercomContact
	if err := c.decode(&in); err != nil {
		return 0, nil, err
	}
	f, err := i.fields(in, r)
	if err != nil {
		return 0, nil, err
	}
	r.set(f)
	return http.StatusOK, i.renderContact(r), nil
}

// exactly is the record with an id: one that was merged into another is gone, as the reference says of contacts.
func (i *Intercom) exactly(kind, id string) *record {
	if r := i.record(kind, id); r != nil && r.id == id {
		return r
	}
	return nil
}

func (i *Intercom) getContact(c *vcall) (int, any, error) {
	r := i.exactly("contacts", c.PathValue("id"))
	if r == nil {
		return 0, nil, refuse(http.StatusNotFound, "User Not Found")
	}
	return http.StatusOK, i.renderContact(r), nil
}

func (i *Intercom) unarchive(c *vcall) (int, any, error) {
	for _, r := range i.shelves["contacts"] {
		if r.id == c.PathValue("id") && r.mergedTo == "" {
			r.archived = false
			return http.StatusOK, object{"type": "contact", "id": r.id, "archived": false}, nil
		}
	}
	return 0, nil, refuse(http.StatusNotFound, "User Not Found")
}

func (i *Intercom) listContacts(c *vcall) (int, any, error) {
	perPage, err := number(c.URL.Query(), "per_page", 50, 150)
	if err != nil {
		return 0, nil, err
	}
	data, pages := intercomPage(i.live("contacts"), c.URL.Query().Get("starting_after"), perPage, i.renderContact)
	return http.StatusOK, object{"type": "list", "data": data, "total_count": len(i.live("contacts")), "pages": pages}, nil
}

func (i *Intercom) searchContacts(c *vcall) (int, any, error) {
	var s intercomSearch
	if err := s.read(c, 50); err != nil {
		return 0, nil, err
	}
	list, err := i.find("contacts", s.Query, func(r *record, field string) (string, bool) {
		if name, is := strings.CutPrefix(field, "custom_attributes."); is {
			return r.fields[name], i.attributes[name] != ""
		}
		return r.fields[field], slices.Contains([]string{"email", "external_id", "role", "name"}, field)
	})
	if err != nil {
		return 0, nil, err
	}
	data, pages := intercomPage(list, s.Pagination.StartingAfter, s.Pagination.PerPage, i.renderContact)
	return http.StatusOK, object{"type": "list", "data": data, "total_count": len(list), "pages": pages}, nil
}

// ofContact is what hangs on a contact, or one by its external id: users only.
func (i *Intercom) ofContact(c *vcall) (int, any, error) {
	if c.PathValue("id") == "find_by_external_id" {
		r := i.by("contacts", "external_id", c.PathValue("what"))
		if r == nil || r.fields["role"] != "user" {
			return 0, nil, refuse(http.StatusNotFound, "User Not Found")
		}
		return http.StatusOK, i.renderContact(r), nil
	}
	if c.PathValue("what") != "notes" {
		return 0, nil, refuse(http.StatusNotFound, "Resource Not Found")
	}
	if i.exactly("contacts", c.PathValue("id")) == nil {
		return 0, nil, refuse(http.StatusNotFound, "User Not Found")
	}
	perPage, err := number(c.URL.Query(), "per_page", 50, 150)
	if err != nil {
		return 0, nil, err
	}
	var list []*record
	for _, n := range i.indexed("notes") {
		if n.fields["contact"] == c.PathValue("id") {
			list = append(list, n)
		}
	}
	data, pages := intercomPage(list, c.URL.Query().Get("starting_after"), perPage, renderNote)
	return http.StatusOK, object{"type": "list", "data": data, "total_count": len(list), "pages": pages}, nil
}

func renderNote(r *record) any {
	return object{"type": "note", "id": r.id, "created_at": r.created.Unix(), "contact": object{"type": "contact", "id": r.fields["contact"]},
		"author": object{"type": "admin", "id": r.fields["admin"]}, "body": r.fields["body"]}
}

func (i *Intercom) createNote(c *vcall) (int, any, error) {
	var in struct {
		Body  string      `json:"body"`
		Admin json.Number `json:"admin_id"`
	}
	if err := c.decode(&in); err != nil {
		return 0, nil, err
	}
	switch {
	case i.exactly("contacts", c.PathValue("id")) == nil:
		return 0, nil, refuse(http.StatusNotFound, "User Not Found")
	case in.Body == "":
		return 0, nil, refuse(http.StatusBadRequest, "body is required")
	case in.Admin != "" && isAdmin(in.Admin) != nil:
		return 0, nil, isAdmin(in.Admin)
	}
	n := i.add("notes", map[string]string{"contact": c.PathValue("id"), "body": in.Body, "admin": in.Admin.String()})
	return http.StatusOK, renderNote(n), nil
}

func (i *Intercom) getNote(c *vcall) (int, any, error) {
	n := i.exactly("notes", c.PathValue("id"))
	if n == nil {
		return 0, nil, refuse(http.StatusNotFound, "Resource Not Found")
	}
	return http.StatusOK, renderNote(n), nil
}
