package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"bursar/app/auth"
	"bursar/app/demo"
)

func TestAPersonsDataIsDownloaded(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	_, id := a.buy(a.stripe(), demo.BuyOptions{Email: "ada@example.com", Name: "Ada Lovelace", UserID: "u1"})
	res, body := a.do(a.browsers[auth.Finance], formRequest(t, a.url+customerPath(id)+"/export", nil))
	var export struct {
		Customer int64
		Tables   map[string][]map[string]any
	}
	if err := json.Unmarshal([]byte(body), &export); err != nil || export.Customer != id || len(export.Tables["events"]) == 0 {
		t.Errorf("%v: %.300s", err, body)
	}
	if got := res.Header.Get("Content-Disposition"); got != fmt.Sprintf(`attachment; filename="customer-%d.json"`, id) {
		t.Errorf("the file is %s", got)
	}
	if rows := a.audits(1); len(rows) != 1 || !strings.Contains(rows[0], "customers.export") || !strings.Contains(rows[0], fmt.Sprintf("customer %d", id)) {
		t.Errorf("the audit says %v", rows)
	}
	if status, _ := a.post(auth.Support, customerPath(id)+"/export", nil); status != http.StatusForbidden {
		t.Errorf("support gets %d", status)
	}
	if status, _ := a.post(auth.Finance, "/admin/customers/99/export", nil); status != http.StatusNotFound {
		t.Errorf("nobody gives %d", status)
	}
}

func TestErasingAPersonIsConfirmedFirst(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	_, id := a.buy(a.stripe(), demo.BuyOptions{Email: "ada@example.com", Name: "Ada Lovelace", UserID: "u1"})
	path, number := customerPath(id), fmt.Sprint(id)
	text, _ := a.open(auth.Owner, path+"/erase")
	shows(t, "the confirmation", text, "Erase customer "+number+"?", "Ada Lovelace", "cannot be undone", "A subscription is live", "Download their data first")
	for _, row := range []struct {
		name   string
		role   auth.Role
		form   url.Values
		status int
		says   string
	}{
		{"without the number", auth.Owner, url.Values{"why": {"asked"}}, http.StatusUnprocessableEntity, "type the number " + number},
		{"another number", auth.Owner, url.Values{"why": {"asked"}, "number": {"99"}}, http.StatusUnprocessableEntity, "type the number " + number},
		{"a live subscription without a reason", auth.Owner, url.Values{"number": {number}}, http.StatusUnprocessableEntity, "say why"},
		{"by finance", auth.Finance, url.Values{"number": {number}, "why": {"asked"}}, http.StatusForbidden, "may not do this"},
		{"by support", auth.Support, url.Values{"number": {number}, "why": {"asked"}}, http.StatusForbidden, "may not do this"},
	} {
		if status, body := a.post(row.role, path+"/erase", row.form); status != row.status || !strings.Contains(body, row.says) {
			t.Errorf("%s: %d, and not %q", row.name, status, row.says)
		}
	}
	if text, _ := a.open(auth.Support, path); !strings.Contains(text, "Ada Lovelace") {
		t.Fatal("they are erased already")
	}
	status, body := a.post(auth.Owner, path+"/erase", url.Values{"number": {number}, "why": {"they asked"}})
	if status != http.StatusOK || !strings.Contains(body, "Customer "+number+" is erased") || !strings.Contains(body, "Nothing of their name") || !strings.Contains(body, "Stripe: redact the customer") {
		t.Errorf("%d %s", status, body)
	}
	if rows := a.audits(1); !strings.Contains(rows[0], "customers.erase") {
		t.Errorf("the audit says %v", rows)
	}
	text, body = a.open(auth.Owner, path)
	if strings.Contains(body, "Ada") || strings.Contains(body, "/erase") || !strings.Contains(text, "This person was erased") {
		t.Errorf("the page afterwards: %s", text)
	}
	if status, _ := a.get(auth.Owner, path+"/erase"); status != http.StatusGone {
		t.Errorf("erasing again: %d", status)
	}
}

func TestErasingNeedsAFreshProof(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	_, id := a.buy(a.stripe(), demo.BuyOptions{Email: "ada@example.com", Name: "Ada Lovelace", UserID: "u1"})
	a.stale()
	status, _ := a.post(auth.Owner, customerPath(id)+"/erase", url.Values{"number": {fmt.Sprint(id)}, "why": {"asked"}})
	if text, _ := a.open(auth.Owner, customerPath(id)); status != http.StatusUnauthorized || !strings.Contains(text, "Ada Lovelace") {
		t.Errorf("%d, %s", status, text)
	}
}

func TestTheProductDoesNotBringBackWhomItErased(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	key, err := auth.AddAPIKey(t.Context(), a.DB, "product", auth.ScopeWrite, time.Time{})
	check(t, err)
	put := func(user string) (int, string) {
		r, err := http.NewRequestWithContext(t.Context(), "PUT", a.url+"/api/v1/users/"+user, strings.NewReader(`{"email":"ada@example.com"}`))
		check(t, err)
		r.Header.Set("Authorization", "Bearer "+key)
		r.Header.Set("Content-Type", "application/json")
		res, body := a.do(a.browsers[""], r)
		return res.StatusCode, body
	}
	if status, body := put("u1"); status != http.StatusCreated {
		t.Fatalf("%d %s", status, body)
	}
	if status, body := a.post(auth.Owner, "/admin/customers/1/erase", url.Values{"number": {"1"}}); status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	if status, body := put("u1"); status != http.StatusGone || !strings.Contains(body, "was erased on") {
		t.Errorf("%d %s", status, body)
	}
	if status, _ := put("u2"); status != http.StatusCreated {
		t.Errorf("somebody else: %d", status)
	}
}
