package server

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestEveryRouteLetsInWhomItShould walks the whole table with every kind of caller.
func TestEveryRouteLetsInWhomItShould(t *testing.T) {
	t.Parallel()
	f := start(t, secret)
	callers := []struct {
		name    string
		address string
		header  [2]string
		in      []Access // besides what is public
	}{
		{"a stranger", "203.0.113.7:5000", [2]string{}, nil},
		{"a stranger with a wrong key", "203.0.113.7:5000", [2]string{"Authorization", "Bearer bsk_" + strings.Repeat("a", 32)}, nil},
		{"a stranger with the key as a password", "203.0.113.7:5000", [2]string{"Authorization", "Basic " + f.key}, nil},
		{"a stranger who says to be local", "203.0.113.7:5000", [2]string{"X-Forwarded-For", "127.0.0.1"}, nil},
		{"a program with a key", "203.0.113.7:5000", [2]string{"Authorization", "Bearer " + f.key}, []Access{APIKey, LoopbackOrAPIKey}},
		{"this machine", "127.0.0.1:5000", [2]string{}, []Access{LoopbackOrAPIKey}},
		{"this machine by IPv6", "[::1]:5000", [2]string{}, []Access{LoopbackOrAPIKey}},
		{"a proxy on this machine", "127.0.0.1:5000", [2]string{"X-Forwarded-For", "203.0.113.7"}, nil},
		{"a proxy on this machine, the newer header", "127.0.0.1:5000", [2]string{"Forwarded", "for=203.0.113.7"}, nil},
	}
	for _, route := range f.routes {
		path := strings.NewReplacer("{user_id}", "u1", "{session_id}", "cs_test_1", "{$}", "").Replace(route.Path)
		for _, caller := range callers {
			r := httptest.NewRequestWithContext(t.Context(), route.Method, path, nil)
			r.RemoteAddr = caller.address
			if caller.header[0] != "" {
				r.Header.Set(caller.header[0], caller.header[1])
			}
			w := httptest.NewRecorder()
			f.Handler().ServeHTTP(w, r)
			want := route.Access == Public || route.Access == Signed || slices.Contains(caller.in, route.Access)
			if got := w.Code != http.StatusUnauthorized; got != want {
				t.Errorf("%s, %s %s: %d, let in should be %t", caller.name, route.Method, path, w.Code, want)
			}
			if w.Code >= 500 || w.Code == 404 && route.Path != "/api/v1/users/{user_id}/access" {
				t.Errorf("%s, %s %s: %d %s", caller.name, route.Method, path, w.Code, w.Body)
			}
		}
	}
}

func TestWhatIsPublic(t *testing.T) {
	t.Parallel()
	f := start(t, secret)
	var public []string
	for _, route := range f.routes {
		if route.Access == Public {
			public = append(public, route.Method+" "+route.Path)
		}
	}
	if want := []string{"GET /api/health", "GET /api/v1/openapi.json"}; !slices.Equal(public, want) {
		t.Errorf("public are %v, want %v", public, want)
	}
}

func TestATableWithAHoleIsRefused(t *testing.T) {
	t.Parallel()
	f := start(t)
	fine := func(http.ResponseWriter, *http.Request) error { return nil }
	for _, row := range []struct {
		name   string
		routes []Route
		ok     bool
	}{
		{"whole", []Route{{"GET", "/a", Public, fine}, {"POST", "/a", APIKey, fine}}, true},
		{"nobody said who may ask", []Route{{Method: "GET", Path: "/a", Handler: fine}}, false},
		{"an access that is none", []Route{{"GET", "/a", "anybody", fine}}, false},
		{"a permission that is none", []Route{{"GET", "/a", may("fly"), fine}}, false},
		{"a role, which is no permission", []Route{{"GET", "/a", may("owner"), fine}}, false},
		{"no method", []Route{{"", "/a", Public, fine}}, false},
		{"no handler", []Route{{"GET", "/a", Public, nil}}, false},
		{"twice", []Route{{"GET", "/a", Public, fine}, {"GET", "/a", APIKey, fine}}, false},
	} {
		if _, err := f.newMux(row.routes); (err == nil) != row.ok {
			t.Errorf("%s: %v", row.name, err)
		}
	}
}

