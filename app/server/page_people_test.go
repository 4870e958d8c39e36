package server

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"bursar/app/auth"
	"bursar/app/db"
)

func TestPeople(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	_, err := auth.AddAPIKey(t.Context(), a.DB, "shop <script>", auth.ScopeWrite, time.Time{})
	check(t, err)
	status, body := a.get(auth.Owner, "/admin/people")
	for _, want := range []string{"owner@example.com <span class=\"quiet small\">you</span>", "finance@example.com", "support@example.com", "shop &lt;script&gt;", "bsk_"} {
		if status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%d, %q is not in %s", status, want, body)
		}
	}
}

func TestInviting(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	form := url.Values{"email": {"eve@example.com"}, "role": {"finance"}}
	link := regexp.MustCompile(regexp.QuoteMeta(a.url) + `(/admin/sign-in\?token=[A-Z2-7]{26})`)
	status, first := a.post(auth.Owner, "/admin/people", form)
	one := link.FindStringSubmatch(first)
	if status != http.StatusOK || one == nil {
		t.Fatalf("%d without a link: %s", status, first)
	}
	if got := a.audits(1)[0]; got != "owner@example.com people.invite eve@example.com done" {
		t.Errorf("the audit has %q", got)
	}
	if _, body := a.get(auth.Owner, "/admin/people"); link.MatchString(body) || !strings.Contains(body, "invited") {
		t.Errorf("the link is shown again, or the invitation is not: %s", body)
	}
	_, second := a.post(auth.Owner, "/admin/people", form) // the button pressed twice
	if two := link.FindStringSubmatch(second); two == nil || two[1] == one[1] {
		t.Errorf("the second link is %v", two)
	}
	if status, _ := a.get("", one[1]); status != http.StatusNotFound {
		t.Errorf("the first link: %d", status)
	}
	for _, row := range []struct{ name, email, role, want string }{
		{"another role", "eve@example.com", "owner", "with the role finance"},
		{"no address", "<script>alert(1)</script>", "support", "give it bare"},
		{"no role", "bob@example.com", "admin", "the roles are"},
		{"nothing", "", "", "give it bare"},
	} {
		status, body := a.post(auth.Owner, "/admin/people", url.Values{"email": {row.email}, "role": {row.role}})
		if status != http.StatusUnprocessableEntity || !strings.Contains(body, row.want) || strings.Contains(body, "<script>alert") {
			t.Errorf("%s: %d %s", row.name, status, body)
		}
	}
}

func TestChangingARoleAndTakingItBack(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	ada := a.addUser("ada@example.com", auth.Support)
	path := fmt.Sprintf("/admin/people/%d/role", ada.ID)
	body := a.submit(auth.Owner, path, url.Values{"role": {"finance"}, "email": {"root@example.com"}, "disabled_at": {"1"}})
	undo := fmt.Sprintf("/admin/people/%d/role?role=support", ada.ID)
	if !strings.Contains(body, "ada@example.com now has the role finance") || !strings.Contains(body, `action="`+undo+`"`) {
		t.Errorf("the notice is missing: %s", body)
	}
	if got, err := a.DB.Read().UserByID(t.Context(), ada.ID); err != nil || got.Role != "finance" || got.Email != "ada@example.com" || !got.DisabledAt.IsZero() {
		t.Errorf("ada is %+v, %v", got, err)
	}
	a.submit(auth.Owner, undo, nil)
	if got, err := a.DB.Read().UserByID(t.Context(), ada.ID); err != nil || got.Role != "support" {
		t.Errorf("ada is %+v, %v", got, err)
	}
	if status, body := a.post(auth.Owner, path, url.Values{"role": {"admin"}}); status != http.StatusUnprocessableEntity || !strings.Contains(body, "the roles are") {
		t.Errorf("a role that is none: %d %s", status, body)
	}
}

func TestDisablingAndEnabling(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	ada := a.addUser("ada@example.com", auth.Support)
	path := fmt.Sprintf("/admin/people/%d/", ada.ID)
	for range 2 { // pressed twice
		body := a.submit(auth.Owner, path+"disable", nil)
		if !strings.Contains(body, "ada@example.com is signed out") || !strings.Contains(body, `<form method="post" action="`+path+`enable"><button>Undo</button>`) {
			t.Errorf("disabling: %s", body)
		}
	}
	if body := a.submit(auth.Owner, path+"enable", nil); !strings.Contains(body, "ada@example.com can sign in again") || strings.Contains(body, ">disabled<") {
		t.Errorf("enabling: %s", body)
	}
	for _, unknown := range []string{"/admin/people/999/role", "/admin/people/999/disable", "/admin/people/x/enable", "/admin/people/-1/disable"} {
		if status, body := a.post(auth.Owner, unknown, url.Values{"role": {"support"}}); status != http.StatusNotFound || !strings.Contains(body, "There is nobody with this number.") {
			t.Errorf("%s: %d %s", unknown, status, body)
		}
	}
}

func TestTheLastOwnerIsToldWhy(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	owner, err := a.DB.Read().UserByEmail(t.Context(), "owner@example.com")
	check(t, err)
	before := a.audits(100)
	for _, what := range []string{"role", "disable"} {
		body := a.submit(auth.Owner, fmt.Sprintf("/admin/people/%d/%s", owner.ID, what), url.Values{"role": {"support"}})
		if !strings.Contains(body, "Nothing was changed: owner@example.com is the last owner") {
			t.Errorf("%s: %s", what, body)
		}
	}
	if got := a.audits(100); len(got) != len(before) {
		t.Errorf("the audit has %q", got)
	}
}

func TestTwoOwnersDemoteEachOtherAtOnce(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	ada, err := a.DB.Read().UserByEmail(t.Context(), "owner@example.com")
	check(t, err)
	eve := a.addUser("eve@example.com", auth.Owner)
	pairs := []struct {
		browser *http.Client
		other   db.User
	}{{a.browsers[auth.Owner], eve}, {a.browserOf(eve), ada}}
	var both sync.WaitGroup
	for _, p := range pairs {
		r := formRequest(t, fmt.Sprintf("%s/admin/people/%d/role", a.url, p.other.ID), url.Values{"role": {"support"}})
		both.Go(func() {
			if res, err := p.browser.Do(r); err == nil {
				res.Body.Close()
			}
		})
	}
	both.Wait()
	if n, err := a.DB.Read().CountOtherOwners(t.Context(), 0); n != 1 || err != nil {
		t.Errorf("%d owners are left, %v", n, err)
	}
}
