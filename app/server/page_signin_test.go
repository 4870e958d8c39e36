package server

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"bursar/app/auth"
)

const (
	goodPassword     = "three green bicycles"
	goodPasswordHash = "$argon2id$v=19$m=64,t=1,p=1$c2FsdCBmb3IgdGVzdGluZw$bI7F19PHXLxDu8jo/BkgiD+4+lort+f8cKRbHDKAxJs"
)

func (a *adminTest) signInAs(browser *http.Client, email, password, next string) (*http.Response, string) {
	a.t.Helper()
	return a.do(browser, formRequest(a.t, a.url+"/admin/sign-in", url.Values{"email": {email}, "password": {password}, "next": {next}}))
}

func TestSignInAndOut(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	browser := newBrowser(t)
	res, _ := a.signInAs(browser, " Finance@example.com ", goodPassword, "/admin/activity?outcome=denied")
	if got := res.Header.Get("Location"); res.StatusCode != http.StatusSeeOther || got != "/admin/activity?outcome=denied" {
		t.Fatalf("%d to %s", res.StatusCode, got)
	}
	if res, body := a.do(browser, request(t, "GET", a.url+"/admin/activity", "")); res.StatusCode != http.StatusOK || !strings.Contains(body, "finance@example.com") {
		t.Errorf("afterwards: %d", res.StatusCode)
	}
	home, _ := url.Parse(a.url)
	token := browser.Jar.Cookies(home)[0]
	res, _ = a.do(browser, formRequest(t, a.url+"/admin/sign-out", nil))
	if got := res.Header.Get("Location"); res.StatusCode != http.StatusSeeOther || got != "/admin/sign-in" {
		t.Errorf("signing out: %d to %s", res.StatusCode, got)
	}
	if _, body := a.do(browser, request(t, "GET", a.url+"/admin/sign-in", "")); !strings.Contains(body, "You are signed out.") {
		t.Errorf("it does not say so: %s", body)
	}
	browser.Jar.SetCookies(home, []*http.Cookie{token})
	if res, _ := a.do(browser, request(t, "GET", a.url+"/admin/activity", "")); res.StatusCode != http.StatusSeeOther {
		t.Errorf("the old cookie still opens pages: %d", res.StatusCode)
	}
	if got, want := a.audits(2), []string{"finance@example.com sign-out finance@example.com done", "finance@example.com sign-in finance@example.com done"}; !slices.Equal(got, want) {
		t.Errorf("the audit has %q", got)
	}
}

func TestSigningInAgainEndsTheSessionOfThatBrowser(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	browser := a.browsers[auth.Support]
	home, _ := url.Parse(a.url)
	before := browser.Jar.Cookies(home)
	a.signInAs(browser, "finance@example.com", goodPassword, "")
	other := newBrowser(t)
	other.Jar.SetCookies(home, before)
	if res, _ := a.do(other, request(t, "GET", a.url+"/admin/tickets", "")); res.StatusCode != http.StatusSeeOther {
		t.Errorf("the session before: %d", res.StatusCode)
	}
}

func TestAWrongSignInSaysTheSameForEverybody(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	var answers []string
	for _, email := range []string{"owner@example.com", "nobody@example.com"} {
		res, body := a.signInAs(newBrowser(t), email, "wrong", "/admin/jobs")
		if res.StatusCode != http.StatusUnauthorized || len(res.Cookies()) != 0 {
			t.Errorf("%s: %d, %v", email, res.StatusCode, res.Cookies())
		}
		body, _, _ = strings.Cut(body, "<footer") // which has the time
		answers = append(answers, strings.ReplaceAll(body, email, "EMAIL"))
	}
	if answers[0] != answers[1] || !strings.Contains(answers[0], "The e-mail address or the password is wrong.") || !strings.Contains(answers[0], `value="/admin/jobs"`) {
		t.Errorf("the answers are %s", strings.Join(answers, "\n---\n"))
	}
	if got, want := a.audits(2), []string{"somebody sign-in  failed", "owner@example.com sign-in  failed"}; !slices.Equal(got, want) {
		t.Errorf("the audit has %q", got)
	}
}

func TestTooManyWrongSignIns(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	for range 5 {
		a.signInAs(newBrowser(t), "owner@example.com", "wrong", "")
	}
	res, body := a.signInAs(newBrowser(t), "owner@example.com", goodPassword, "")
	if res.StatusCode != http.StatusTooManyRequests || !strings.Contains(body, "Wait a minute") || res.Header.Get("Retry-After") != "60" {
		t.Errorf("the sixth: %d %s", res.StatusCode, body)
	}
}

