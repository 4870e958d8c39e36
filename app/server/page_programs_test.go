package server

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"bursar/app/auth"
)

func TestRequirement57WhatAKeyOpens(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	add := func(name string, scope auth.Scope, expires time.Time) string {
		key, err := auth.AddAPIKey(t.Context(), a.DB, name, scope, expires)
		check(t, err)
		return key
	}
	ask := func(key, method, path string) (*http.Response, string) {
		return send(t, request(t, method, a.url+path, "{}", "Authorization", "Bearer "+key, "Content-Type", "application/json"))
	}
	keys := map[string]string{"reader": add("reader", auth.ScopeRead, time.Time{}), "writer": add("writer", auth.ScopeWrite, time.Now().Add(time.Hour)),
		"expired": add("expired", auth.ScopeWrite, time.Now().Add(-time.Second)), "revoked": add("revoked", auth.ScopeWrite, time.Time{}),
		"unknown": "bsk_" + strings.Repeat("a", 32)}
	a.submit(auth.Owner, "/admin/programs/4/revoke", nil)
	_, unknown := ask(keys["unknown"], "GET", "/api/v1/customers?email=x@example.com")
	for _, row := range []struct {
		key, method, path string
		want              int
	}{
		{"reader", "GET", "/api/v1/customers?email=x@example.com", 200},
		{"reader", "HEAD", "/api/v1/customers?email=x@example.com", 200},
		{"reader", "PUT", "/api/v1/users/u1", 403},
		{"reader", "POST", "/api/v1/tickets", 403},
		{"writer", "GET", "/api/v1/customers?email=x@example.com", 200},
		{"writer", "PUT", "/api/v1/users/u1", 201},
		{"expired", "GET", "/api/v1/customers?email=x@example.com", 401},
		{"revoked", "GET", "/api/v1/customers?email=x@example.com", 401},
		{"unknown", "GET", "/api/v1/customers?email=x@example.com", 401},
	} {
		res, body := ask(keys[row.key], row.method, row.path)
		if res.StatusCode != row.want {
			t.Errorf("%s %s %s: %d %s", row.key, row.method, row.path, res.StatusCode, body)
		}
		if row.want == 403 && (res.Header.Get("Content-Type") != "application/problem+json" || !strings.Contains(body, "--scope write")) {
			t.Errorf("%s %s %s: %s %s", row.key, row.method, row.path, res.Header.Get("Content-Type"), body)
		}
		without := func(s string) string { return s[:strings.Index(s, "request_id")] }
		if row.want == 401 && without(body) != without(unknown) {
			t.Errorf("%s tells more than an unknown key: %s", row.key, body)
		}
	}
	if got := a.audits(2); got[0] != "API key 1 POST /api/v1/tickets /api/v1/tickets denied" || !strings.HasSuffix(got[1], "/api/v1/users/u1 denied") {
		t.Errorf("the audit has %q", got)
	}
}

func TestRevokingAKey(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	_, err := auth.AddAPIKey(t.Context(), a.DB, "shop <script>", auth.ScopeRead, time.Now().AddDate(0, 0, 90))
	check(t, err)
	text, body := a.open(auth.Owner, "/admin/people")
	if !strings.Contains(body, `href="/admin/programs/1/revoke"`) || strings.Contains(body, "<script>") || !strings.Contains(text, "shop <script> bsk_") {
		t.Errorf("the list: %s", body)
	}
	text, body = a.open(auth.Owner, "/admin/programs/1/revoke")
	if !strings.Contains(text, "Revoke the key of shop <script>?") || !strings.Contains(text, "It cannot be taken back") || !strings.Contains(body, `<button class="danger">`) {
		t.Errorf("the question: %s", text)
	}
	for range 2 { // pressed twice
		if body := a.submit(auth.Owner, "/admin/programs/1/revoke", nil); !strings.Contains(body, "is revoked.") || strings.Contains(body, "/admin/programs/1/revoke") {
			t.Errorf("revoked: %s", body)
		}
	}
	if got := a.audits(2); got[0] != "owner@example.com apikeys.revoke API key 1 done" || !strings.Contains(got[1], "apikeys.add") {
		t.Errorf("the audit has %q", got)
	}
	for _, path := range []string{"/admin/programs/9/revoke", "/admin/programs/x/revoke"} {
		get, _ := a.get(auth.Owner, path)
		if post, _ := a.post(auth.Owner, path, nil); get != 404 || post != 404 {
			t.Errorf("%s: %d, %d", path, get, post)
		}
	}
}
