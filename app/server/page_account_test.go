package server

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"bursar/app/auth"
	"bursar/app/db"
	"bursar/app/mail"
)

// addApp sets up an authenticator app on the pages. A code of the next half minute still works at once.
func (a *adminTest) addApp(browser *http.Client) (secret string, codes []string) {
	a.t.Helper()
	_, body := a.do(browser, request(a.t, "GET", a.url+"/admin/account/app", ""))
	secret = strings.ReplaceAll(a.find(body, `id="secret">([^<]+)<`), " ", "")
	offer := html.UnescapeString(a.find(body, `name="offer" value="([^"]+)"`))
	res, body := a.do(browser, formRequest(a.t, a.url+"/admin/account/app", url.Values{"offer": {offer}, "code": {a.code(secret, 0)}}))
	if res.StatusCode != http.StatusOK {
		a.t.Fatalf("set up the app: %d %s", res.StatusCode, body)
	}
	return secret, strings.Fields(a.find(body, `id="codes">([^<]+)<`))
}

func (a *adminTest) find(body, pattern string) string {
	a.t.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(body)
	if found == nil {
		a.t.Fatalf("there is no %s in %s", pattern, body)
	}
	return found[1]
}

func (a *adminTest) code(secret string, later time.Duration) string {
	a.t.Helper()
	code, err := totp.GenerateCode(secret, time.Now().Add(later))
	check(a.t, err)
	return code
}

// opens says whether somebody is signed in in a browser: what a GET and a POST get next.
func (a *adminTest) opens(browser *http.Client) bool {
	a.t.Helper()
	get, _ := a.do(browser, request(a.t, "GET", a.url+"/admin/tickets", ""))
	post, _ := a.do(browser, formRequest(a.t, a.url+"/admin/tickets", nil))
	if (get.StatusCode == http.StatusOK) != (post.StatusCode != http.StatusUnauthorized) {
		a.t.Fatalf("a GET gets %d, a POST %d", get.StatusCode, post.StatusCode)
	}
	return get.StatusCode == http.StatusOK
}

func TestSigningInWithASecondFactor(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	secret, codes := a.addApp(a.browsers[auth.Finance])
	browser := newBrowser(t)
	res, _ := a.signInAs(browser, "finance@example.com", goodPassword, "/admin/jobs")
	if got := res.Header.Get("Location"); res.StatusCode != http.StatusSeeOther || got != "/admin/sign-in/code?next=%2Fadmin%2Fjobs" {
		t.Fatalf("18: the password leads to %d %s", res.StatusCode, got)
	}
	if a.opens(browser) {
		t.Fatal("18: the password alone signs in")
	}
	send := func(browser *http.Client, code string) (*http.Response, string) {
		return a.do(browser, formRequest(t, a.url+"/admin/sign-in/code", url.Values{"code": {code}, "next": {"/admin/jobs"}}))
	}
	if res, body := send(browser, "000000"); res.StatusCode != http.StatusUnauthorized || !strings.Contains(body, "The code is wrong or was used already") || !strings.Contains(body, `value="/admin/jobs"`) {
		t.Errorf("18: a wrong code: %d %s", res.StatusCode, body)
	}
	next := a.code(secret, 30*time.Second)
	if res, _ := send(browser, next); res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/admin/jobs" || !a.opens(browser) {
		t.Errorf("18: the right code: %d to %s", res.StatusCode, res.Header.Get("Location"))
	}
	if user := a.sessionOf(browser); !user.Fresh() || !user.SecondFactor {
		t.Errorf("31: the session is %+v", user)
	}
	if res, _ := send(browser, next); res.Header.Get("Location") != "/admin/sign-in?next=%2Fadmin%2Fjobs" {
		t.Errorf("the step again: %d to %s", res.StatusCode, res.Header.Get("Location"))
	}
	again := newBrowser(t)
	a.signInAs(again, "finance@example.com", goodPassword, "")
	if res, _ := send(again, next); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("18: the code again: %d", res.StatusCode)
	}
	if res, _ := send(again, codes[0]); res.StatusCode != http.StatusSeeOther {
		t.Errorf("19: a recovery code: %d", res.StatusCode)
	}
	if _, body := a.do(again, request(t, "GET", a.url+"/admin/jobs", "")); !strings.Contains(body, "9 are left") {
		t.Errorf("19: how many are left: %s", body)
	}
	if res, _ := send(newBrowser(t), codes[1]); !strings.HasPrefix(res.Header.Get("Location"), "/admin/sign-in?") {
		t.Errorf("18: a code without a password: %d", res.StatusCode)
	}
	if got := a.audits(4); !slices.Contains(got, "finance@example.com sign-in finance@example.com done") || !slices.Contains(got, "finance@example.com sign-in  failed") {
		t.Errorf("50: the audit has %q", got)
	}
}

