package server

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"bursar/app/auth"
	"bursar/app/db"
)

// TestEveryPageLetsInWhomItShould asks for every route of people in every role: a browser that is not
// signed in, one that sends an API key, and one of each role.
func TestEveryPageLetsInWhomItShould(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	key, err := auth.AddAPIKey(t.Context(), a.DB, "shop", auth.ScopeWrite, time.Time{})
	check(t, err)
	users := map[auth.Role]db.User{}
	for _, role := range auth.Roles() {
		users[role] = a.addUser("another-"+string(role)+"@example.com", role)
	}
	a.giveSecondFactor() // without which nobody moves money
	asked := 0
	for _, route := range a.routes {
		if !route.Access.ofPeople() {
			continue
		}
		path := strings.NewReplacer("{id}", "999").Replace(route.Path)
		for _, role := range []auth.Role{"", auth.Support, auth.Finance, auth.Owner} {
			browser := newBrowser(t)
			if role != "" {
				browser = a.browserOf(users[role]) // anew: one of the routes signs out
			}
			r := request(t, route.Method, a.url+path, "", "Content-Type", "application/x-www-form-urlencoded")
			if role == "" {
				r.Header.Set("Authorization", "Bearer "+key)
			}
			res, err := browser.Do(r)
			check(t, err)
			res.Body.Close() // one of the routes never ends
			asked++
			a.forgive()
			got, want := "let in", "let in"
			switch toSignIn := strings.HasPrefix(res.Header.Get("Location"), "/admin/sign-in?next="); {
			case res.StatusCode == http.StatusUnauthorized, toSignIn && res.StatusCode == http.StatusSeeOther:
				got = "not signed in"
			case res.StatusCode == http.StatusForbidden:
				got = "forbidden"
			case res.StatusCode >= 500:
				got = fmt.Sprint(res.StatusCode)
			}
			switch {
			case role == "":
				want = "not signed in"
			case !route.Access.admits(role):
				want = "forbidden"
			}
			if got != want {
				t.Errorf("%s %s by %q: %s (%d), want %s", route.Method, path, role, got, res.StatusCode, want)
			}
			if want == "forbidden" && !strings.HasPrefix(a.audits(1)[0], users[role].Email+" "+route.Method+" "+route.Path+" "+path+" denied") {
				t.Errorf("%s %s by %q is not in the audit: %v", route.Method, path, role, a.audits(1))
			}
		}
	}
	if asked < 100 {
		t.Errorf("only %d were asked for", asked)
	}
}

func TestWhichPagesArePublic(t *testing.T) {
	t.Parallel()
	var public []string
	for _, route := range newAdmin(t).adminRoutes() {
		if route.Access == Public {
			public = append(public, route.Method+" "+route.Path)
		}
	}
	want := []string{"GET /{$}", "GET /assets/{name}", "GET /admin/sign-in", "POST /admin/sign-in", "POST /admin/welcome",
		"GET /admin/sign-in/code", "POST /admin/sign-in/code", "POST /admin/sign-in/passkey", "POST /admin/passkey", "GET /admin/forgot", "POST /admin/forgot"}
	if !slices.Equal(public, want) {
		t.Errorf("public are %v, want %v", public, want)
	}
}

func TestWhoIsNotSignedInIsAskedTo(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	res, _ := a.do(a.browsers[""], request(t, "GET", a.url+"/admin/jobs?state=discarded&before=7", ""))
	if got := res.Header.Get("Location"); res.StatusCode != http.StatusSeeOther || got != "/admin/sign-in?next=%2Fadmin%2Fjobs%3Fstate%3Ddiscarded%26before%3D7" {
		t.Errorf("GET: %d to %s", res.StatusCode, got)
	}
	if _, form := a.get("", res.Header.Get("Location")); !strings.Contains(form, `name="next" value="/admin/jobs?state=discarded&amp;before=7"`) {
		t.Errorf("the form forgets where to go: %s", form)
	}
	status, body := a.post("", "/admin/people", url.Values{"email": {"eve@example.com"}, "role": {"owner"}})
	if status != http.StatusUnauthorized || !strings.Contains(body, "Your session has ended") || !strings.Contains(body, "nothing was changed") {
		t.Errorf("POST: %d %s", status, body)
	}
	if _, err := a.DB.Read().UserByEmail(t.Context(), "eve@example.com"); err != db.ErrNoRows {
		t.Errorf("somebody was added: %v", err)
	}
}

func TestTheSessionCookie(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, url, want string }{
		{"behind https", "https://bursar.example.com", "__Host-bursar=TOKEN; Path=/; HttpOnly; Secure; SameSite=Lax"},
		{"a trial on one's own machine", "http://127.0.0.1:8080", "bursar=TOKEN; Path=/; HttpOnly; SameSite=Lax"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			a := newAdmin(t)
			a.URL = row.url
			r := httptest.NewRequestWithContext(t.Context(), "POST", "/admin/sign-in",
				strings.NewReader(url.Values{"email": {"owner@example.com"}, "password": {goodPassword}}.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			planted := "PLANTEDBYSOMEBODYELSE23456"
			r.AddCookie(&http.Cookie{Name: a.cookieName(sessionCookie), Value: planted})
			w := httptest.NewRecorder()
			a.Handler().ServeHTTP(w, r)
			cookies := w.Result().Cookies()
			if w.Code != http.StatusSeeOther || len(cookies) != 1 {
				t.Fatalf("%d %v", w.Code, cookies)
			}
			if got := strings.Replace(w.Header().Get("Set-Cookie"), cookies[0].Value, "TOKEN", 1); got != row.want {
				t.Errorf("the cookie is %s, want %s", got, row.want)
			}
			if cookies[0].Value == planted || len(cookies[0].Value) < 26 {
				t.Errorf("the token is %s", cookies[0].Value)
			}
		})
	}
}

