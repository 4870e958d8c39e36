package demo

import (
	"encoding/json"
	"net/http"
	"net/mail"
	"strings"
)

func (z *Zendesk) me(*vcall) (int, any, error) {
	return http.StatusOK, object{"user": object{"id": 77, "name": "Sam", "email": "sam@example.com", "role": z.Role}}, nil
}

func renderUser(r *record) object {
	o := object{"id": json.Number(r.id), "name": r.fields["name"], "email": nil, "external_id": nil, "role": r.fields["role"]}
	for _, name := range []string{"email", "external_id"} {
		if v, ok := r.fields[name]; ok {
			o[name] = v
		}
	}
	return o
}

func (z *Zendesk) getUser(c *vcall) (int, any, error) {
	r := z.record("users", c.PathValue("id"))
	if r == nil {
		return 0, nil, refuse(http.StatusNotFound, "Not found")
	}
	return http.StatusOK, object{"user": renderUser(r)}, nil
}

func (z *Zendesk) getGroup(c *vcall) (int, any, error) {
	if !z.Groups[c.PathValue("id")] {
		return 0, nil, refuse(http.StatusNotFound, "Not found")
	}
	return http.StatusOK, object{"group": object{"id": json.Number(c.PathValue("id"))}}, nil
}

// searchUsers finds by external id, or by an address in the query; in an index that lags.
func (z *Zendesk) searchUsers(c *vcall) (int, any, error) {
	field, value := "external_id", c.URL.Query().Get("external_id")
	if query := c.URL.Query().Get("query"); query != "" {
		address, ok := strings.CutPrefix(query, "email:")
		if !ok || value != "" {
			return 0, nil, refuse(http.StatusBadRequest, "the simulated search takes email: or external_id")
		}
		field, value = "email", address
	}
	users := []any{}
	for _, r := range z.indexed("users") {
		if value != "" && strings.EqualFold(r.fields[field], value) {
			users = append(users, renderUser(r))
		}
	}
	return http.StatusOK, object{"users": users, "count": len(users)}, nil
}

// saveUser takes the user with the external id, or with the address, or makes one.
func (z *Zendesk) saveUser(c *vcall) (int, any, error) {
	var in struct {
		User struct {
			Name       string `json:"name"`
			Email      string `json:"email"`
			ExternalID string `json:"external_id"`
			Silent     bool   `json:"skip_verify_email"`
		} `json:"user"`
	}
	if err := c.decode(&in); err != nil {
		return 0, nil, err
	}
	u := in.User
	if u.Email != "" {
		if _, err := mail.ParseAddress(u.Email); err != nil {
			return 0, nil, invalidRecord("email", "Email: "+u.Email+" is not properly formatted")
		}
	}
	r, status := z.by("users", "external_id", u.ExternalID), http.StatusOK
	if r == nil {
		r = z.by("users", "email", u.Email)
	}
	switch {
	case r == nil && u.Name == "":
		return 0, nil, invalidRecord("name", "Name: is too short (minimum is 1 character)")
	case r == nil:
		r, status = z.add("users", map[string]string{"role": "end-user"}), http.StatusCreated
	}
	for name, value := range map[string]string{"name": u.Name, "email": u.Email, "external_id": u.ExternalID} {
		if value != "" {
			r.set(map[string]string{name: value})
		}
	}
	return status, object{"user": renderUser(r)}, nil
}
