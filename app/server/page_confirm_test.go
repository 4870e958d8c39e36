package server

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"bursar/app/auth"
)

// stale makes every session one that was confirmed 10 minutes ago.
func (a *adminTest) stale() {
	a.t.Helper()
	a.exec("UPDATE sessions SET confirmed_at = confirmed_at - 600000")
}

// giveSecondFactor gives everybody a passkey. Nobody can sign in with it.
func (a *adminTest) giveSecondFactor() {
	a.t.Helper()
	a.exec("INSERT INTO passkeys (user_id, name, credential_id, credential, created_at) SELECT id, 'test', CAST(id AS BLOB), '{}', 1 FROM users")
}

func TestWhatNeedsAFreshProof(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	for _, row := range []struct {
		name    string
		method  string
		wrap    func(handler) handler
		factor  bool
		age     time.Duration
		status  int
		contain string // of the answer, or where it leads to
	}{
		{"just confirmed", "GET", a.fresh, false, 0, 200, "done"},
		{"confirmed almost 10 minutes ago", "POST", a.fresh, false, 10*time.Minute - time.Second, 200, "done"},
		{"a form, 10 minutes later", "GET", a.fresh, false, 10 * time.Minute, 303, "/admin/confirm?next=%2Fadmin%2Fx%3Fa%3D1%26b%3D2"},
		{"sent 10 minutes later", "POST", a.fresh, false, 10 * time.Minute, 401, `href="/admin/confirm" target="_blank"`},
		{"money without a second factor", "GET", a.money, false, 0, 403, `href="/admin/account" target="_blank"`},
		{"money sent without a second factor", "POST", a.money, false, 0, 403, "nothing was changed"},
		{"money", "POST", a.money, true, 0, 200, "done"},
		{"money 10 minutes later", "POST", a.money, true, 10 * time.Minute, 401, "nothing was changed"},
	} {
		h := row.wrap(func(w http.ResponseWriter, _ *http.Request) error {
			_, err := io.WriteString(w, "done")
			return err
		})
		r := httptest.NewRequestWithContext(t.Context(), row.method, "/admin/x?a=1&b=2", nil)
		r = withUser(r, auth.User{ID: 1, Email: "ada@example.com", Role: auth.Owner, ConfirmedAt: time.Now().Add(-row.age), SecondFactor: row.factor})
		rec := httptest.NewRecorder()
		w := &response{ResponseWriter: rec}
		if err := h(w, r); err != nil {
			a.fail(w, r, err)
		}
		if got := rec.Header().Get("Location") + rec.Body.String(); rec.Code != row.status || !strings.Contains(got, row.contain) {
			t.Errorf("%s: %d %s", row.name, rec.Code, got)
		}
	}
}

func TestWhichRoutesNeedAFreshProof(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	a.giveSecondFactor()
	a.stale()
	// What lets people in, or changes what they sign in with. What only keeps somebody out is quick.
	fresh := []string{"POST /admin/people", "POST /admin/people/{id}/role", "POST /admin/people/{id}/enable",
		"GET /admin/people/{id}/factors", "POST /admin/people/{id}/factors",
		"GET /admin/account/app", "POST /admin/account/app", "GET /admin/account/app/remove", "POST /admin/account/app/remove",
		"GET /admin/account/passkeys/new", "POST /admin/account/passkeys/options", "POST /admin/account/passkeys",
		"GET /admin/account/passkeys/{id}/remove", "POST /admin/account/passkeys/{id}/remove",
		"GET /admin/account/codes", "POST /admin/account/codes"}
	for _, route := range fresh {
		method, path, _ := strings.Cut(route, " ")
		r := formRequest(t, a.url+strings.ReplaceAll(path, "{id}", "1"), url.Values{"role": {"support"}, "email": {"eve@example.com"}})
		r.Method = method
		res, body := a.do(a.browsers[auth.Owner], r)
		switch toConfirm := strings.HasPrefix(res.Header.Get("Location"), "/admin/confirm?next="); {
		case method == "GET" && toConfirm:
		case method == "POST" && res.StatusCode == http.StatusUnauthorized && strings.Contains(body, "Confirm that it is you"):
		default:
			t.Errorf("31: %s: %d to %s", route, res.StatusCode, res.Header.Get("Location"))
		}
	}
	if _, err := a.DB.Read().UserByEmail(t.Context(), "eve@example.com"); err == nil {
		t.Error("31: somebody was invited all the same")
	}
}

