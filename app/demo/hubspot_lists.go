package demo

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

func (h *HubSpot) readBatch(c *vcall) (int, any, error) {
	kind, err := h.shelf(c, false)
	var in struct {
		Inputs     []hubspotInput `json:"inputs"`
		Properties []string       `json:"properties"`
		History    []string       `json:"propertiesWithHistory"`
		IDProperty string         `json:"idProperty"`
	}
	if err == nil {
		err = c.decode(&in)
	}
	if err != nil {
		return 0, nil, err
	}
	results := []any{}
	for _, one := range in.Inputs {
		if r := h.record(kind, one.ID); r != nil {
			results = append(results, h.render(r, in.Properties))
		}
	}
	return http.StatusOK, object{"status": "COMPLETE", "results": results}, nil
}

func (h *HubSpot) list(c *vcall) (int, any, error) {
	kind, err := h.shelf(c, false)
	if err != nil {
		return 0, nil, err
	}
	query := c.URL.Query()
	limit, err := number(query, "limit", 10, 100)
	if err != nil {
		return 0, nil, err
	}
	page, next := after(h.live(kind), query.Get("after"), limit)
	return http.StatusOK, h.renderPage(page, next, strings.Split(query.Get("properties"), ",")), nil
}

func (h *HubSpot) renderPage(page []*record, next string, names []string) object {
	results := []any{}
	for _, r := range page {
		results = append(results, h.render(r, names))
	}
	o := object{"results": results}
	if next != "" {
		o["paging"] = object{"next": object{"after": next}}
	}
	return o
}

func (h *HubSpot) search(c *vcall) (int, any, error) {
	kind, err := h.shelf(c, false)
	var in struct {
		Limit      int      `json:"limit"`
		After      string   `json:"after"`
		Properties []string `json:"properties"`
		Sorts      []string `json:"sorts"`
		Groups     []struct {
			Filters []struct {
				Property string `json:"propertyName"`
				Operator string `json:"operator"`
				Value    string `json:"value"`
			} `json:"filters"`
		} `json:"filterGroups"`
	}
	if err == nil {
		err = c.decode(&in)
	}
	if err != nil {
		return 0, nil, err
	}
	matches := h.indexed(kind)
	for _, f := range in.Groups[0].Filters {
		matches = slices.DeleteFunc(slices.Clone(matches), func(r *record) bool {
			switch {
			case f.Operator == "HAS_PROPERTY":
				return r.fields[f.Property] == ""
			case f.Property == "hs_lastmodifieddate" && f.Operator == "GTE":
				ms, _ := strconv.ParseInt(f.Value, 10, 64)
				return r.updated.UnixMilli() < ms
			}
			return r.fields[f.Property] != f.Value
		})
	}
	page, next := after(matches, in.After, in.Limit)
	return http.StatusOK, h.renderPage(page, next, in.Properties), nil
}

func (h *HubSpot) associated(c *vcall) (int, any, error) {
	var in struct {
		Inputs []hubspotInput `json:"inputs"`
	}
	if err := c.decode(&in); err != nil {
		return 0, nil, err
	}
	results := []any{}
	for _, one := range in.Inputs {
		r := h.record(c.PathValue("from"), one.ID)
		if r == nil {
			continue
		}
		to := []any{}
		for _, id := range r.links[c.PathValue("to")] {
			other := h.record(c.PathValue("to"), id)
			if other != nil && time.Since(other.created) >= h.Lag {
				to = append(to, object{"toObjectId": json.Number(id), "associationTypes": []any{}})
			}
		}
		if len(to) > 0 {
			results = append(results, object{"from": object{"id": one.ID}, "to": to})
		}
	}
	return http.StatusOK, object{"status": "COMPLETE", "results": results}, nil
}

func (h *HubSpot) listProperties(c *vcall) (int, any, error) {
	list := []hubspotProperty{}
	for _, name := range keysOf(h.properties[c.PathValue("type")]) {
		list = append(list, h.properties[c.PathValue("type")][name])
	}
	return http.StatusOK, object{"results": list}, nil
}

func (h *HubSpot) createProperty(c *vcall) (int, any, error) {
	kind := c.PathValue("type")
	if err := h.allowed("crm.schemas." + kind + ".write"); err != nil {
		return 0, nil, err
	}
	var p hubspotProperty
	if err := c.decode(&p); err != nil {
		return 0, nil, err
	}
	group := map[string]string{"contacts": "contactinformation", "tickets": "ticketinformation"}[kind]
	switch {
	case p.Name == "" || p.Label == "" || p.Type == "" || p.FieldType == "":
		return 0, nil, refuse(http.StatusBadRequest, "Some required fields were not set")
	case p.Group != group:
		return 0, nil, refuse(http.StatusBadRequest, "Property group %q does not exist", p.Group)
	case h.properties[kind][p.Name].Name != "":
		return 0, nil, refuse(http.StatusConflict, "A property named '%s' already exists.", p.Name)
	}
	h.properties[kind][p.Name] = p
	return http.StatusCreated, p, nil
}

// hubspotStages are those of the pipeline that a new account has.
var hubspotStages = []struct{ id, label, state string }{{"1", "New", "OPEN"}, {"2", "Waiting on contact", "OPEN"}, {"3", "Waiting on us", "OPEN"}, {"4", "Closed", "CLOSED"}}

func (h *HubSpot) pipelines(*vcall) (int, any, error) {
	stages := []any{}
	for _, s := range hubspotStages {
		stages = append(stages, object{"id": s.id, "label": s.label, "metadata": object{"ticketState": s.state}})
	}
	return http.StatusOK, object{"results": []any{object{"id": "0", "label": "Support Pipeline", "stages": stages}}}, nil
}

func (h *HubSpot) getOwner(c *vcall) (int, any, error) {
	if c.PathValue("id") != "77" {
		return 0, nil, refuse(http.StatusNotFound, "no such owner")
	}
	return http.StatusOK, object{"id": "77", "email": "sam@example.com", "firstName": "Sam"}, nil
}
