package connect

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"bursar/app/crm"
)

// The attributes of a ticket. Each type has the first two; the others Bursar adds to its own type.
const (
	intercomTitle       = "_default_title_"
	intercomDescription = "_default_description_"
	intercomCause       = "bursar_cause" // the key: tickets have no other id of ours
)

// intercomFields are the attributes by field.
func intercomFields() map[string]string {
	return map[string]string{Subject: intercomTitle, Body: intercomDescription, Queue: "bursar_queue", Priority: "bursar_priority", Tags: "bursar_tags"}
}

// intercomTypeName is what the type is called that Bursar makes.
const intercomTypeName = "Bursar"

// intercomTicket is a ticket (schema ticket).
type intercomTicket struct {
	ID         intercomID     `json:"id"`
	Attributes map[string]any `json:"ticket_attributes"`
	State      intercomState  `json:"ticket_state"`
	Open       *bool          `json:"open"`
	Admin      intercomID     `json:"admin_assignee_id"`
	Team       intercomID     `json:"team_assignee_id"`
	Parts      struct {
		List []intercomPart `json:"ticket_parts"`
	} `json:"ticket_parts"`
}

// intercomPart is a note or event of a ticket.
type intercomPart struct {
	ID   intercomID `json:"id"`
	Body string     `json:"body"`
}

// findTicket searches by the attribute with the key.
func (i *intercomRemote) findTicket(ctx context.Context, key string) (*Found, error) {
	t, err := i.ticketType(ctx)
	if err != nil || t == nil || t.attribute(intercomCause).ID == "" {
		return nil, err
	}
	at := time.Now()
	list, _, err := i.searchTickets(ctx, object{"operator": "AND", "value": []any{
		object{"field": "ticket_type_id", "operator": "=", "value": string(t.ID)},
		object{"field": "ticket_attribute." + string(t.attribute(intercomCause).ID), "operator": "=", "value": key}}}, "")
	if err != nil {
		return nil, err
	}
	for _, one := range list {
		if one.text(intercomCause) == key {
			return i.ticket(ctx, one, at), nil
		}
	}
	return nil, nil
}

func (t intercomTicket) text(name string) string {
	text, _ := t.Attributes[name].(string)
	return text
}

// searchTickets is a page of POST /tickets/search: there is no other list of tickets.
func (i *intercomRemote) searchTickets(ctx context.Context, query object, after string) (list []intercomTicket, next string, err error) {
	pagination := object{"per_page": 50} // each comes with its parts
	if after != "" {
		pagination["starting_after"] = after
	}
	var page struct {
		Tickets []intercomTicket `json:"tickets"`
		Pages   intercomPages    `json:"pages"`
	}
	err = i.do(ctx, "POST", "/tickets/search", object{"query": query, "pagination": pagination}, &page)
	if err == nil && page.Tickets == nil {
		err = i.c.Unreadable("a search without tickets")
	}
	return page.Tickets, page.Pages.after(), err
}

func (i *intercomRemote) ticketPage(ctx context.Context, since time.Time, after string) (list []Found, next string, err error) {
	t, err := i.ticketType(ctx)
	if err != nil || t == nil {
		return nil, "", err
	}
	query := object{"field": "ticket_type_id", "operator": "=", "value": string(t.ID)}
	if !since.IsZero() {
		query = object{"operator": "AND", "value": []any{query, object{"field": "updated_at", "operator": ">", "value": since.Unix() - 1}}}
	}
	at := time.Now()
	tickets, next, err := i.searchTickets(ctx, query, after)
	for _, one := range tickets {
		list = append(list, *i.ticket(ctx, one, at))
	}
	return list, next, err
}

func (i *intercomRemote) readTicket(ctx context.Context, id string) (*Found, error) {
	at := time.Now()
	t, err := i.oneTicket(ctx, id)
	if t == nil || err != nil {
		return nil, err
	}
	return i.ticket(ctx, *t, at), nil
}

// oneTicket reads a ticket with its parts, nil if there is none.
func (i *intercomRemote) oneTicket(ctx context.Context, id string) (*intercomTicket, error) {
	var t intercomTicket
	err := i.do(ctx, "GET", "/tickets/"+url.PathEscape(id), nil, &t)
	if isStatus(err, http.StatusNotFound) {
		return nil, nil
	}
	if err == nil && t.ID == "" {
		err = i.c.Unreadable("a ticket without an id")
	}
	return &t, err
}

// ticket is one in Bursar's words. It is closed when it is resolved, and when somebody closed it as it was.
func (i *intercomRemote) ticket(ctx context.Context, t intercomTicket, at time.Time) *Found {
	f := &Found{ID: string(t.ID), Key: t.text(intercomCause), Fields: crm.Fields{State: Open}, Status: t.State.Label, At: at}
	for field, name := range intercomFields() {
		f.Fields[field] = t.text(name)
	}
	closed := t.Open != nil && !*t.Open
	if closed || t.State.Category == "resolved" {
		f.Fields[State] = Closed
	}
	if closed && t.State.Category != "resolved" {
		f.Status = strings.TrimPrefix(t.State.Label+", closed", ", ")
	}
	switch {
	case t.Admin != "":
		f.Assignee = i.name(ctx, "/admins/", string(t.Admin))
	case t.Team != "":
		f.Assignee = i.name(ctx, "/teams/", string(t.Team))
	}
	if own, err := i.whose(ctx); err == nil && own.App.Workspace != "" {
		region := ""
		for _, one := range []string{"eu", "au"} {
			if strings.HasPrefix(i.c.Base, "https://api."+one+".") {
				region = one + "."
			}
		}
		f.URL = "https://app." + region + "intercom.com/a/inbox/" + own.App.Workspace + "/inbox/conversation/" + f.ID
	}
	return f
}