func TestTheSixthWrongCodeWaits(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	secret, _ := a.addApp(a.browsers[auth.Finance])
	for _, row := range []struct {
		name, path string
		browser    *http.Client
		form       url.Values
	}{
		{"18: sign-in", "/admin/sign-in/code", newBrowser(t), url.Values{}},
		{"31: confirm", "/admin/confirm", a.browsers[auth.Finance], url.Values{"password": {goodPassword}}},
	} {
		a.signInAs(row.browser, "finance@example.com", goodPassword, "")
		last := 0
		for range 6 {
			row.form.Set("code", "000000")
			res, _ := a.do(row.browser, formRequest(t, a.url+row.path, row.form))
			last = res.StatusCode
		}
		row.form.Set("code", a.code(secret, 30*time.Second))
		res, _ := a.do(row.browser, formRequest(t, a.url+row.path, row.form))
		if last != http.StatusTooManyRequests || res.StatusCode != http.StatusTooManyRequests {
			t.Errorf("%s: the sixth gets %d, and the right one %d", row.name, last, res.StatusCode)
		}
	}
}

func TestWhatSignsOutEverywhereElse(t *testing.T) {
	t.Parallel()
	password := url.Values{"present": {goodPassword}, "password": {"four red tricycles"}, "again": {"four red tricycles"}}
	for _, row := range []struct {
		name string
		app  bool // they have one already
		do   func(a *adminTest, here *http.Client) (status int)
		here bool // this browser stays signed in
	}{
		{"29: another password", false, func(a *adminTest, here *http.Client) int {
			res, _ := a.do(here, formRequest(a.t, a.url+"/admin/account/password", password))
			return res.StatusCode
		}, true},
		{"29: an authenticator app", false, func(a *adminTest, here *http.Client) int {
			a.addApp(here)
			return http.StatusSeeOther
		}, true},
		{"29: no authenticator app any more", true, func(a *adminTest, here *http.Client) int {
			res, _ := a.do(here, formRequest(a.t, a.url+"/admin/account/app/remove", nil))
			return res.StatusCode
		}, true},
		{"29: the second factor removed by an owner", true, func(a *adminTest, here *http.Client) int {
			status, _ := a.post(auth.Owner, fmt.Sprintf("/admin/people/%d/factors", a.sessionOf(here).ID), nil)
			return status
		}, false},
		{"28: sign out the others", false, func(a *adminTest, here *http.Client) int {
			res, _ := a.do(here, formRequest(a.t, a.url+"/admin/account/sessions/others", nil))
			return res.StatusCode
		}, true},
		{"28: sign out everywhere", false, func(a *adminTest, here *http.Client) int {
			res, _ := a.do(here, formRequest(a.t, a.url+"/admin/account/sessions/all", nil))
			return res.StatusCode
		}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			a := newAdmin(t)
			ada := a.addUser("ada@example.com", auth.Support)
			here := a.browserOf(ada)
			if row.app {
				a.addApp(here)
			}
			elsewhere := a.browserOf(ada)
			home, _ := url.Parse(a.url)
			before := newBrowser(t)
			before.Jar.SetCookies(home, here.Jar.Cookies(home))
			if !a.opens(elsewhere) {
				t.Fatal("not signed in elsewhere")
			}
			if status := row.do(a, here); status != http.StatusSeeOther {
				t.Fatalf("it gets %d", status)
			}
			if a.opens(elsewhere) {
				t.Error("elsewhere it goes on")
			}
			if a.opens(here) != row.here {
				t.Errorf("here it goes on: %t", !row.here)
			}
			if strings.HasPrefix(row.name, "29") && a.opens(before) {
				t.Error("26: the token from before goes on")
			}
			if !a.opens(a.browsers[auth.Owner]) {
				t.Error("somebody else is signed out")
			}
		})
	}
}

