package server

import (
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/fnv"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"bursar/app/auth"
)

// contents are a checksum of each table but the sessions, which note who was here, and of the audit what was
// denied or taken out.
func (a *adminTest) contents() map[string]uint64 {
	a.t.Helper()
	raw, err := sql.Open("sqlite", a.DB.Path())
	check(a.t, err)
	defer raw.Close()
	names, err := raw.QueryContext(a.t.Context(), "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT IN ('sessions', 'audit')")
	check(a.t, err)
	defer names.Close()
	sums := map[string]uint64{}
	for names.Next() {
		var name string
		check(a.t, names.Scan(&name))
		sums[name] = a.sum(raw, "SELECT * FROM "+name)
	}
	check(a.t, names.Err())
	sums["audit"] = a.sum(raw, "SELECT * FROM audit WHERE outcome <> 'denied' AND action NOT LIKE '%.export'")
	return sums
}

func (a *adminTest) sum(raw *sql.DB, query string) uint64 {
	a.t.Helper()
	rows, err := raw.QueryContext(a.t.Context(), query)
	check(a.t, err)
	defer rows.Close()
	columns, err := rows.Columns()
	check(a.t, err)
	values, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	h := fnv.New64a()
	for rows.Next() {
		check(a.t, rows.Scan(into...))
		fmt.Fprintf(h, "%v\n", values)
	}
	check(a.t, rows.Err())
	return h.Sum64()
}

// TestNoGETChangesAnything opens every page there is a route or a link to, in every role.
func TestNoGETChangesAnything(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	for i := range 3 {
		body := event(fmt.Sprintf("evt_%d", i))
		if res, text := a.deliver(body, sign(body, secret)); res.StatusCode != http.StatusOK {
			t.Fatalf("event: %d %s", res.StatusCode, text)
		}
	}
	link := a.invite("eve@example.com", auth.Support)
	key, err := auth.AddAPIKey(t.Context(), a.DB, "shop", auth.ScopeWrite, time.Time{})
	check(t, err)
	_, err = auth.CheckAPIKey(t.Context(), a.DB, key) // its first use in an hour is written down
	check(t, err)
	before := a.contents()
	a.crawlAsProgram(key)
	for _, role := range append(auth.Roles(), "") {
		todo := []string{"/admin", strings.TrimPrefix(link, a.URL)}
		for _, route := range a.routes {
			if route.Method == "GET" && (route.Access == Public || route.Access.ofPeople()) {
				todo = append(todo, strings.NewReplacer("{id}", "1", "{name}", "x", "{$}", "").Replace(route.Path))
			}
		}
		seen := map[string]bool{"/admin/live": true} // never ends
		for len(todo) > 0 && len(seen) < 300 {
			path := todo[0]
			todo = todo[1:]
			if seen[path] {
				continue
			}
			seen[path] = true
			status, body := a.get(role, path)
			if status >= 500 {
				t.Errorf("GET %s by %q: %d, %s", path, role, status, a.lines()[len(a.lines())-1]["error"])
			}
			for _, m := range regexp.MustCompile(`href="(/admin[^"#]*)`).FindAllStringSubmatch(body, -1) {
				todo = append(todo, html.UnescapeString(m[1]))
			}
		}
		if len(seen) < 20 {
			t.Errorf("only %d pages were seen by %q", len(seen), role)
		}
	}
	after := a.contents()
	for name, sum := range before {
		if after[name] != sum {
			t.Errorf("the table %s changed", name)
		}
	}
}

// crawlAsProgram asks for what a program may read, there or not.
func (a *adminTest) crawlAsProgram(key string) {
	a.t.Helper()
	for _, route := range a.routes {
		if route.Method != "GET" || route.Access != APIKey && route.Access != LoopbackOrAPIKey {
			continue
		}
		path := strings.NewReplacer("{user_id}", "u1", "{session_id}", "cs_test_1").Replace(route.Path)
		for _, query := range []string{"", "?email=ada@example.com", "?stripe_customer=cus_1", "?user_id=u1"} {
			res, body := send(a.t, request(a.t, "GET", a.url+path+query, "", "Authorization", "Bearer "+key))
			if res.StatusCode >= 500 || res.StatusCode == 401 {
				a.t.Errorf("GET %s by a program: %d %s", path+query, res.StatusCode, body)
			}
		}
	}
}

