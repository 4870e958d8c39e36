package demo

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// ask sends a request to a simulated vendor.
func ask(v http.Handler, method, path, body, key string) (status int, answer string, header http.Header) {
	r := httptest.NewRequest(method, "https://vendor.example.com"+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer token")
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	w := httptest.NewRecorder()
	v.ServeHTTP(w, r)
	return w.Code, w.Body.String(), w.Header()
}

func TestZendeskRefuses(t *testing.T) {
	t.Parallel()
	const comment = `"comment":{"body":"It failed.","public":false}`
	for _, row := range []struct {
		name, method, path, body string
		status                   int
		want                     string
	}{
		{"a ticket that says nothing", "POST", "/tickets", `{"ticket":{"subject":"a"}}`, 422, "Description: cannot be blank"},
		{"a field that is not known", "POST", "/tickets", `{"ticket":{"title":"a",` + comment + `}}`, 400, "title"},
		{"a number for a subject", "POST", "/tickets", `{"ticket":{"subject":1,` + comment + `}}`, 400, "subject"},
		{"one text for the tags", "POST", "/tickets", `{"ticket":{"tags":"a",` + comment + `}}`, 400, "tags"},
		{"a priority that is not known", "POST", "/tickets", `{"ticket":{"priority":"high!",` + comment + `}}`, 422, "Priority"},
		{"a status that is not known", "POST", "/tickets", `{"ticket":{"status":"done",` + comment + `}}`, 422, "Status"},
		{"a requester who is not there", "POST", "/tickets", `{"ticket":{"requester_id":9,` + comment + `}}`, 422, "Requester"},
		{"a group that is not there", "POST", "/tickets", `{"ticket":{"group_id":9,` + comment + `}}`, 422, "Group"},
		{"a follow-up of a ticket that is open", "POST", "/tickets", `{"ticket":{"via_followup_source_id":10001,` + comment + `}}`, 422, "closed ticket"},
		{"half a body", "POST", "/tickets", `{"ticket":`, 400, "JSON"},
		{"solved by nobody", "PUT", "/tickets/10001", `{"ticket":{"status":"solved"}}`, 422, "Assignee: is required when solving a ticket"},
		{"new again", "PUT", "/tickets/10001", `{"ticket":{"status":"new"}}`, 422, "back to new"},
		{"a change of a closed ticket", "PUT", "/tickets/10002", `{"ticket":{"subject":"b"}}`, 422, "Status: closed prevents ticket update"},
		{"a ticket that is not there", "GET", "/tickets/9", ``, 404, "RecordNotFound"},
		{"an empty name", "POST", "/users/create_or_update", `{"user":{"email":"a@example.com"}}`, 422, "Name"},
		{"what is no address", "POST", "/users/create_or_update", `{"user":{"name":"Ada","email":"ada"}}`, 422, "Email"},
		{"a page that is too long", "GET", "/tickets?page[size]=101", ``, 400, "page[size]"},
		{"an export of the last minute", "GET", "/incremental/tickets/cursor.json?start_time=4102444800", ``, 400, "StartTimeTooRecent"},
		{"an export from nowhere", "GET", "/incremental/tickets/cursor.json", ``, 400, "start_time"},
	} {
		z := NewZendesk()
		z.Add("tickets", map[string]string{"status": "open"})
		z.Add("tickets", map[string]string{"status": "closed"})
		status, answer, _ := ask(z, row.method, "/api/v2"+row.path, row.body, "")
		if status != row.status || !strings.Contains(answer, row.want) {
			t.Errorf("%s: %d %s", row.name, status, answer)
		}
		if len(z.Records("tickets")) != 2 {
			t.Errorf("%s: a ticket was made", row.name)
		}
	}
}

func TestZendeskKeepsKeysForTwoHours(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		z := NewZendesk()
		const body = `{"ticket":{"comment":{"body":"It failed."}}}`
		for _, row := range []struct {
			name   string
			after  time.Duration
			body   string
			status int
			lookup string
			there  int
		}{
			{"the first", 0, body, 201, "miss", 1},
			{"again", time.Hour, body, 201, "hit", 1},
			{"with another body", 0, `{"ticket":{"comment":{"body":"Other."}}}`, 400, "", 1},
			{"two hours later", time.Hour, body, 201, "miss", 2},
		} {
			time.Sleep(row.after)
			status, answer, header := ask(z, "POST", "/api/v2/tickets", row.body, "key")
			if status != row.status || header.Get("X-Idempotency-Lookup") != row.lookup || len(z.Records("tickets")) != row.there {
				t.Errorf("%s: %d %s %v", row.name, status, answer, header)
			}
		}
	})
}

func TestZendeskLimits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		z := NewZendesk()
		for range 10 {
			ask(z, "GET", "/api/v2/incremental/tickets/cursor.json?start_time=0", "", "")
		}
		status, answer, header := ask(z, "GET", "/api/v2/incremental/tickets/cursor.json?start_time=0", "", "")
		if status != 429 || header.Get("Retry-After") != "60" || header.Get("Content-Type") != "text/plain; charset=utf-8" || answer != "Number of allowed API requests per minute exceeded" {
			t.Errorf("the eleventh export: %d %s %v", status, answer, header)
		}
		time.Sleep(time.Minute)
		if status, answer, _ := ask(z, "GET", "/api/v2/incremental/tickets/cursor.json?start_time=0", "", ""); status != 200 {
			t.Errorf("a minute later: %d %s", status, answer)
		}
	})
}