func TestEveryAnswerHasTheHeadersAndOneLogLine(t *testing.T) {
	t.Parallel()
	f := start(t, secret)
	for _, row := range []struct {
		method, path, route string
		status              int
		kind                string
	}{
		{"GET", "/", "/", 404, "text/plain; charset=utf-8"},
		{"GET", "/api/health?token=s3cret", "GET /api/health", 200, "application/json"},
		{"POST", "/api/health", "/api/health", 405, "text/plain; charset=utf-8"},
		{"GET", "/api/v1/nothing", "/", 404, "application/problem+json"},
		{"DELETE", "/api/v1/tickets", "/api/v1/tickets", 405, "application/problem+json"},
		{"GET", "/api/v1/users/ada-s3cret/access", "GET /api/v1/users/{user_id}/access", 401, "application/problem+json"},
	} {
		before := len(f.lines())
		res, body := send(t, request(t, row.method, f.url+row.path, "", "X-Request-Id", "s3cret", "Cookie", "s3cret", "Authorization", "Bearer s3cret"))
		id := res.Header.Get("X-Request-Id")
		if res.StatusCode != row.status || res.Header.Get("Content-Type") != row.kind {
			t.Errorf("%s %s: %d %s %q", row.method, row.path, res.StatusCode, res.Header.Get("Content-Type"), body)
		}
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
			"Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"} {
			if got := res.Header.Get(name); got != want {
				t.Errorf("%s %s: %s is %q", row.method, row.path, name, got)
			}
		}
		lines := f.lines()[before:]
		if len(lines) != 1 {
			t.Fatalf("%s %s: %d log lines", row.method, row.path, len(lines))
		}
		if l := lines[0]; l["method"] != row.method || l["route"] != row.route || l["status"] != float64(row.status) || l["request"] != id || len(id) < 20 {
			t.Errorf("%s %s with request id %s is logged as %v", row.method, row.path, id, l)
		}
	}
	if strings.Contains(f.log.String(), "s3cret") {
		t.Errorf("the log holds a secret: %s", f.log)
	}
}

func TestABrowserOnAnotherSiteIsRefused(t *testing.T) {
	t.Parallel()
	f := start(t, secret)
	for _, row := range []struct {
		name   string
		header [2]string
		want   int
	}{
		{"another site", [2]string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"a sibling subdomain", [2]string{"Sec-Fetch-Site", "same-site"}, 403},
		{"an old browser on another site", [2]string{"Origin", "https://evil.example"}, 403},
		{"no browser", [2]string{"User-Agent", "shop"}, 201},
	} {
		res, body := send(t, request(t, "PUT", f.url+"/api/v1/users/u1", "{}", "Authorization", "Bearer "+f.key, row.header[0], row.header[1]))
		if res.StatusCode != row.want {
			t.Errorf("%s: %d %s", row.name, res.StatusCode, body)
		}
	}
}

func TestAnInternalErrorTellsNothing(t *testing.T) {
	t.Parallel()
	f := start(t, secret)
	check(t, f.DB.Close())
	res, body := send(t, request(t, "GET", f.url+"/api/v1/customers?user_id=u1", "", "Authorization", "Bearer "+f.key))
	if res.StatusCode != 500 || strings.Contains(body, "sql") || strings.Contains(body, "closed") {
		t.Errorf("the answer is %d %s", res.StatusCode, body)
	}
	lines := f.lines()
	if text, _ := lines[len(lines)-1]["error"].(string); !strings.Contains(text, "closed") {
		t.Errorf("the log says %q", text)
	}
}

func TestTheServerHasLimits(t *testing.T) {
	t.Parallel()
	f := start(t)
	h := f.HTTPServer("127.0.0.1:0")
	if h.ReadHeaderTimeout != 5*time.Second || h.IdleTimeout != time.Minute || h.MaxHeaderBytes != 64<<10 {
		t.Errorf("the limits are %s, %s and %d bytes", h.ReadHeaderTimeout, h.IdleTimeout, h.MaxHeaderBytes)
	}
	res, _ := send(t, request(t, "GET", f.url+"/api/health", "", "X-Long", strings.Repeat("x", 80<<10)))
	if res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a header of 80 KiB is answered %d", res.StatusCode)
	}
}

func TestListenSaysWhatToDo(t *testing.T) {
	t.Parallel()
	l, err := Listen("127.0.0.1:0")
	check(t, err)
	defer l.Close()
	if _, err := Listen(l.Addr().String()); err == nil || !strings.Contains(err.Error(), "BURSAR_ADDR") {
		t.Errorf("the address again: %v", err)
	}
}

// deadlines is a response on a connection that remembers its read deadline.
type deadlines struct {
	*httptest.ResponseRecorder
	read time.Time
}

func (w *deadlines) SetReadDeadline(t time.Time) error {
	w.read = t
	return nil
}

// TestTheDeadlineIsForTheBodyOnly: one that passed while an answer is made would look like a caller who left.
func TestTheDeadlineIsForTheBodyOnly(t *testing.T) {
	t.Parallel()
	f := start(t, secret)
	for _, row := range []struct {
		name, key string
		status    int
		bounded   bool
	}{
		{"a body that is read", f.key, 201, false},
		{"a body that nobody reads", "", 401, true},
	} {
		w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
		r := httptest.NewRequestWithContext(t.Context(), "PUT", "/api/v1/users/u1", strings.NewReader("{}"))
		r.Header.Set("Authorization", "Bearer "+row.key)
		f.Handler().ServeHTTP(w, r)
		if w.Code != row.status || w.read.IsZero() == row.bounded {
			t.Errorf("%s: %d, and then the deadline is %s", row.name, w.Code, w.read)
		}
	}
}