func TestAFormOnAnotherSiteDoesNothing(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	for _, row := range []struct {
		name   string
		header [2]string
		want   int
	}{
		{"another site", [2]string{"Sec-Fetch-Site", "cross-site"}, http.StatusForbidden},
		{"a sibling subdomain", [2]string{"Sec-Fetch-Site", "same-site"}, http.StatusForbidden},
		{"an old browser on another site", [2]string{"Origin", "https://evil.example"}, http.StatusForbidden},
		{"a sandboxed frame", [2]string{"Origin", "null"}, http.StatusForbidden},
		{"our own page", [2]string{"Sec-Fetch-Site", "same-origin"}, http.StatusOK},
	} {
		r := formRequest(t, a.url+"/admin/people", url.Values{"email": {"eve@example.com"}, "role": {"owner"}})
		r.Header.Set(row.header[0], row.header[1])
		res, err := a.browsers[auth.Owner].Do(r)
		check(t, err)
		res.Body.Close()
		_, err = a.DB.Read().UserByEmail(t.Context(), "eve@example.com")
		if res.StatusCode != row.want || (err == nil) != (row.want == http.StatusOK) {
			t.Errorf("%s: %d, %v", row.name, res.StatusCode, err)
		}
	}
}

func TestTheHeadersOfPages(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	_, signIn := a.get("", "/admin/sign-in")
	asset := regexp.MustCompile(`/assets/bursar\.[0-9a-f]+\.css`).FindString(signIn)
	for _, row := range []struct{ name, url, path, cache, hsts string }{
		{"a page", "https://bursar.example.com", "/admin/people", "no-store", "max-age=31536000"},
		{"the sign-in page", "https://bursar.example.com", "/admin/sign-in", "no-store", "max-age=31536000"},
		{"an error", "https://bursar.example.com", "/admin/nothing", "no-store", "max-age=31536000"},
		{"an asset", "https://bursar.example.com", asset, "public, max-age=31536000, immutable", "max-age=31536000"},
		{"without https", a.url, "/admin/people", "no-store", ""},
	} {
		a.URL = row.url
		w := httptest.NewRecorder()
		a.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", row.path, nil))
		for name, want := range map[string]string{"Cache-Control": row.cache, "Strict-Transport-Security": row.hsts, "X-Content-Type-Options": "nosniff",
			"Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin",
			"Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s (%d): %s is %q, want %q", row.name, w.Code, name, got, want)
			}
		}
	}
}

func TestTheSecurityPolicyFitsThePages(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	inline := regexp.MustCompile(`(?i)<script[^>]*>[^<]|<style|\son[a-z]+=|\sstyle=|javascript:|src="(https?:)?//`)
	for _, route := range a.routes {
		if route.Method != "GET" || !route.Access.ofPeople() || route.Path == "/admin/live" || strings.HasSuffix(route.Path, "/html") {
			continue
		}
		path := strings.ReplaceAll(route.Path, "{id}", "1")
		if _, body := a.get(auth.Owner, path); inline.MatchString(body) {
			t.Errorf("%s has %q", path, inline.FindString(body))
		}
	}
}

// refusedBySQLite is an error as the driver gives it.
type refusedBySQLite struct{ code int }

func (refusedBySQLite) Error() string { return "database is locked in /var/lib/bursar.db" }
func (e refusedBySQLite) Code() int   { return e.code }