func TestASessionThatEndsInTheMiddle(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		end  func(a *adminTest, user db.User) (status int)
	}{
		{"another role", func(a *adminTest, user db.User) int {
			status, _ := a.post(auth.Owner, fmt.Sprintf("/admin/people/%d/role", user.ID), url.Values{"role": {"finance"}})
			return status
		}},
		{"disabled", func(a *adminTest, user db.User) int {
			status, _ := a.post(auth.Owner, fmt.Sprintf("/admin/people/%d/disable", user.ID), nil)
			return status
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			a := newAdmin(t)
			ada := a.addUser("ada@example.com", auth.Support)
			browser := a.browserOf(ada)
			if res, _ := a.do(browser, request(t, "GET", a.url+"/admin/tickets", "")); res.StatusCode != http.StatusOK {
				t.Fatalf("before: %d", res.StatusCode)
			}
			if status := row.end(a, ada); status != http.StatusSeeOther {
				t.Fatalf("the end: %d", status)
			}
			if res, _ := a.do(browser, formRequest(t, a.url+"/admin/tickets", nil)); res.StatusCode != http.StatusUnauthorized {
				t.Errorf("the next POST: %d", res.StatusCode)
			}
			if res, _ := a.do(browser, request(t, "GET", a.url+"/admin/tickets", "")); res.StatusCode != http.StatusSeeOther {
				t.Errorf("the next GET: %d", res.StatusCode)
			}
		})
	}
}

func TestWhereARequestComesFrom(t *testing.T) {
	t.Parallel()
	proxies := []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("10.0.0.0/8")}
	for _, row := range []struct {
		name, peer string
		forwarded  []string
		proxies    []netip.Prefix
		want       string
	}{
		{"straight", "203.0.113.7:5000", nil, proxies, "203.0.113.7"},
		{"IPv6", "[2001:db8::7]:5000", nil, proxies, "2001:db8::7"},
		{"a header from who is no proxy", "203.0.113.7:5000", []string{"198.51.100.1"}, proxies, "203.0.113.7"},
		{"a proxy nobody told us of", "127.0.0.1:5000", []string{"198.51.100.1"}, nil, "127.0.0.1"},
		{"a proxy", "127.0.0.1:5000", []string{"198.51.100.1"}, proxies, "198.51.100.1"},
		{"a proxy that an IPv6 socket calls mapped", "[::ffff:127.0.0.1]:5000", []string{"198.51.100.1"}, proxies, "198.51.100.1"},
		{"two proxies", "127.0.0.1:5000", []string{"198.51.100.1, 10.1.1.1"}, proxies, "198.51.100.1"},
		{"what the caller put before", "127.0.0.1:5000", []string{"1.1.1.1, 198.51.100.1"}, proxies, "198.51.100.1"},
		{"what the caller put in a header of its own", "127.0.0.1:5000", []string{"1.1.1.1", "198.51.100.1"}, proxies, "198.51.100.1"},
		{"rubbish", "127.0.0.1:5000", []string{"1.1.1.1, <script>"}, proxies, "127.0.0.1"},
		{"a proxy that says nothing", "127.0.0.1:5000", nil, proxies, "127.0.0.1"},
	} {
		s := &Server{Config: Config{Proxies: row.proxies}}
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
		r.RemoteAddr, r.Header["X-Forwarded-For"] = row.peer, row.forwarded
		if got := s.address(r); got != row.want {
			t.Errorf("%s: %s, want %s", row.name, got, row.want)
		}
	}
}

func TestOnlyPagesOfOursAreNext(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ path, want string }{
		{"/admin", "/admin"},
		{"/admin/jobs?state=discarded#7", "/admin/jobs?state=discarded#7"},
		{"/admin/customers?q=http://example.com//x", "/admin/customers?q=http://example.com//x"},
		{"", "/admin"},
		{"https://evil.example/admin", "/admin"},
		{"//evil.example/admin", "/admin"},
		{"///evil.example/admin", "/admin"},
		{`/\evil.example/admin`, "/admin"},
		{`/admin\..\..\evil`, "/admin"},
		{"/admin//evil.example", "/admin"},
		{"/admin/../api/health", "/admin"},
		{"/admin/%2e%2e/x", "/admin"},
		{"/\t/evil.example", "/admin"},
		{"/admin/\r\nSet-Cookie: a=b", "/admin"},
		{"javascript:alert(1)", "/admin"},
		{"/administrator", "/admin"},
		{"admin", "/admin"},
	} {
		if got := localPath(row.path); got != row.want {
			t.Errorf("%q leads to %q, want %q", row.path, got, row.want)
		}
	}
}