func TestStrangersCannotFillTheAudit(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	r := request(t, "POST", a.url+"/admin/sign-in", "")
	for range 100 {
		check(t, a.auditWrong(r, "sign-in", "eve@example.com", ""))
	}
	if got := len(a.audits(200)); got < 60 || got > 70 {
		t.Errorf("100 wrong sign-ins in a moment are %d rows", got)
	}
}

// firstOwner makes the server one that nobody has set up yet, and gives the path of the link.
func (a *adminTest) firstOwner() (path string) {
	a.t.Helper()
	a.exec("DELETE FROM sessions", "DELETE FROM users")
	link, err := auth.FirstOwnerLink(a.t.Context(), a.DB, a.URL)
	check(a.t, err)
	return strings.TrimPrefix(link, a.URL)
}

func TestTheFirstOwnerSetsBursarUp(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	path := a.firstOwner()
	_, token, _ := strings.Cut(path, "token=")
	for range 2 { // looking uses nothing up
		if status, body := a.get("", path); status != http.StatusOK || !strings.Contains(body, "become the owner") || !strings.Contains(body, `name="email"`) {
			t.Fatalf("the form: %d %s", status, body)
		}
	}
	form := func(email, password, again string) url.Values {
		return url.Values{"token": {token}, "email": {email}, "password": {password}, "again": {again}, "role": {"support"}}
	}
	for _, row := range []struct {
		name string
		form url.Values
		want string
	}{
		{"a short password", form("ada@example.com", "short", "short"), "at least 12 characters"},
		{"two different ones", form("ada@example.com", goodPassword, goodPassword+"x"), "two passwords differ"},
		{"the address", form("ada@example.com", "ada@example.com", "ada@example.com"), "it is the e-mail address"},
		{"no address", form("ada", goodPassword, goodPassword), "give it bare"},
	} {
		status, body := a.post("", "/admin/welcome", row.form)
		if status != http.StatusUnprocessableEntity || !strings.Contains(body, row.want) || !strings.Contains(body, token) || strings.Contains(body, goodPassword) {
			t.Errorf("%s: %d %s", row.name, status, body)
		}
	}
	body := a.submit("", "/admin/welcome", form("ada@example.com", goodPassword, goodPassword))
	if !strings.Contains(body, "Next time sign in with ada@example.com") || !strings.Contains(body, `<span class="badge">owner</span>`) {
		t.Errorf("afterwards: %s", body)
	}
	for _, r := range []*http.Request{request(t, "GET", a.url+path, ""), formRequest(t, a.url+"/admin/welcome", form("eve@example.com", goodPassword, goodPassword))} {
		if res, body := a.do(newBrowser(t), r); res.StatusCode != http.StatusNotFound || !strings.Contains(body, "used already") {
			t.Errorf("the link again: %s %d %s", r.Method, res.StatusCode, body)
		}
	}
	if got := a.audits(1); got[0] != "ada@example.com password.set ada@example.com done" {
		t.Errorf("the audit has %q", got)
	}
}

func TestOfTwoFirstOwnersAtOnceOneIs(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	_, token, _ := strings.Cut(a.firstOwner(), "token=")
	statuses := make(chan int, 2)
	var both sync.WaitGroup
	for _, email := range []string{"ada@example.com", "eve@example.com"} {
		browser := newBrowser(t)
		both.Go(func() {
			res, err := browser.Do(formRequest(t, a.url+"/admin/welcome",
				url.Values{"token": {token}, "email": {email}, "password": {goodPassword}, "again": {goodPassword}}))
			if err != nil {
				statuses <- 0
				return
			}
			res.Body.Close()
			statuses <- res.StatusCode
		})
	}
	both.Wait()
	got := []int{<-statuses, <-statuses}
	slices.Sort(got)
	if !slices.Equal(got, []int{http.StatusSeeOther, http.StatusNotFound}) {
		t.Errorf("the answers are %v", got)
	}
	if n, err := a.DB.Read().CountUsers(t.Context()); n != 1 || err != nil {
		t.Errorf("there are %d users, %v", n, err)
	}
}

func TestAnInvitedPersonCannotChooseWhoTheyAre(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	link := a.invite("eve@example.com", auth.Support)
	_, token, _ := strings.Cut(link, "token=")
	if _, body := a.get("", strings.TrimPrefix(link, a.URL)); !strings.Contains(body, "eve@example.com") || !strings.Contains(body, `<span class="badge">support</span>`) {
		t.Errorf("the form: %s", body)
	}
	body := a.submit("", "/admin/welcome", url.Values{"token": {token}, "email": {"owner@example.com"}, "role": {"owner"},
		"password": {goodPassword}, "again": {goodPassword}})
	if !strings.Contains(body, `<span class="address">eve@example.com</span> <span class="badge">support</span>`) {
		t.Errorf("signed in is %s", body)
	}
}