// name of a teammate or team; without the permission to ask for it, the number must do.
func (i *intercomRemote) name(ctx context.Context, path, id string) string {
	i.mu.Lock()
	name := i.names[path+id]
	i.mu.Unlock()
	if name != "" {
		return name
	}
	var one struct {
		Name  string `json:"name"`
		Email string `json:"email"`
	}
	name = strings.TrimSuffix(strings.Trim(path, "/"), "s") + " " + id
	err := i.do(ctx, "GET", path+url.PathEscape(id), nil, &one)
	switch {
	case err == nil && one.Email != "":
		name = one.Email
	case err == nil && one.Name != "":
		name = one.Name
	case err != nil && !isStatus(err, http.StatusForbidden) && !isStatus(err, http.StatusUnauthorized) && !isStatus(err, http.StatusNotFound):
		return name // for now
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.names[path+id] = name
	return name
}

// createTicket creates a ticket, quietly: nobody is mailed. It needs one contact.
func (i *intercomRemote) createTicket(ctx context.Context, r Record) (string, error) {
	t, err := i.ticketType(ctx)
	if err == nil && t == nil {
		err = errors.New("Intercom has no ticket type for Bursar yet")
	}
	if err != nil {
		return "", err
	}
	contact, err := i.ticketContact(ctx, r.Person)
	if err != nil {
		return "", err
	}
	attributes := object{intercomCause: r.Key}
	for field, name := range intercomFields() {
		if text := r.Fields[field]; text != "" {
			attributes[name] = text
		}
	}
	body := object{"ticket_type_id": string(t.ID), "contacts": []any{contact}, "ticket_attributes": attributes, "skip_notifications": true}
	assignment := object{}
	if id := i.options["TICKET_ADMIN"]; id != "" {
		assignment["admin_assignee_id"] = id
	}
	if id := i.teamOf(r.Fields[Queue]); id != "" {
		assignment["team_assignee_id"] = id
	}
	if len(assignment) > 0 {
		body["assignment"] = assignment
	}
	var made intercomTicket
	err = i.do(ctx, "POST", "/tickets", body, &made)
	if err == nil && made.ID == "" {
		err = i.c.Unreadable("a new ticket without an id")
	}
	return string(made.ID), err
}

// ticketContact is whose ticket it is: the contact that Bursar keeps, or the one with the address, which Intercom
// makes where there is none. Who has no address, and nobody, is a contact with an id of ours.
func (i *intercomRemote) ticketContact(ctx context.Context, p Person) (object, error) {
	switch {
	case p.ContactID != "":
		return object{"id": p.ContactID}, nil
	case p.Email != "":
		return object{"email": p.Email}, nil
	}
	id, name := p.Key, p.Name
	if id == "" {
		id, name = "bursar-nobody", "Nobody Bursar knows"
	}
	there, _, err := i.contact(ctx, "/contacts/find_by_external_id/"+url.PathEscape(id))
	if err == nil && there == nil {
		body := object{"role": "user", "external_id": id}
		if name != "" {
			body["name"] = name
		}
		err = i.do(ctx, "POST", "/contacts", body, &intercomContact{})
		if existing, _ := intercomExisting(err); existing != "" {
			err = nil
		}
	}
	return object{"external_id": id}, err
}

// updateTicket writes fields, and the state (schema update_ticket_request).
func (i *intercomRemote) updateTicket(ctx context.Context, id string, r Record) error {
	body, attributes := object{"skip_notifications": true}, object{}
	for field, name := range intercomFields() {
		if text, ok := r.Fields[field]; ok {
			attributes[name] = text
		}
	}
	if len(attributes) > 0 {
		body["ticket_attributes"] = attributes
	}
	if state := r.Fields[State]; state != "" {
		t, err := i.ticketType(ctx)
		if err == nil && t == nil {
			err = errors.New("the ticket type of Bursar is gone from Intercom")
		}
		if err != nil {
			return err
		}
		category := map[bool]string{true: "resolved", false: "submitted"}[state == Closed]
		if body["ticket_state_id"], err = t.state(category); err != nil {
			return err
		}
		body["open"] = state == Open
	}
	author, err := i.author(ctx)
	if err != nil {
		return err
	}
	body["admin_id"] = intercomNumber(author)
	return i.do(ctx, "PUT", "/tickets/"+url.PathEscape(id), body, &intercomTicket{})
}

// findPart looks for a note of a ticket. The id of a note begins with that of its ticket: alone it cannot be read.
func (i *intercomRemote) findPart(ctx context.Context, ticket string, is func(intercomPart) bool) (*Found, error) {
	if ticket == "" {
		return nil, nil
	}
	at := time.Now()
	t, err := i.oneTicket(ctx, ticket)
	if t == nil || err != nil {
		return nil, err
	}
	for _, p := range t.Parts.List {
		if is(p) {
			return &Found{ID: ticket + "/" + string(p.ID), Key: markedKey(p.Body), Fields: crm.Fields{}, At: at}, nil
		}
	}
	return nil, nil
}

// createPart adds a note for the team (POST /tickets/{id}/reply): what Bursar says is never sent to the customer.
func (i *intercomRemote) createPart(ctx context.Context, r Record) (string, error) {
	author, err := i.author(ctx)
	if err != nil {
		return "", err
	}
	var p intercomPart
	err = i.do(ctx, "POST", "/tickets/"+url.PathEscape(r.Parent)+"/reply",
		object{"message_type": "note", "type": "admin", "admin_id": author, "body": markedHTML(r)}, &p)
	if err == nil && p.ID == "" {
		err = i.c.Unreadable("a new note without an id")
	}
	return r.Parent + "/" + string(p.ID), err
}
