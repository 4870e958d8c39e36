package demo

import (
	"fmt"
	"net/http"
	"net/mail"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// HubSpot is a simulated HubSpot account with the parts of its API that a connector needs, in the date version
// 2026-09. It refuses what the API's schemas and rules refuse: properties that were not created, values of the wrong
// type, a second record with a unique value, a second contact with an e-mail address.
type HubSpot struct {
	Vendor
	Secret string          // that webhooks are signed with
	Scopes map[string]bool // that the token lacks

	properties map[string]map[string]hubspotProperty // by object type and name
}

type hubspotProperty struct {
	Name      string `json:"name"`
	Label     string `json:"label"`
	Group     string `json:"groupName"`
	Type      string `json:"type"`
	FieldType string `json:"fieldType"`
	Unique    bool   `json:"hasUniqueValue"`
}

// NewHubSpot opens an account with HubSpot's own properties, the default ticket pipeline and one user, 77.
func NewHubSpot() *HubSpot {
	h := &HubSpot{Secret: "hubspot-secret", Scopes: map[string]bool{}, properties: map[string]map[string]hubspotProperty{}}
	own := map[string]string{
		"contacts": "firstname lastname email lifecyclestage phone company",
		"tickets":  "subject content hs_pipeline hs_pipeline_stage hs_ticket_priority hubspot_owner_id",
		"tasks":    "hs_task_subject hs_task_body hs_task_status hs_task_priority hs_task_type hs_timestamp hubspot_owner_id",
		"notes":    "hs_note_body hs_timestamp hubspot_owner_id",
	}
	for kind, names := range own {
		h.properties[kind] = map[string]hubspotProperty{}
		for name := range strings.FieldsSeq(names) {
			h.properties[kind][name] = hubspotProperty{Name: name, Type: "string", FieldType: "text"}
		}
	}
	const objects = "/crm/objects/2026-09/{type}"
	h.open(hubspotFailure, map[string]func(*vcall) (int, any, error){
		"GET " + objects:             h.list,
		"POST " + objects:            h.create,
		"GET " + objects + "/{id}":   h.get,
		"PATCH " + objects + "/{id}": h.update,
		"PUT " + objects + "/{id}/associations/default/{to}/{other}": h.associate,
		"POST " + objects + "/batch/upsert":                          h.upsert,
		"POST " + objects + "/batch/read":                            h.readBatch,
		"POST " + objects + "/search":                                h.search,
		"POST /crm/associations/2026-09/{from}/{to}/batch/read":      h.associated,
		"GET /crm/properties/2026-09/{type}":                         h.listProperties,
		"POST /crm/properties/2026-09/{type}":                        h.createProperty,
		"GET /crm/pipelines/2026-09/{type}":                          h.pipelines,
		"GET /crm/owners/2026-09/{id}":                               h.getOwner,
	})
	return h
}

// hubspotFailure is https://developers.hubspot.com/docs/developer-tooling/platform/error-handling.
func hubspotFailure(status int, message string) any {
	category := map[int]string{400: "VALIDATION_ERROR", 401: "INVALID_AUTHENTICATION", 403: "MISSING_SCOPES", 404: "OBJECT_NOT_FOUND",
		409: "CONFLICT", 429: "RATE_LIMITS"}[status]
	return object{"status": "error", "message": message, "category": category, "correlationId": "00000000-0000-4000-8000-000000000000"}
}

// shelf is the object type of the path, with its properties.
func (h *HubSpot) shelf(c *vcall, writes bool) (string, error) {
	kind := c.PathValue("type")
	if h.properties[kind] == nil {
		return "", refuse(http.StatusBadRequest, "Unable to infer object type from: %s", kind)
	}
	scope := "crm.objects.contacts."
	if kind == "tickets" {
		scope = "tickets."
	}
	scope += map[bool]string{true: "write", false: "read"}[writes]
	return kind, h.allowed(scope)
}

func (h *HubSpot) allowed(scope string) error {
	if !h.Scopes[scope] {
		return nil
	}
	message := "This app hasn't been granted all required scopes to make this call."
	return &refusal{status: http.StatusForbidden, message: message, body: object{"status": "error", "message": message, "category": "MISSING_SCOPES",
		"errors": []any{object{"message": "One or more of the following scopes are required.", "context": object{"requiredGranularScopes": []string{scope}}}}}}
}

var isNumber = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?$`)

// check refuses values that a property would not take. except is the record that may have the unique values.
func (h *HubSpot) check(kind string, values map[string]string, except *record) error {
	for name, value := range values {
		p, known := h.properties[kind][name]
		if !known {
			return refuse(http.StatusBadRequest, "Property values were not valid: Property %q does not exist", name)
		}
		if value == "" {
			continue
		}
		_, notTime := time.Parse(time.RFC3339, value)
		_, notAddress := mail.ParseAddress(value)
		switch {
		case p.Type == "number" && !isNumber.MatchString(value), p.Type == "datetime" && notTime != nil:
			return refuse(http.StatusBadRequest, "Property values were not valid: %q was not a valid %s", value, p.Type)
		case name == "email" && notAddress != nil:
			return refuse(http.StatusBadRequest, "Property values were not valid: Email address %s is invalid", value)
		}
		other := h.by(kind, name, value)
		if other == nil || other == except {
			continue
		}
		if name == "email" {
			return refuse(http.StatusConflict, "Contact already exists. Existing ID: %s", other.id)
		}
		if p.Unique {
			return refuse(http.StatusBadRequest, "Cannot set PropertyValueCoordinates on record. %s already has that value.", other.id)
		}
	}
	return nil
}

// render is a record with the properties that were asked for.
func (h *HubSpot) render(r *record, names []string) object {
	p := object{"hs_object_id": r.id}
	for _, name := range names {
		if _, known := h.properties[r.kind][name]; known {
			p[name] = nil
			if v, ok := r.fields[name]; ok {
				p[name] = v
			}
		}
	}
	o := object{"id": r.id, "properties": p, "archived": false, "createdAt": r.created.UTC().Format(time.RFC3339Nano), "updatedAt": r.updated.UTC().Format(time.RFC3339Nano)}
	o["url"] = "https://app.hubspot.com/contacts/1/record/" + map[string]string{"contacts": "0-1", "tickets": "0-5"}[r.kind] + "/" + r.id
	return o
}

func (h *HubSpot) get(c *vcall) (int, any, error) {
	kind, err := h.shelf(c, false)
	if err != nil {
		return 0, nil, err
	}
	r := h.record(kind, c.PathValue("id"))
	if by := c.URL.Query().Get("idProperty"); by != "" {
		if p := h.properties[kind][by]; !p.Unique && by != "email" {
			return 0, nil, refuse(http.StatusBadRequest, "%s is not a unique property", by)
		}
		r = h.by(kind, by, c.PathValue("id"))
	}
	if r == nil {
		return 0, nil, refuse(http.StatusNotFound, "resource not found")
	}
	o := h.render(r, strings.Split(c.URL.Query().Get("properties"), ","))
	if to := c.URL.Query().Get("associations"); to != "" && len(r.links[to]) > 0 {
		list := []any{}
		for _, id := range r.links[to] {
			list = append(list, object{"id": id, "type": strings.TrimSuffix(kind, "s") + "_to_" + strings.TrimSuffix(to, "s")})
		}
		o["associations"] = object{to: object{"results": list}}
	}
	return http.StatusOK, o, nil
}

func (h *HubSpot) associate(c *vcall) (int, any, error) {
	kind, err := h.shelf(c, true)
	if err != nil {
		return 0, nil, err
	}
	to := c.PathValue("to")
	r, other := h.record(kind, c.PathValue("id")), h.record(to, c.PathValue("other"))
	if r == nil || other == nil {
		return 0, nil, refuse(http.StatusNotFound, "resource not found")
	}
	if !slices.Contains(r.links[to], other.id) {
		r.links[to], other.links[kind] = append(r.links[to], other.id), append(other.links[kind], r.id)
	}
	return http.StatusOK, object{"fromObjectId": r.id, "toObjectId": other.id}, nil
}

// Linked are the ids of the records of a kind that one is associated with.
func (h *HubSpot) Linked(kind, id, to string) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.record(kind, id).links[to])
}

// Webhook is what HubSpot would send to url about a change of a ticket, signed.
func (h *HubSpot) Webhook(url, ticket string, at time.Time) (*http.Request, error) {
	body := fmt.Sprintf(`[{"objectId":%s,"subscriptionType":"ticket.propertyChange","propertyName":"hs_pipeline_stage","occurredAt":%d}]`, ticket, at.UnixMilli())
	stamp := strconv.FormatInt(at.UnixMilli(), 10)
	r, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-HubSpot-Request-Timestamp", stamp)
	r.Header.Set("X-HubSpot-Signature-v3", signature(h.Secret, http.MethodPost+url+body+stamp))
	return r, nil
}