func TestConfirming(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	home, _ := url.Parse(a.url)
	support := a.browsers[auth.Support]
	if res, _ := a.do(support, request(t, "GET", a.url+"/admin/confirm?next=/admin/jobs", "")); res.Header.Get("Location") != "/admin/jobs" {
		t.Errorf("when there is nothing to confirm: %d to %s", res.StatusCode, res.Header.Get("Location"))
	}
	a.stale()
	if status, body := a.get(auth.Support, "/admin/confirm?next=https://evil.example/"); status != http.StatusOK || !strings.Contains(body, `name="next" value="/admin"`) {
		t.Errorf("the form: %d %s", status, body)
	}
	before := support.Jar.Cookies(home)
	status, body := a.post(auth.Support, "/admin/confirm", url.Values{"password": {"wrong"}, "next": {"/admin/jobs"}})
	if status != http.StatusUnprocessableEntity || !strings.Contains(body, "The password is wrong.") || !strings.Contains(body, `value="/admin/jobs"`) {
		t.Errorf("a wrong password: %d %s", status, body)
	}
	if user := a.sessionOf(support); user.Fresh() {
		t.Error("a wrong password confirms")
	}
	res, _ := a.do(support, formRequest(t, a.url+"/admin/confirm", url.Values{"password": {goodPassword}, "next": {"/admin/jobs?state=discarded"}}))
	if got := res.Header.Get("Location"); res.StatusCode != http.StatusSeeOther || got != "/admin/jobs?state=discarded" {
		t.Errorf("the right password: %d to %s", res.StatusCode, got)
	}
	if user := a.sessionOf(support); !user.Fresh() || user.Role != auth.Support {
		t.Errorf("afterwards the session is %+v", user)
	}
	other := newBrowser(t)
	other.Jar.SetCookies(home, before)
	if res, _ := a.do(other, request(t, "GET", a.url+"/admin/tickets", "")); res.StatusCode != http.StatusSeeOther {
		t.Errorf("26: the token from before still opens pages: %d", res.StatusCode)
	}
	if user := a.sessionOf(a.browsers[auth.Owner]); user.Fresh() {
		t.Error("somebody else is confirmed")
	}
}

// sessionOf is who is signed in in a browser.
func (a *adminTest) sessionOf(browser *http.Client) auth.User {
	a.t.Helper()
	home, err := url.Parse(a.url)
	check(a.t, err)
	for _, c := range browser.Jar.Cookies(home) {
		if c.Name == sessionCookie {
			user, err := auth.Session(a.t.Context(), a.DB, c.Value)
			check(a.t, err)
			return user
		}
	}
	a.t.Fatal("nobody is signed in")
	return auth.User{}
}

func TestGuessingToConfirmIsLimited(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	a.stale()
	for range 5 {
		a.post(auth.Support, "/admin/confirm", url.Values{"password": {"wrong"}})
	}
	if status, body := a.post(auth.Support, "/admin/confirm", url.Values{"password": {goodPassword}}); status != http.StatusTooManyRequests {
		t.Errorf("the sixth try: %d %s", status, body)
	}
}

func TestAVisitorOfTheDemoIsAlwaysConfirmed(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	d.get("", "/admin/demo")
	d.stale()
	if res, _ := d.do(d.browsers[""], request(t, "GET", d.url+"/admin/confirm?next=/admin/jobs", "")); res.Header.Get("Location") != "/admin/jobs" {
		t.Errorf("there is something to confirm: %d to %s", res.StatusCode, res.Header.Get("Location"))
	}
	if status, body := d.post("", "/admin/people", url.Values{"email": {"eve@example.com"}, "role": {"support"}}); status != http.StatusOK {
		t.Errorf("an invitation: %d %s", status, body)
	}
	if user := visitor(auth.User{ID: 7, Role: auth.Support}); !user.Fresh() || !user.SecondFactor || user.ID != 7 {
		t.Errorf("the visitor is %+v", user)
	}
	if status, _ := d.get("", "/admin/account"); status != http.StatusNotFound {
		t.Errorf("an account: %d", status)
	}
}
