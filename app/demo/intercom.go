package demo

import (
	"crypto/hmac"
	"crypto/sha1" // #nosec G505 -- Intercom signs with HMAC-SHA1, which is no weaker for that
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// Intercom is a simulated Intercom workspace with the parts of version 2.14 of its API that a connector needs. It
// refuses what the reference refuses: no version or another, attributes that were not created, values of the wrong type,
// a second contact with an external id or an e-mail address.
type Intercom struct {
	Vendor
	Secret       string          // the client secret, that webhooks are signed with
	Scopes       map[string]bool // permissions that the app lacks
	SharedEmails bool            // the workspace lets two users have one address

	attributes map[string]string // data types of the custom attributes of contacts, by name
	types      []*intercomType   // of tickets
}

type intercomType struct {
	id, name, category string
	attributes         map[string]string // ids by name
	states             []intercomState
}

type intercomState struct{ id, category, label string }

// NewIntercom opens a workspace with two teammates, 77 and 78, and one team, 12.
func NewIntercom() *Intercom {
	i := &Intercom{Secret: "intercom-secret", Scopes: map[string]bool{}, attributes: map[string]string{}}
	i.resets = true
	routes := map[string]func(*vcall) (int, any, error){
		"GET /me":                            i.allow("", i.me),
		"GET /admins/{id}":                   i.allow("Read admins", i.admin),
		"GET /teams/{id}":                    i.allow("Read admins", i.team),
		"GET /data_attributes":               i.allow("Read and list users and companies", i.listAttributes),
		"POST /data_attributes":              i.allow("Write data attributes", i.createAttribute),
		"GET /contacts":                      i.allow("Read and list users and companies", i.listContacts),
		"POST /contacts":                     i.allow("Write users and companies", i.createContact),
		"POST /contacts/search":              i.allow("Read and list users and companies", i.searchContacts),
		"GET /contacts/{id}":                 i.allow("Read and list users and companies", i.getContact),
		"PUT /contacts/{id}":                 i.allow("Write users and companies", i.updateContact),
		"POST /contacts/{id}/unarchive":      i.allow("Write users and companies", i.unarchive),
		"GET /contacts/{id}/{what}":          i.allow("Read and list users and companies", i.ofContact),
		"POST /contacts/{id}/notes":          i.allow("Write users and companies", i.createNote),
		"GET /notes/{id}":                    i.allow("Read and list users and companies", i.getNote),
		"GET /ticket_types":                  i.allow("Read tickets", i.listTypes),
		"POST /ticket_types":                 i.allow("Write tickets", i.createType),
		"GET /ticket_types/{id}":             i.allow("Read tickets", i.getType),
		"POST /ticket_types/{id}/attributes": i.allow("Write tickets", i.createTypeAttribute),
		"POST /tickets":                      i.allow("Write tickets", i.createTicket),
		"POST /tickets/search":               i.allow("Read tickets", i.searchTickets),
		"GET /tickets/{id}":                  i.allow("Read tickets", i.getTicket),
		"PUT /tickets/{id}":                  i.allow("Write tickets", i.updateTicket),
		"POST /tickets/{id}/reply":           i.allow("Write tickets", i.reply),
	}
	i.open(intercomFailure, routes)
	return i
}

// intercomFailure is the schema error, with the codes of
// https://developers.intercom.com/docs/references/rest-api/errors/error-codes.
func intercomFailure(status int, message string) any {
	code := map[int]string{400: "parameter_invalid", 401: "unauthorized", 403: "action_forbidden", 404: "not_found", 409: "conflict",
		429: "rate_limit_exceeded"}[status]
	if code == "" {
		code = "server_error"
	}
	return object{"type": "error.list", "request_id": "00000000-0000-4000-8000-000000000000", "errors": []any{object{"code": code, "message": message}}}
}

// allow checks the version and the permission before a call.
func (i *Intercom) allow(scope string, handle func(*vcall) (int, any, error)) func(*vcall) (int, any, error) {
	return func(c *vcall) (int, any, error) {
		if version := c.Header.Get("Intercom-Version"); version != "2.14" {
			return 0, nil, refuse(http.StatusBadRequest, "The requested version %q could not be found", version)
		}
		if i.Scopes[scope] {
			return 0, nil, refuse(http.StatusForbidden, "The action is not authorized")
		}
		return handle(c)
	}
}

func (i *Intercom) me(*vcall) (int, any, error) {
	return http.StatusOK, object{"type": "admin", "id": "78", "name": "Kim", "email": "kim@example.com",
		"app": object{"type": "app", "id_code": "demo1234", "name": "Demo", "region": "US"}}, nil
}

// intercomAdmins are the teammates by id.
var intercomAdmins = map[string][2]string{"77": {"Sam", "sam@example.com"}, "78": {"Kim", "kim@example.com"}}

func (i *Intercom) admin(c *vcall) (int, any, error) {
	who, known := intercomAdmins[c.PathValue("id")]
	if !known {
		return 0, nil, refuse(http.StatusNotFound, "Admin not found")
	}
	return http.StatusOK, object{"type": "admin", "id": c.PathValue("id"), "name": who[0], "email": who[1]}, nil
}

func (i *Intercom) team(c *vcall) (int, any, error) {
	if c.PathValue("id") != "12" {
		return 0, nil, refuse(http.StatusNotFound, "Team not found")
	}
	return http.StatusOK, object{"type": "team", "id": "12", "name": "Billing team", "admin_ids": []int{77}}, nil
}

// isAdmin checks the id of a teammate, as text or number; "" is nobody.
func isAdmin(id json.Number) error {
	if _, known := intercomAdmins[id.String()]; !known {
		return refuse(http.StatusNotFound, "Resource Not Found")
	}
	return nil
}

func (i *Intercom) listAttributes(c *vcall) (int, any, error) {
	if model := c.URL.Query().Get("model"); model != "contact" {
		return 0, nil, refuse(http.StatusBadRequest, "model %q is not simulated", model)
	}
	list := []any{object{"type": "data_attribute", "name": "email", "full_name": "email", "data_type": "string", "custom": false, "model": "contact"}}
	for _, name := range keysOf(i.attributes) {
		list = append(list, intercomAttribute(name, i.attributes[name]))
	}
	return http.StatusOK, object{"type": "list", "data": list}, nil
}

func intercomAttribute(name, dataType string) object {
	return object{"type": "data_attribute", "name": name, "full_name": "custom_attributes." + name, "label": name, "data_type": dataType,
		"api_writable": true, "custom": true, "archived": false, "model": "contact"}
}

var intercomName = regexp.MustCompile(`^[\w$€£ -]+$`)

func (i *Intercom) createAttribute(c *vcall) (int, any, error) {
	var in struct {
		Name              string `json:"name"`
		Model             string `json:"model"`
		DataType          string `json:"data_type"`
		Description       string `json:"description"`
		MessengerWritable bool   `json:"messenger_writable"`
	}
	if err := c.decode(&in); err != nil {
		return 0, nil, err
	}
	switch {
	case in.Model != "contact" && in.Model != "company":
		return 0, nil, refuse(http.StatusBadRequest, "The Data Attribute model field must be either contact or company")
	case !intercomName.MatchString(in.Name):
		return 0, nil, refuse(http.StatusBadRequest, "Your name for this attribute must only contain alphanumeric characters, currency symbols, and hyphens")
	case !strings.Contains(" string integer float boolean datetime date ", " "+in.DataType+" "):
		return 0, nil, refuse(http.StatusBadRequest, "Data Type isn't an option")
	case i.attributes[in.Name] != "":
		return 0, nil, refuse(http.StatusBadRequest, "You already have '%s' in your people data. To save this as new people data, use a different name.", in.Name)
	}
	i.attributes[in.Name] = in.DataType
	return http.StatusOK, intercomAttribute(in.Name, in.DataType), nil
}

// intercomPage is a page of records in the form of cursor_pages.
func intercomPage(list []*record, from string, perPage int, render func(*record) any) (data []any, pages object) {
	data = []any{}
	page, next := after(list, from, perPage)
	for _, r := range page {
		data = append(data, render(r))
	}
	pages = object{"type": "pages", "page": 1, "per_page": perPage, "total_pages": (len(list) + perPage - 1) / perPage, "next": nil}
	if next != "" {
		pages["next"] = object{"per_page": perPage, "starting_after": next}
	}
	return data, pages
}

// intercomSearch is the schema search_request.
type intercomSearch struct {
	Query      intercomQuery `json:"query"`
	Pagination struct {
		PerPage       int    `json:"per_page"`
		StartingAfter string `json:"starting_after"`
	} `json:"pagination"`
}

type intercomQuery struct {
	Field    string          `json:"field,omitempty"`
	Operator string          `json:"operator"`
	Value    json.RawMessage `json:"value"`
}

// read takes in a search.
func (s *intercomSearch) read(c *vcall, perPage int) error {
	err := c.decode(s)
	if s.Pagination.PerPage == 0 {
		s.Pagination.PerPage = perPage
	}
	if err == nil && (s.Pagination.PerPage < 1 || s.Pagination.PerPage > 150) {
		err = refuse(http.StatusBadRequest, "per_page must be between 1 and 150")
	}
	return err
}

// matches says whether a record is found. value gives that of a field, and false if it cannot be searched; nesting is
// how deep the groups may still go.
func (q intercomQuery) matches(r *record, value func(r *record, field string) (string, bool), nesting int) (bool, error) {
	if q.Operator == "AND" || q.Operator == "OR" {
		var list []intercomQuery
		if json.Unmarshal(q.Value, &list) != nil || nesting == 0 || len(list) > 15 {
			return false, refuse(http.StatusBadRequest, "invalid filters")
		}
		is := q.Operator == "AND"
		for _, one := range list {
			match, err := one.matches(r, value, nesting-1)
			if err != nil {
				return false, err
			}
			if match != is && q.Operator == "AND" || match && q.Operator == "OR" {
				is = match
			}
		}
		return is, nil
	}
	have, known := value(r, q.Field)
	if !known {
		return false, refuse(http.StatusBadRequest, "Field %s is not searchable", q.Field)
	}
	want := strings.Trim(string(q.Value), `"`)
	switch q.Operator {
	case "=":
		return strings.EqualFold(have, want), nil
	case ">":
		var a, b int64
		if _, err := fmt.Sscan(have+" "+want, &a, &b); err != nil {
			return false, refuse(http.StatusBadRequest, "%s is compared with a number only", q.Field)
		}
		return a >= b, nil // "Greater (or equal) than"
	}
	return false, refuse(http.StatusBadRequest, "operator %q is not supported for %s", q.Operator, q.Field)
}

// find are the records that a search finds by now.
func (i *Intercom) find(kind string, q intercomQuery, value func(r *record, field string) (string, bool)) (list []*record, err error) {
	if _, err := q.matches(&record{fields: map[string]string{}}, value, 3); err != nil {
		return nil, err // also where there are no records
	}
	for _, r := range i.indexed(kind) {
		is, err := q.matches(r, value, 3)
		if err != nil {
			return nil, err
		}
		if is {
			list = append(list, r)
		}
	}
	return list, nil
}

// Webhook is what Intercom would send to url about a ticket, signed.
func (i *Intercom) Webhook(url, topic, ticket string, at time.Time) (*http.Request, error) {
	body := fmt.Sprintf(`{"type":"notification_event","app_id":"demo1234","id":"notif_1","topic":%q,"created_at":%d,"data":{"type":"notification_event_data","item":{"type":"ticket","id":%q}}}`,
		topic, at.Unix(), ticket)
	mac := hmac.New(sha1.New, []byte(i.Secret))
	mac.Write([]byte(body))
	r, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Hub-Signature", "sha1="+hex.EncodeToString(mac.Sum(nil)))
	return r, nil
}
