package demo_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"bursar/app/demo"
)

// TestIntercomRefuses holds the simulation to what the reference refuses.
func TestIntercomRefuses(t *testing.T) {
	t.Parallel()
	i := demo.NewIntercom()
	web := httptest.NewServer(i)
	t.Cleanup(web.Close)
	send := func(version, method, path, body string) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, web.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer token")
		if version != "" {
			r.Header.Set("Intercom-Version", version)
		}
		res, err := web.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(text)
	}
	must := func(method, path, body string) (id string) {
		t.Helper()
		status, text := send("2.14", method, path, body)
		var made struct {
			ID string `json:"id"`
		}
		if status != http.StatusOK || json.Unmarshal([]byte(text), &made) != nil {
			t.Fatalf("%s %s answers %d %s", method, path, status, text)
		}
		return made.ID
	}
	must("POST", "/data_attributes", `{"name":"bursar_plan","model":"contact","data_type":"string"}`)
	must("POST", "/data_attributes", `{"name":"bursar_mrr","model":"contact","data_type":"float"}`)
	contact := must("POST", "/contacts", `{"role":"user","external_id":"u_1","email":"ada@example.com"}`)
	i.Delete("contacts", must("POST", "/contacts", `{"role":"user","external_id":"u_2"}`))
	kind := must("POST", "/ticket_types", `{"name":"Bursar","category":"Back-office"}`)
	ticket := must("POST", "/tickets", fmt.Sprintf(`{"ticket_type_id":%q,"contacts":[{"id":%q}]}`, kind, contact))

	for _, row := range []struct {
		name, version, method, path, body string
		status                            int
		says                              string
	}{
		{"no version", "", "GET", "/me", "", 400, "version"},
		{"an unknown version", "3.0", "GET", "/me", "", 400, "version"},
		{"a contact without anything", "2.14", "POST", "/contacts", `{"name":"Ada"}`, 400, "required"},
		{"a role that is none", "2.14", "POST", "/contacts", `{"role":"admin"}`, 400, "role"},
		{"an unknown attribute", "2.14", "POST", "/contacts", `{"role":"user","custom_attributes":{"plan":"Team"}}`, 400, "'plan' does not exist"},
		{"a number as text", "2.14", "POST", "/contacts", `{"role":"user","custom_attributes":{"bursar_mrr":"8.25"}}`, 400, "of type float"},
		{"text as a number", "2.14", "POST", "/contacts", `{"role":"user","custom_attributes":{"bursar_plan":1}}`, 400, "of type string"},
		{"a second external id", "2.14", "POST", "/contacts", `{"role":"user","external_id":"u_1"}`, 409, "A contact matching those details already exists with id=" + contact},
		{"a second address", "2.14", "POST", "/contacts", `{"role":"user","external_id":"u_3","email":"ADA@example.com"}`, 409, "already exists with id=" + contact},
		{"one that is archived", "2.14", "POST", "/contacts", `{"role":"user","external_id":"u_2"}`, 409, "An archived contact matching"},
		{"a contact that is not there", "2.14", "GET", "/contacts/4711", "", 404, "User Not Found"},
		{"an attribute twice", "2.14", "POST", "/data_attributes", `{"name":"bursar_plan","model":"contact","data_type":"string"}`, 400, "You already have"},
		{"a type that is none", "2.14", "POST", "/data_attributes", `{"name":"x","model":"contact","data_type":"money"}`, 400, "isn't an option"},
		{"a search by an unknown attribute", "2.14", "POST", "/contacts/search", `{"query":{"field":"custom_attributes.x","operator":"=","value":"1"}}`, 400, "not searchable"},
		{"a note of nobody", "2.14", "POST", "/contacts/" + contact + "/notes", `{"body":"x","admin_id":"1"}`, 404, "Resource Not Found"},
		{"a ticket of nobody", "2.14", "POST", "/tickets", fmt.Sprintf(`{"ticket_type_id":%q,"contacts":[]}`, kind), 400, "one contact"},
		{"a ticket without a type", "2.14", "POST", "/tickets", `{"contacts":[{"email":"a@example.com"}]}`, 400, "ticket_type_id"},
		{"a ticket with an unknown attribute", "2.14", "POST", "/tickets", fmt.Sprintf(`{"ticket_type_id":%q,"contacts":[{"id":%q}],"ticket_attributes":{"x":"1"}}`, kind, contact), 400, "does not exist"},
		{"a state of no type", "2.14", "PUT", "/tickets/" + ticket, `{"ticket_state_id":"0"}`, 400, "Ticket state id is not valid"},
		{"a teammate who is none", "2.14", "PUT", "/tickets/" + ticket, `{"assignee_id":"1"}`, 404, "Assignee not found"},
		{"a reply of nobody", "2.14", "POST", "/tickets/" + ticket + "/reply", `{"message_type":"note","type":"admin","body":"x"}`, 400, "admin_id"},
		{"a page that is too long", "2.14", "GET", "/contacts?per_page=151", "", 400, "per_page"},
	} {
		t.Run(row.name, func(t *testing.T) {
			status, text := send(row.version, row.method, row.path, row.body)
			var said struct {
				Type   string `json:"type"`
				Errors []struct{ Code, Message string }
			}
			if json.Unmarshal([]byte(text), &said) != nil || status != row.status || said.Type != "error.list" || len(said.Errors) != 1 || !strings.Contains(said.Errors[0].Message, row.says) {
				t.Errorf("it answers %d %s, want %d %s", status, text, row.status, row.says)
			}
		})
	}
}