func TestErrorPages(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	for _, row := range []struct {
		name, path string
		err        error
		status     int
		title      string
	}{
		{"not there", "/admin/customers/7", notFound("this customer is not known"), 404, "There is nothing here"},
		{"not allowed", "/admin/people", &HTTPError{Code: 403, Msg: "your role may not"}, 403, "This is not allowed"},
		{"signed out", "/admin/people", &HTTPError{Code: 401, Msg: "your session has ended"}, 401, "Your session has ended"},
		{"the wrong method", "/admin/people", &HTTPError{Code: 405, Msg: "use GET"}, 405, "This cannot be asked for that way"},
		{"too many", "/admin/welcome", refused(auth.ErrTooMany), 429, "Too many tries"},
		{"too many at once", "/admin/sign-in", refused(auth.ErrBusy), 503, "Not right now"},
		{"a bug", "/admin", errors.New("no such column: x"), 500, "Something went wrong"},
		{"the database is busy", "/admin/jobs/retry", fmt.Errorf("retry: %w", refusedBySQLite{5}), 503, "Not right now"},
		{"the database is busy with a snapshot", "/admin/jobs/retry", refusedBySQLite{5 | 2<<8}, 503, "Not right now"},
		{"the disk is full", "/admin/jobs/retry", refusedBySQLite{13}, 503, "Not right now"},
		{"a form that is too long", "/admin/tickets", &HTTPError{Code: 413, Msg: "the body is larger"}, 413, "Request Entity Too Large"},
	} {
		w := httptest.NewRecorder()
		a.fail(&response{ResponseWriter: w, id: "REQUESTID"}, httptest.NewRequestWithContext(t.Context(), "POST", row.path, nil), row.err)
		body := w.Body.String()
		if w.Code != row.status || w.Header().Get("Content-Type") != "text/html; charset=utf-8" || !strings.Contains(body, "<h1>"+row.title+"</h1>") || !strings.Contains(body, "REQUESTID") {
			t.Errorf("%s: %d %s", row.name, w.Code, body)
		}
		for _, inside := range []string{"/var/lib", "column", "locked", "sql"} {
			if strings.Contains(body, inside) {
				t.Errorf("%s tells of %q", row.name, inside)
			}
		}
		if retry := w.Header().Get("Retry-After"); (retry != "") != (row.status == 503) {
			t.Errorf("%s: Retry-After is %q", row.name, retry)
		}
	}
}

func TestWhoIsSignedInKeepsTheMenuOnAnErrorPage(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	status, body := a.get(auth.Support, "/admin/people")
	if status != http.StatusForbidden || !strings.Contains(body, `href="/admin/tickets"`) || strings.Contains(body, `href="/admin/people"`) {
		t.Errorf("%d %s", status, body)
	}
}

func TestANoticeIsShownOnce(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	ada := a.addUser("ada@example.com", auth.Support)
	a.post(auth.Owner, fmt.Sprintf("/admin/people/%d/disable", ada.ID), nil)
	script := request(t, "GET", a.url+"/admin/people", "", "Sec-Fetch-Mode", "cors")
	if _, body := a.do(a.browsers[auth.Owner], script); strings.Contains(body, "ada@example.com is signed out") {
		t.Error("a part fetched by script takes it")
	}
	for _, want := range []bool{true, false} {
		if _, body := a.get(auth.Owner, "/admin/people"); strings.Contains(body, "ada@example.com is signed out") != want {
			t.Errorf("it is shown: %t", !want)
		}
	}
}

func TestANoticeThatSomebodyMadeUp(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	for _, row := range []struct{ name, json, want, without string }{
		{"a button to another site", `{"Text":"hello","Undo":{"Label":"Undo","Path":"https://evil.example/"}}`, "hello", "evil"},
		{"HTML", `{"Text":"<script>alert(1)</script>"}`, "&lt;script&gt;alert", "<script>alert"},
		{"no JSON", `hello`, "People", "hello"},
	} {
		r := request(t, "GET", a.url+"/admin/people", "", "Cookie", noticeCookie+"="+base64.RawURLEncoding.EncodeToString([]byte(row.json)))
		res, body := a.do(a.browsers[auth.Owner], r)
		if res.StatusCode != http.StatusOK || !strings.Contains(body, row.want) || strings.Contains(body, row.without) {
			t.Errorf("%s: %d %s", row.name, res.StatusCode, body)
		}
	}
}
