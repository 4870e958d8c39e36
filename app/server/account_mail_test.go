package server

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"bursar/app/auth"
	"bursar/app/db"
)

// mailsSince are the mails with an id above one, as "recipient: subject", and the highest id.
func (a *adminTest) mailsSince(last int64) (mails []string, texts string, newest int64) {
	a.t.Helper()
	list, err := a.DB.Read().ListMails(a.t.Context(), 1<<62, 100)
	check(a.t, err)
	newest = last
	for _, row := range slices.Backward(list) {
		if row.ID <= last {
			continue
		}
		m, err := a.DB.Read().MailByID(a.t.Context(), row.ID)
		check(a.t, err)
		mails, newest = append(mails, m.Recipients+": "+strings.TrimPrefix(m.Subject, "Bursar: ")), row.ID
		texts += m.Subject + m.Text + m.HTML
	}
	return mails, texts, newest
}

// TestPeopleAreToldWhatChangedInTheirAccounts does everything to an account that can be done to one.
func TestPeopleAreToldWhatChangedInTheirAccounts(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	a.atAName()
	eve := a.addUser("eve@example.com", auth.Support)
	browser := a.browserOf(eve)
	path := fmt.Sprintf("/admin/people/%d/", eve.ID)
	var secret, token string
	var codes []string
	post := func(path string, form url.Values) func() {
		return func() {
			a.t.Helper()
			if res, body := a.do(browser, formRequest(t, a.url+path, form)); res.StatusCode >= 400 {
				t.Errorf("%s: %d %s", path, res.StatusCode, body)
			}
		}
	}
	byOwner := func(path string, form url.Values) func() {
		return func() {
			a.t.Helper()
			if status, body := a.post(auth.Owner, path, form); status >= 400 {
				t.Errorf("%s: %d %s", path, status, body)
			}
		}
	}
	const self, other = "somebody else can sign in", "If you did not expect this"
	last := int64(0)
	for _, row := range []struct {
		do   func()
		want []string
		says string
	}{
		{post("/admin/account/password", url.Values{"present": {goodPassword}, "password": {"four red tricycles"}, "again": {"four red tricycles"}}),
			[]string{"eve@example.com: your password was changed"}, self},
		{func() { secret, codes = a.addApp(browser) }, []string{"eve@example.com: an authenticator app was set up for your account"}, self},
		{func() {
			fresh := newBrowser(t)
			a.signInAs(fresh, "eve@example.com", "four red tricycles", "")
			a.do(fresh, formRequest(t, a.url+"/admin/sign-in/code", url.Values{"code": {codes[0]}}))
		}, []string{"eve@example.com: a recovery code was used for your account; 9 are left"}, self},
		{func() {
			a.do(browser, formRequest(t, a.url+"/admin/confirm", url.Values{"password": {"four red tricycles"}, "code": {codes[1]}}))
		}, []string{"eve@example.com: a recovery code was used for your account; 8 are left"}, self},
		{post("/admin/account/codes", nil), []string{"eve@example.com: new recovery codes were made for your account, and those from before work no more"}, self},
		{func() {
			d := newDevice(t)
			_, options := a.do(browser, request(t, "POST", a.url+"/admin/account/passkeys/options", ""))
			post("/admin/account/passkeys", url.Values{"answer": {d.create(options)}, "name": {"my phone"}})()
		}, []string{"eve@example.com: a passkey was added to your account: my phone"}, self},
		{post("/admin/account/passkeys/1/remove", nil), []string{"eve@example.com: a passkey was removed from your account"}, self},
		{post("/admin/account/app/remove", nil), []string{"eve@example.com: your authenticator app was removed"}, self},
		{byOwner(path+"factors", nil), []string{"eve@example.com: your second factor was removed, and your password alone signs you in"}, other},
		{byOwner(path+"role", url.Values{"role": {"finance"}}), []string{"eve@example.com: your role is finance now, and was support"}, other},
		{byOwner(path+"role", url.Values{"role": {"finance"}}), nil, ""},
		{byOwner(path+"disable", nil), []string{"eve@example.com: your account was disabled, and you cannot sign in any more"}, other},
		{byOwner(path+"enable", nil), []string{"eve@example.com: your account was enabled again"}, other},
		{func() {
			_, body := a.post(auth.Owner, "/admin/people", url.Values{"email": {"eve@example.com"}, "role": {"finance"}})
			token = a.find(body, `token=([A-Z2-7]+)`)
		}, []string{"eve@example.com: a new sign-in link was made for your account"}, other},
		{func() {
			a.post("", "/admin/welcome", url.Values{"token": {token}, "password": {"four blue tricycles"}, "again": {"four blue tricycles"}})
		}, []string{"eve@example.com: your password was reset with a link"}, self},
		{func() {
			eve, err := a.DB.Read().UserByID(t.Context(), eve.ID)
			check(t, err)
			a.addApp(a.browserOf(eve))
			_, token, _ = strings.Cut(a.invite("eve@example.com", auth.Finance), "token=")
			a.post("", "/admin/welcome", url.Values{"token": {token}, "password": {"four green tricycles"}, "again": {"four green tricycles"}})
		}, []string{"eve@example.com: an authenticator app was set up for your account", "eve@example.com: your password was reset with a link, which removed your second factor"}, self},
		{byOwner(path+"role", url.Values{"role": {"owner"}}), []string{"eve@example.com: your role is owner now, and was finance", "owner@example.com: there is a new owner: eve@example.com, who was finance"}, "Owners may do everything"},
		{byOwner("/admin/people", url.Values{"email": {"zoe@example.com"}, "role": {"owner"}}),
			[]string{"eve@example.com: somebody was invited to be an owner: zoe@example.com", "owner@example.com: somebody was invited to be an owner: zoe@example.com"}, "Owners may do everything"},
		{byOwner("/admin/people", url.Values{"email": {"bob@example.com"}, "role": {"support"}}), nil, ""}, // they have no account yet
	} {
		row.do()
		mails, texts, newest := a.mailsSince(last)
		last = newest
		if !slices.Equal(mails, row.want) || !strings.Contains(texts, row.says) {
			t.Errorf("the mails are %q, want %q and in them %q", mails, row.want, row.says)
		}
		if len(row.want) > 0 && !strings.Contains(texts, "127.0.0.1") {
			t.Errorf("%q does not say where from", mails)
		}
		for _, hidden := range append([]string{secret, token, "tricycles"}, codes...) {
			if hidden != "" && strings.Contains(texts, hidden) {
				t.Errorf("%q gives %q away", mails, hidden)
			}
		}
	}
}

