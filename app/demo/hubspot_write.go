package demo

import (
	"net/http"
)

// hubspotInput is a record as it is sent.
type hubspotInput struct {
	ID           string            `json:"id,omitempty"`
	IDProperty   string            `json:"idProperty,omitempty"`
	After        string            `json:"after,omitempty"`
	Properties   map[string]string `json:"properties,omitempty"`
	Associations []struct {
		To struct {
			ID string `json:"id"`
		} `json:"to"`
		Types []struct {
			Category string `json:"associationCategory"`
			ID       int    `json:"associationTypeId"`
		} `json:"types"`
	} `json:"associations,omitempty"`
}

func (h *HubSpot) create(c *vcall) (int, any, error) {
	kind, err := h.shelf(c, true)
	var in hubspotInput
	if err == nil {
		err = c.decode(&in)
	}
	if err == nil {
		err = h.check(kind, in.Properties, nil)
	}
	if err == nil {
		err = h.complete(kind, in.Properties)
	}
	links := map[string][]string{}
	if err == nil {
		links, err = h.links(kind, in)
	}
	if err != nil {
		return 0, nil, err
	}
	r := h.add(kind, in.Properties)
	r.links = links
	for to, ids := range links {
		for _, id := range ids {
			other := h.record(to, id)
			other.links[kind] = append(other.links[kind], r.id)
		}
	}
	return http.StatusCreated, h.render(r, keysOf(in.Properties)), nil
}

// complete refuses a record without what it must have.
func (h *HubSpot) complete(kind string, values map[string]string) error {
	for _, name := range map[string][]string{"tickets": {"hs_pipeline_stage"}, "tasks": {"hs_timestamp"}, "notes": {"hs_timestamp"}}[kind] {
		if values[name] == "" {
			return refuse(http.StatusBadRequest, "Error creating %s. Some required properties were not set: %s", kind, name)
		}
	}
	return nil
}

// hubspotLinks are the association types that are known, by their id.
var hubspotLinks = map[int][2]string{16: {"tickets", "contacts"}, 202: {"notes", "contacts"}, 204: {"tasks", "contacts"}, 228: {"notes", "tickets"}}

func (h *HubSpot) links(kind string, in hubspotInput) (map[string][]string, error) {
	links := map[string][]string{}
	for _, a := range in.Associations {
		for _, t := range a.Types {
			ends, known := hubspotLinks[t.ID]
			if !known || t.Category != "HUBSPOT_DEFINED" || ends[0] != kind || h.record(ends[1], a.To.ID) == nil {
				return nil, refuse(http.StatusBadRequest, "Association type %d from %s to %s is not valid", t.ID, kind, a.To.ID)
			}
			links[ends[1]] = append(links[ends[1]], a.To.ID)
		}
	}
	return links, nil
}

func (h *HubSpot) update(c *vcall) (int, any, error) {
	kind, err := h.shelf(c, true)
	var in hubspotInput
	if err == nil {
		err = c.decode(&in)
	}
	if err != nil {
		return 0, nil, err
	}
	r := h.record(kind, c.PathValue("id"))
	if r == nil {
		return 0, nil, refuse(http.StatusNotFound, "Object not found.  objectId are usually numeric.")
	}
	if err := h.check(kind, in.Properties, r); err != nil {
		return 0, nil, err
	}
	r.set(in.Properties)
	return http.StatusOK, h.render(r, keysOf(in.Properties)), nil
}

func (h *HubSpot) upsert(c *vcall) (int, any, error) {
	kind, err := h.shelf(c, true)
	var in struct {
		Inputs []hubspotInput `json:"inputs"`
	}
	if err == nil {
		err = c.decode(&in)
	}
	if err == nil && len(in.Inputs) > 100 {
		err = refuse(http.StatusBadRequest, "too many inputs")
	}
	if err != nil {
		return 0, nil, err
	}
	results, errs := []any{}, []any{}
	for _, one := range in.Inputs {
		if !h.properties[kind][one.IDProperty].Unique || one.ID == "" || one.Properties == nil {
			return 0, nil, refuse(http.StatusBadRequest, "idProperty %q is not a unique property", one.IDProperty)
		}
		r := h.by(kind, one.IDProperty, one.ID)
		if err := h.check(kind, one.Properties, r); err != nil {
			e := err.(*refusal)
			errs = append(errs, hubspotFailure(e.status, e.message))
			continue
		}
		isNew := r == nil
		if isNew {
			r = h.add(kind, map[string]string{one.IDProperty: one.ID})
		}
		r.set(one.Properties)
		o := h.render(r, keysOf(one.Properties))
		o["new"] = isNew
		results = append(results, o)
	}
	if len(errs) > 0 {
		return http.StatusMultiStatus, object{"status": "COMPLETE", "results": results, "errors": errs, "numErrors": len(errs)}, nil
	}
	return http.StatusOK, object{"status": "COMPLETE", "results": results}, nil
}
