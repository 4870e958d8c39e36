package connect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"bursar/app/crm"
)

// intercomContact is a contact as the API gives it (schema contact).
type intercomContact struct {
	ID         string         `json:"id"`
	ExternalID string         `json:"external_id"` // the person's id in the company's own product
	Role       string         `json:"role"`        // user or lead
	Email      string         `json:"email"`
	Name       string         `json:"name"`
	CreatedAt  int64          `json:"created_at"`
	Custom     map[string]any `json:"custom_attributes"`
}

// found is a contact in Bursar's words.
func (c *intercomContact) found(at time.Time) *Found {
	f := &Found{ID: c.ID, Fields: crm.Fields{crm.FieldName: c.Name, crm.FieldEmail: c.Email}, At: at}
	f.Key, _ = c.Custom[intercomKey].(string)
	if c.Email == "" {
		f.Fields[crm.FieldEmail], _ = c.Custom[intercomEmail].(string)
	}
	for _, a := range intercomAttributes() {
		if a.field != "" {
			f.Fields[a.field] = a.text(c.Custom[a.Name])
		}
	}
	return f
}

// contact reads one, nil if there is none.
func (i *intercomRemote) contact(ctx context.Context, path string) (*intercomContact, time.Time, error) {
	var c intercomContact
	at := time.Now()
	err := i.do(ctx, "GET", path, nil, &c)
	if isStatus(err, http.StatusNotFound) {
		return nil, at, nil
	}
	if err == nil && c.ID == "" {
		err = i.c.Unreadable("a contact without an id")
	}
	return &c, at, err
}

// externalIDs are those that the contact of a customer may have: that of the customer's user in the company's product,
// if there is one only, or our key.
func externalIDs(r Record) []string {
	user := r.Fields[crm.FieldUserID]
	if user == "" || strings.Contains(user, ",") {
		return []string{r.Key}
	}
	return []string{user, r.Key}
}

// findContact reads by the ids that a create would have given, which is direct, and then searches for our key and for
// the address. It prefers the contact that has the key, then a user, then the oldest.
func (i *intercomRemote) findContact(ctx context.Context, r Record) (*Found, error) {
	var nobodys []*Found
	for _, id := range externalIDs(r) {
		c, at, err := i.contact(ctx, "/contacts/find_by_external_id/"+url.PathEscape(id))
		if err != nil {
			return nil, err
		}
		if c == nil {
			continue
		}
		found := c.found(at)
		if found.Key == r.Key {
			return found, nil
		}
		if found.Key == "" {
			nobodys = append(nobodys, found)
		}
	}
	at := time.Now()
	list, err := i.searchContacts(ctx, r)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(list, func(a, b intercomContact) int {
		if (a.Role == "user") != (b.Role == "user") {
			return map[bool]int{true: -1, false: 1}[a.Role == "user"]
		}
		return int(a.CreatedAt - b.CreatedAt)
	})
	for _, c := range list {
		found := c.found(at)
		if found.Key == r.Key {
			return found, nil
		}
		if found.Key == "" && strings.EqualFold(c.Email, r.Person.Email) {
			nobodys = append(nobodys, found)
		}
	}
	if len(nobodys) == 0 {
		return nil, nil
	}
	return nobodys[0], nil
}

// searchContacts finds those with our key or the address (POST /contacts/search).
func (i *intercomRemote) searchContacts(ctx context.Context, r Record) ([]intercomContact, error) {
	byKey := object{"field": "custom_attributes." + intercomKey, "operator": "=", "value": r.Key}
	query := byKey
	byEmail := object{"field": "email", "operator": "=", "value": r.Person.Email}
	if r.Person.Email != "" {
		query = object{"operator": "OR", "value": []any{byKey, byEmail}}
	}
	list, err := i.searchPage(ctx, query)
	// While Bursar only observes, the attribute may not be there, and so no contact that has a key.
	if isStatus(err, http.StatusBadRequest) && strings.Contains(err.Error(), intercomKey) {
		if r.Person.Email == "" {
			return nil, nil
		}
		return i.searchPage(ctx, byEmail)
	}
	return list, err
}

func (i *intercomRemote) searchPage(ctx context.Context, query object) ([]intercomContact, error) {
	var page struct {
		Data []intercomContact `json:"data"`
	}
	err := i.do(ctx, "POST", "/contacts/search", object{"query": query, "pagination": object{"per_page": 50}}, &page)
	if err == nil && page.Data == nil {
		err = i.c.Unreadable("a search without data")
	}
	return page.Data, err
}