// TestAChangeThatIsNotMadeIsNotMailed: the mail is of the same transaction.
func TestAChangeThatIsNotMadeIsNotMailed(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	owner, err := a.DB.Read().UserByEmail(t.Context(), "owner@example.com")
	check(t, err)
	a.post(auth.Owner, fmt.Sprintf("/admin/people/%d/role", owner.ID), url.Values{"role": {"support"}}) // the last one
	a.post(auth.Owner, "/admin/people/99/disable", nil)
	a.post(auth.Support, "/admin/account/password", url.Values{"present": {"wrong"}, "password": {"four red tricycles"}, "again": {"four red tricycles"}})
	a.post("", "/admin/welcome", url.Values{"token": {"NONE"}, "password": {"four red tricycles"}, "again": {"four red tricycles"}})
	a.exec("CREATE TRIGGER full BEFORE INSERT ON mails BEGIN SELECT RAISE(ABORT, 'no room'); END")
	if status, _ := a.post(auth.Finance, "/admin/account/password", url.Values{"present": {goodPassword}, "password": {"four red tricycles"}, "again": {"four red tricycles"}}); status != http.StatusInternalServerError {
		t.Errorf("a change of which nobody could be told: %d", status)
	}
	if mails, _, _ := a.mailsSince(0); len(mails) > 0 {
		t.Errorf("the mails are %q", mails)
	}
	finance, err := a.DB.Read().UserByEmail(t.Context(), "finance@example.com")
	check(t, err)
	if finance.PasswordHash != goodPasswordHash {
		t.Error("the password is changed, and nobody was told")
	}
}

// TestMailsAboutAccountsAreSent where there is SMTP, at the time of the company.
func TestMailsAboutAccountsAreSent(t *testing.T) {
	t.Parallel()
	for send, state := range map[bool]string{false: "kept", true: "waiting"} {
		a := newAdmin(t)
		a.Send, a.Location = send, time.FixedZone("AEST", 10*3600)
		a.submit(auth.Support, "/admin/account/password", url.Values{"present": {goodPassword}, "password": {"four red tricycles"}, "again": {"four red tricycles"}})
		list, err := a.DB.Read().ListMails(t.Context(), 1<<62, 10)
		if err != nil || len(list) != 1 || list[0].State != state {
			t.Fatalf("send %t: %+v, %v", send, list, err)
		}
		m, err := a.DB.Read().MailByID(t.Context(), list[0].ID)
		check(t, err)
		if !strings.Contains(m.Text, " AEST") || m.News {
			t.Errorf("the mail is %s", m.Text)
		}
		jobs, err := a.DB.Read().ListJobs(t.Context(), db.ListJobsParams{Before: 1 << 62, N: 10})
		if err != nil || (len(jobs) == 1) != send {
			t.Errorf("send %t: the jobs are %+v, %v", send, jobs, err)
		}
	}
}