func TestChangingThePassword(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	for _, row := range []struct{ name, present, password, again, want string }{
		{"the present one is wrong", "wrong", "four red tricycles", "four red tricycles", "The present password is wrong."},
		{"two different ones", goodPassword, "four red tricycles", "four red bicycles", "The two passwords differ"},
		{"15: a short one", goodPassword, "short", "short", "at least 12 characters"},
		{"15: a common one", goodPassword, "Password2026!", "Password2026!", "first that anybody would try"},
	} {
		status, body := a.post(auth.Support, "/admin/account/password", url.Values{"present": {row.present}, "password": {row.password}, "again": {row.again}})
		if status != http.StatusUnprocessableEntity || !strings.Contains(body, row.want) || strings.Contains(body, row.password) {
			t.Errorf("%s: %d %s", row.name, status, body)
		}
	}
	for range 5 {
		a.post(auth.Support, "/admin/account/password", url.Values{"present": {"wrong"}})
	}
	if status, _ := a.post(auth.Support, "/admin/account/password", url.Values{"present": {goodPassword}, "password": {"four red tricycles"}, "again": {"four red tricycles"}}); status != http.StatusTooManyRequests {
		t.Errorf("31: guessing the present one: %d", status)
	}
}

func TestTheAccountPage(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	a.URL = a.url
	for role, needs := range map[auth.Role]bool{auth.Owner: true, auth.Finance: true, auth.Support: false} {
		if status, body := a.get(role, "/admin/account"); status != http.StatusOK || strings.Contains(body, "Set up a second factor") != needs || !strings.Contains(body, "this one") {
			t.Errorf("18: %s: %d %s", role, status, body)
		}
	}
	a.addApp(a.browsers[auth.Owner])
	body := a.submit(auth.Owner, "/admin/account/sessions/others", nil)
	if strings.Contains(body, "Set up a second factor") || !strings.Contains(body, "You have 10 left") {
		t.Errorf("with an app: %s", body)
	}
	a.exec("INSERT INTO passkeys (id, user_id, name, credential_id, credential, created_at) SELECT 70, id, '<b>key</b>', x'01', '{}', 1 FROM users WHERE role = 'owner'")
	for _, row := range []struct {
		role   auth.Role
		path   string
		status int
	}{
		{auth.Support, "/admin/account/passkeys/70/name", 404},
		{auth.Support, "/admin/account/passkeys/70/remove", 404},
		{auth.Owner, "/admin/account/passkeys/70/name", 303},
		{auth.Owner, "/admin/account/passkeys/70/remove", 303},
		{auth.Owner, "/admin/account/passkeys/70/remove", 404},
	} {
		if status, body := a.post(row.role, row.path, url.Values{"name": {"my phone"}}); status != row.status {
			t.Errorf("%s by %s: %d %s", row.path, row.role, status, body)
		}
	}
}

func TestAPasswordResetByMail(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	ask := func(email string) (int, string) {
		return a.post("", "/admin/forgot", url.Values{"email": {email}})
	}
	if status, _ := ask("owner@example.com"); status != http.StatusNotFound {
		t.Errorf("23: switched off: %d", status)
	}
	if _, body := a.get("", "/admin/forgot"); strings.Contains(body, "<form method=\"post\" action=\"/admin/forgot\"") || !strings.Contains(body, "bursar user add") {
		t.Errorf("23: switched off: %s", body)
	}
	a.Resets = true
	var answers []string
	for _, email := range []string{"owner@example.com", "nobody@example.com"} {
		status, body := ask(email)
		body, _, _ = strings.Cut(body, "<footer")
		answers = append(answers, fmt.Sprint(status, strings.ReplaceAll(body, email, "EMAIL")))
	}
	if answers[0] != answers[1] || !strings.HasPrefix(answers[0], "200") {
		t.Errorf("16: the answers are %s", strings.Join(answers, "\n---\n"))
	}
	mails, err := a.DB.Read().ListMails(t.Context(), 1<<62, 10)
	if err != nil || len(mails) != 1 || mails[0].Recipients != "owner@example.com" {
		t.Fatalf("23: the mails are %v, %v", mails, err)
	}
	m, err := a.DB.Read().MailByID(t.Context(), mails[0].ID)
	check(t, err)
	token, err := a.Key.Open(m.Secret, mail.SecretOf(m.Key))
	check(t, err)
	if !strings.Contains(m.Text, auth.LinkURL(a.URL, mail.Hidden)) || strings.Contains(m.Text+m.HTML, token) {
		t.Errorf("23: the outbox shows %s", m.Text)
	}
	if _, page := a.get(auth.Finance, fmt.Sprintf("/admin/outbox/%d", m.ID)); !strings.Contains(page, mail.Hidden) || strings.Contains(page, token) {
		t.Errorf("23: others read %s", page)
	}
	if status, _ := a.get("", "/admin/sign-in?token="+mail.Hidden); status != http.StatusNotFound {
		t.Errorf("23: what the outbox shows opens %d", status)
	}
	body := a.submit("", "/admin/welcome", url.Values{"token": {token}, "password": {"four red tricycles"}, "again": {"four red tricycles"}})
	if !strings.Contains(body, "owner@example.com") || a.opens(a.browsers[auth.Owner]) {
		t.Errorf("23: afterwards %s", body)
	}
	for range 4 {
		ask("nobody@example.com")
	}
	if status, _ := ask("finance@example.com"); status != http.StatusTooManyRequests {
		t.Errorf("23: the sixth in a minute from one address: %d", status)
	}
}