// contactBody are the fields as they are sent (schemas create_contact_request, update_contact_request).
func contactBody(r Record) object {
	custom := object{intercomKey: r.Key}
	body := object{"custom_attributes": custom}
	if name, ok := r.Fields[crm.FieldName]; ok {
		body["name"] = name
	}
	if email, ok := r.Fields[crm.FieldEmail]; ok {
		body["email"], custom[intercomEmail] = email, email
	}
	for _, a := range intercomAttributes() {
		if text, ok := r.Fields[a.field]; ok && a.field != "" {
			custom[a.Name] = a.value(text)
		}
	}
	return body
}

// createContact creates a user. Where Intercom has the id or the address already, in a contact of another customer of
// ours, this one goes without: bursar_email still says the address.
func (i *intercomRemote) createContact(ctx context.Context, r Record) (string, error) {
	body := contactBody(r)
	body["role"], body["external_id"] = "user", externalIDs(r)[0]
	for {
		var c intercomContact
		err := i.do(ctx, "POST", "/contacts", body, &c)
		if err == nil && c.ID == "" {
			err = i.c.Unreadable("a new contact without an id")
		}
		id, archived := intercomExisting(err)
		if id == "" {
			return c.ID, err
		}
		err = fmt.Errorf("%w: %w", ErrConflict, err)
		if archived { // somebody put it away, and here it would be created: it comes back
			return "", errors.Join(err, i.do(ctx, "POST", "/contacts/"+url.PathEscape(id)+"/unarchive", nil, nil))
		}
		other, _, readErr := i.contact(ctx, "/contacts/"+url.PathEscape(id))
		if readErr != nil {
			return "", readErr
		}
		if other == nil || !other.anothers(r.Key) {
			return "", err // to be adopted
		}
		switch {
		case other.ExternalID == body["external_id"] && other.ExternalID != r.Key:
			body["external_id"] = r.Key
		case body["email"] != nil && strings.EqualFold(other.Email, body["email"].(string)):
			delete(body, "email")
		default:
			return "", err
		}
	}
}

// anothers says that the contact is that of another customer of ours.
func (c *intercomContact) anothers(key string) bool {
	is, _ := c.Custom[intercomKey].(string)
	return is != "" && is != key
}

var intercomConflictID = regexp.MustCompile(`already exists with id=(\w+)`)

// intercomExisting is the id of the contact that is in the way: the refusal, a 409 with the code conflict, says it in
// its message only (https://developers.intercom.com/docs/references/2.1/rest-api/contacts/create-contact, and for
// those that are archived https://github.com/intercom/Intercom-OpenAPI/pull/543).
func intercomExisting(err error) (id string, archived bool) {
	var call *CallError
	var e intercomError
	if !errors.As(err, &call) || call.Status != http.StatusConflict || json.Unmarshal(call.Body, &e) != nil {
		return "", false
	}
	for _, one := range e.Errors {
		if m := intercomConflictID.FindStringSubmatch(one.Message); m != nil {
			return m[1], strings.Contains(one.Message, "archived")
		}
	}
	return "", false
}

func (i *intercomRemote) updateContact(ctx context.Context, id string, r Record) error {
	body := contactBody(r)
	path := "/contacts/" + url.PathEscape(id)
	err := i.do(ctx, "PUT", path, body, &intercomContact{})
	if isStatus(err, http.StatusConflict) && body["email"] != nil {
		delete(body, "email") // another contact has it, and bursar_email says it
		err = i.do(ctx, "PUT", path, body, &intercomContact{})
	}
	return err
}

// contactPage is a page of GET /contacts. There is no list by the time of a change: its index knows days only.
func (i *intercomRemote) contactPage(ctx context.Context, _ time.Time, after string) (list []Found, next string, err error) {
	query := url.Values{"per_page": {"100"}} // the answer stays well below what is read of it
	if after != "" {
		query.Set("starting_after", after)
	}
	var page struct {
		Data  []intercomContact `json:"data"`
		Pages intercomPages     `json:"pages"`
	}
	at := time.Now()
	err = i.do(ctx, "GET", "/contacts?"+query.Encode(), nil, &page)
	if err == nil && page.Data == nil {
		err = i.c.Unreadable("a list without data")
	}
	for _, c := range page.Data {
		list = append(list, *c.found(at))
	}
	return list, page.Pages.after(), err
}
