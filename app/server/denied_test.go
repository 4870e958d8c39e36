package server

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"bursar/app/auth"
	"bursar/app/db"
)

// forgive forgets what was denied, so that the next attempt is written down.
func (a *adminTest) forgive() {
	a.denials.mu.Lock()
	defer a.denials.mu.Unlock()
	a.denials.callers = nil
}

func (a *adminTest) count(outcome string) (n int) {
	a.t.Helper()
	rows, err := a.DB.Read().ListAudit(a.t.Context(), db.ListAuditParams{BeforeID: 1 << 62, Outcome: outcome, Count: 10_000})
	check(a.t, err)
	return len(rows)
}

func TestRequirement50DeniedAttemptsAreWrittenDownAndCannotFillTheFile(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	for range deniedAtOnce + 30 {
		if status, _ := a.get(auth.Support, "/admin/people"); status != http.StatusForbidden {
			t.Fatalf("%d", status)
		}
	}
	if n := a.count(auth.Denied); n != deniedAtOnce {
		t.Errorf("%d of one person are written down, want the first %d", n, deniedAtOnce)
	}
	a.get(auth.Finance, "/admin/people")
	if n := a.count(auth.Denied); n != deniedAtOnce+1 {
		t.Error("another person's first attempt does not count")
	}
	a.denials.mu.Lock()
	a.denials.callers["support@example.com"].rows.SetBurst(1)
	a.denials.callers["support@example.com"].rows.SetLimit(1e6) // a minute later
	a.denials.mu.Unlock()
	a.get(auth.Support, "/admin/people")
	rows, err := a.DB.Read().ListAudit(t.Context(), db.ListAuditParams{BeforeID: 1 << 62, Count: 1})
	check(t, err)
	if got := rows[0]; got.Actor != "support@example.com" || got.Detail != "30 more since the last entry" || got.Target != "/admin/people" || got.Address != "127.0.0.1" {
		t.Errorf("the next one is %+v", got)
	}
}

func TestRequirement50MoneyWithoutASecondFactorIsWrittenDown(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	moved := false
	h := a.money(func(http.ResponseWriter, *http.Request) error {
		moved = true
		return nil
	})
	r := httptest.NewRequestWithContext(t.Context(), "POST", "/admin/customers/1/refund", nil)
	r.Pattern = "POST /admin/customers/{id}/refund"
	r = withUser(r, auth.User{ID: 2, Email: "finance@example.com", Role: auth.Finance, ConfirmedAt: time.Now()})
	var e *HTTPError
	if err := h(httptest.NewRecorder(), r); !errors.As(err, &e) || e.Code != http.StatusForbidden || moved {
		t.Errorf("%v, moved %t", err, moved)
	}
	if got := a.audits(1)[0]; got != "finance@example.com POST /admin/customers/{id}/refund /admin/customers/1/refund denied" {
		t.Errorf("the audit has %q", got)
	}
}

func TestRequirement50WhatIsInTheAudit(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	browser := newBrowser(t)
	signIn := func(password string) {
		a.do(browser, formRequest(t, a.url+"/admin/sign-in", map[string][]string{"email": {"owner@example.com"}, "password": {password}}))
	}
	for _, row := range []struct {
		name string
		do   func()
		want string // actor, action, target, outcome
	}{
		{"a wrong sign-in", func() { signIn("wrong") }, "owner@example.com sign-in  failed"},
		{"a right one", func() { signIn(goodPassword) }, "owner@example.com sign-in owner@example.com done"},
		{"a sign-out", func() { a.do(browser, formRequest(t, a.url+"/admin/sign-out", nil)) }, "owner@example.com sign-out owner@example.com done"},
		{"a denied attempt", func() { a.post(auth.Finance, "/admin/people", nil) }, "finance@example.com POST /admin/people /admin/people denied"},
		{"an invitation", func() {
			a.post(auth.Owner, "/admin/people", map[string][]string{"email": {"eve@example.com"}, "role": {"support"}})
		}, "owner@example.com people.invite eve@example.com done"},
		{"another role", func() { a.post(auth.Owner, "/admin/people/4/role", map[string][]string{"role": {"finance"}}) }, "owner@example.com people.role eve@example.com done"},
		{"disabling", func() { a.post(auth.Owner, "/admin/people/4/disable", nil) }, "owner@example.com people.disable eve@example.com done"},
		{"enabling", func() { a.post(auth.Owner, "/admin/people/4/enable", nil) }, "owner@example.com people.enable eve@example.com done"},
		{"a comparison", func() { a.post(auth.Finance, "/admin/reports", nil) }, "finance@example.com reports.compare all systems done"},
	} {
		row.do()
		if got := a.audits(1); len(got) == 0 || got[0] != row.want {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
	}
	if strings.Contains(strings.Join(a.audits(100), "\n"), goodPassword) {
		t.Error("a password is in the audit")
	}
}