func TestALinkIsNoWayAroundASecondFactor(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	a.addApp(a.browsers[auth.Finance])
	_, body := a.post(auth.Owner, "/admin/people", url.Values{"email": {"finance@example.com"}, "role": {"finance"}})
	token := a.find(body, `token=([A-Z2-7]+)`)
	browser := newBrowser(t)
	res, _ := a.do(browser, formRequest(t, a.url+"/admin/welcome", url.Values{"token": {token}, "password": {"four red tricycles"}, "again": {"four red tricycles"}}))
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/admin/sign-in" || a.opens(browser) {
		t.Errorf("18: a new password leads to %d %s", res.StatusCode, res.Header.Get("Location"))
	}
}

func TestPasskeysAreRefusedPolitely(t *testing.T) {
	t.Parallel()
	a := newAdmin(t) // at a number, where there are none
	if status, body := a.post("", "/admin/passkey", nil); status != http.StatusUnprocessableEntity {
		t.Errorf("at a number: %d %s", status, body)
	}
	gate, err := auth.NewGate(a.Key, "https://bursar.example.com")
	check(t, err)
	a.gate = gate
	for _, row := range []struct {
		name, path string
		role       auth.Role
		status     int
		want       string
	}{
		{"sign-in", "/admin/sign-in/passkey", "", 401, "The passkey was not accepted"},
		{"confirm", "/admin/confirm/passkey", auth.Support, 422, "The passkey was not accepted"},
		{"add", "/admin/account/passkeys", auth.Support, 422, "was not accepted"},
	} {
		res, options := a.do(a.browsers[row.role], request(t, "POST", a.url+"/admin/passkey", ""))
		if res.StatusCode != http.StatusOK || !strings.Contains(options, `"userVerification":"required"`) || strings.Contains(options, "allowCredentials") {
			t.Fatalf("%s: it is asked for %s", row.name, options)
		}
		status, body := a.post(row.role, row.path, url.Values{"answer": {`{"id":"AAAA","rawId":"AAAA","type":"public-key","response":{}}`}})
		if status != row.status || !strings.Contains(body, row.want) {
			t.Errorf("%s: %d %s", row.name, status, body)
		}
	}
}

func TestWhoWasInvitedHasNoRightsYet(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	a.post(auth.Owner, "/admin/people", url.Values{"email": {"eve@example.com"}, "role": {"owner"}})
	eve, err := a.DB.Read().UserByEmail(t.Context(), "eve@example.com")
	check(t, err)
	for _, password := range []string{"", goodPassword} {
		if res, _ := a.signInAs(newBrowser(t), "eve@example.com", password, ""); res.StatusCode != http.StatusUnauthorized {
			t.Errorf("22: signing in: %d", res.StatusCode)
		}
	}
	err = a.DB.Tx(t.Context(), func(q *db.Queries) error {
		_, err := auth.StartSession(t.Context(), q, eve, auth.Origin{})
		return err
	})
	if err == nil {
		t.Error("22: a session begins")
	}
}

func TestBrowserWords(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ agent, want string }{
		{"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36", "Chrome on Linux"},
		{"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36 Edg/156.0.0.0", "Edge on Windows"},
		{"Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Mobile/15E148 Safari/604.1", "Safari on iPhone"},
		{"Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:150.0) Gecko/20100101 Firefox/150.0", "Firefox on Mac"},
		{"Mozilla/5.0 (Linux; Android 16; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Mobile Safari/537.36", "Chrome on Android"},
		{"curl/8.9", "curl/8.9"},
		{"", "unknown browser"},
	} {
		if got := browserWords(row.agent); got != row.want {
			t.Errorf("%s is %q, want %q", row.agent, got, row.want)
		}
	}
}
