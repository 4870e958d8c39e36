package connect

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"bursar/app/queue"
	"bursar/app/support"
)

// intercomType is a type of tickets (schema ticket_type).
type intercomType struct {
	ID         intercomID `json:"id"`
	Name       string     `json:"name"`
	Archived   bool       `json:"archived"`
	Attributes struct {
		Data []intercomTypeAttribute `json:"data"`
		List []intercomTypeAttribute `json:"ticket_type_attributes"` // the schema calls it so, its examples data
	} `json:"ticket_type_attributes"`
	States struct {
		Data []intercomState `json:"data"`
	} `json:"ticket_states"`
}

type intercomTypeAttribute struct {
	ID       intercomID `json:"id"`
	Name     string     `json:"name"`
	DataType string     `json:"data_type"`
	Archived bool       `json:"archived"`
}

type intercomState struct {
	ID       intercomID `json:"id"`
	Category string     `json:"category"` // submitted, in_progress, waiting_on_customer or resolved
	Label    string     `json:"internal_label"`
}

// attribute is one by its name; without an id there is none.
func (t *intercomType) attribute(name string) (a intercomTypeAttribute) {
	for _, one := range slices.Concat(t.Attributes.Data, t.Attributes.List) {
		if one.Name == name && !one.Archived {
			return one
		}
	}
	return a
}

// state is the first of a category.
func (t *intercomType) state(category string) (string, error) {
	for _, s := range t.States.Data {
		if s.Category == category {
			return string(s.ID), nil
		}
	}
	return "", queue.Discard(fmt.Errorf("the ticket type %s in Intercom has no state of the category %s", t.Name, category))
}

// ticketType is the type of Bursar's tickets, nil if it is not there yet.
func (i *intercomRemote) ticketType(ctx context.Context) (*intercomType, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.kind != nil {
		return i.kind, nil
	}
	if id := i.options["TICKET_TYPE"]; id != "" {
		var one intercomType
		err := i.do(ctx, "GET", "/ticket_types/"+url.PathEscape(id), nil, &one)
		if isStatus(err, http.StatusNotFound) {
			return nil, queue.Discard(fmt.Errorf("INTERCOM_TICKET_TYPE: Intercom has no ticket type %s", id))
		}
		if err == nil && one.ID == "" {
			err = i.c.Unreadable("a ticket type without an id")
		}
		if err == nil {
			i.kind = &one
		}
		return i.kind, err
	}
	var list struct {
		Data []intercomType `json:"data"`
	}
	err := i.do(ctx, "GET", "/ticket_types", nil, &list)
	if err == nil && list.Data == nil {
		err = i.c.Unreadable("ticket types without a list")
	}
	for n, one := range list.Data {
		if one.Name == intercomTypeName && !one.Archived {
			i.kind = &list.Data[n]
			break
		}
	}
	return i.kind, err
}

// checkTickets makes the type and its attributes where they are missing. The type is a back-office one: what Bursar
// tells your team is not for the customer's eyes.
func (i *intercomRemote) checkTickets(ctx context.Context, prepare bool) error {
	if err := i.checkTeams(); err != nil {
		return err
	}
	i.mu.Lock()
	i.kind = nil
	i.mu.Unlock()
	t, err := i.ticketType(ctx)
	if err != nil {
		return outcome(fmt.Errorf("read the ticket types: %w", err))
	}
	if t == nil && !prepare {
		return nil
	}
	if t == nil {
		t = &intercomType{}
		err = i.do(ctx, "POST", "/ticket_types", object{"name": intercomTypeName, "description": "What Bursar asks your team to do", "category": "Back-office"}, t)
		if err == nil && t.ID == "" {
			err = i.c.Unreadable("a new ticket type without an id")
		}
		if err != nil {
			return outcome(fmt.Errorf("create the back-office ticket type %s; Bursar does it with the permission Write tickets, or do it by hand, in Settings, Tickets, with the text attributes %s: %w",
				intercomTypeName, strings.Join(intercomOwnAttributes(), ", "), err))
		}
	}
	return i.checkAttributes(ctx, t, prepare)
}

// intercomOwnAttributes are those that Bursar adds to the type.
func intercomOwnAttributes() []string {
	return []string{intercomCause, "bursar_queue", "bursar_priority", "bursar_tags"}
}

func (i *intercomRemote) checkAttributes(ctx context.Context, t *intercomType, prepare bool) error {
	for _, name := range intercomOwnAttributes() {
		a := t.attribute(name)
		if a.ID != "" && a.DataType != "string" {
			return queue.Discard(fmt.Errorf("the attribute %s of the ticket type %s is a %s instead of a text; archive it in Intercom and let Bursar create it", name, t.Name, a.DataType))
		}
		if a.ID != "" || !prepare {
			continue
		}
		err := i.do(ctx, "POST", "/ticket_types/"+url.PathEscape(string(t.ID))+"/attributes", object{"name": name, "description": "Written by Bursar",
			"data_type": "string", "visible_on_create": false, "visible_to_contacts": false}, &intercomTypeAttribute{})
		if err != nil {
			return outcome(fmt.Errorf("create the text attribute %s of the ticket type %s; Bursar does it with the permission Write tickets, or do it by hand, in Settings, Tickets: %w", name, t.Name, err))
		}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.kind = nil // with the ids of the new attributes
	return nil
}

// teamOf is the team that gets the tickets of a queue.
func (i *intercomRemote) teamOf(queue string) string {
	for entry := range strings.SplitSeq(i.options["TICKET_TEAMS"], ",") {
		name, id, named := strings.Cut(strings.TrimSpace(entry), "=")
		if !named {
			return name
		}
		if strings.TrimSpace(name) == queue {
			return strings.TrimSpace(id)
		}
	}
	return ""
}

func (i *intercomRemote) checkTeams() error {
	for entry := range strings.SplitSeq(i.options["TICKET_TEAMS"], ",") {
		name, _, named := strings.Cut(strings.TrimSpace(entry), "=")
		if named && !slices.Contains(support.Queues[:], strings.TrimSpace(name)) {
			return queue.Discard(fmt.Errorf("INTERCOM_TICKET_TEAMS: %q is not one of the queues %s", strings.TrimSpace(name), strings.Join(support.Queues[:], ", ")))
		}
	}
	return nil
}
