package app_test

import (
	"context"
	"database/sql"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
	"github.com/pquerna/otp/totp"
)

// stale makes every session one that was confirmed long ago.
func (b *bursar) stale() {
	b.t.Helper()
	raw, err := sql.Open("sqlite", "file:"+b.settings["BURSAR_DB"]+"?_pragma=busy_timeout(5000)")
	if err != nil {
		b.t.Fatal(err)
	}
	defer raw.Close()
	if _, err := raw.Exec("UPDATE sessions SET confirmed_at = 1"); err != nil {
		b.t.Fatal(err)
	}
}

// device gives the browser one that makes passkeys, and says yes to everything.
func (b *browser) device() {
	b.t.Helper()
	b.do("add a device", webauthn.Enable(), chromedp.ActionFunc(func(ctx context.Context) error {
		_, err := webauthn.AddVirtualAuthenticator(&webauthn.VirtualAuthenticatorOptions{Protocol: webauthn.AuthenticatorProtocolCtap2,
			Transport: webauthn.AuthenticatorTransportInternal, HasResidentKey: true, HasUserVerification: true,
			IsUserVerified: true, AutomaticPresenceSimulation: true}).Do(ctx)
		return err
	}))
}

// answer presses a button that asks the device first, and waits until the page after says something.
func (b *browser) answer(selector, says string) {
	b.t.Helper()
	b.do("press "+selector, chromedp.Click(selector, chromedp.ByQuery))
	b.eventually("the page says "+says, func(text string) bool { return strings.Contains(text, says) })
}

func TestPasskeyAppAndRecoveryCodeInARealBrowser(t *testing.T) {
	t.Parallel()
	b := newBursar(t, "STRIPE_WEBHOOK_SECRET", secret)
	b.named = true // a browser makes no passkeys for a number
	out := &printed{}
	b.start(out, "serve")
	link := regexp.MustCompile(`http\S+token=\S+`).FindString(out.String())
	u, err := url.Parse(link)
	if err != nil || link == "" {
		t.Fatalf("serve printed no link for the first owner:\n%s", out)
	}
	const password = "three green bicycles"
	w := openBrowser(t, b.settings["BURSAR_URL"])
	w.device()
	w.open(u.RequestURI())
	w.do("choose a password", chromedp.SendKeys("#email", "ada@example.com"), chromedp.SendKeys("#password", password), chromedp.SendKeys("#again", password))
	w.press("main form button.primary")
	w.press(`.who a[href="/admin/account"]`)
	w.expect("an owner with a password only", "Set up a second factor", "this one")

	w.press(`a[href="/admin/account/passkeys/new"]`)
	w.answer("main form button.primary", "The passkey is added")
	var codes string
	w.do("read the recovery codes", chromedp.Text("#codes", &codes, chromedp.ByQuery))
	if len(strings.Fields(codes)) != 10 {
		t.Fatalf("the recovery codes are %q", codes)
	}
	w.press("main a.button.primary")
	w.expect("the account", "You have 10 left", "Nobody signs in as you with your password alone")

	w.press(".who form button")
	w.answer(`form[data-passkey] button`, "Today")
	w.expect("signed in with the passkey", "ada@example.com")

	b.stale()
	w.open("/admin/account/app")
	w.expect("a proof of long ago", "Confirm that it is you")
	w.answer(`form[data-passkey] button`, "Set up an authenticator app")
	var key string
	w.do("read the secret", chromedp.Click("main summary", chromedp.ByQuery), chromedp.Text("#secret", &key, chromedp.ByQuery))
	code, err := totp.GenerateCode(strings.ReplaceAll(strings.TrimSpace(key), " ", ""), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	w.do("type the code", chromedp.SendKeys("#code", code))
	w.press("main form button.primary")
	w.expect("the app", "The authenticator app is set up")

	w.press(".who form button")
	w.do("sign in", chromedp.SendKeys("#email", "ada@example.com"), chromedp.SendKeys("#password", password))
	w.press("main form button.primary")
	w.expect("after the password", "One more step")
	w.do("a recovery code", chromedp.SendKeys("#code", strings.Fields(codes)[3]))
	w.press(`form[action="/admin/sign-in/code"] button`)
	w.expect("signed in with a recovery code", "Today", "9 are left")

	file, err := os.ReadFile(b.settings["BURSAR_DB"] + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	for _, clear := range []string{strings.ReplaceAll(strings.TrimSpace(key), " ", ""), strings.ReplaceAll(strings.Fields(codes)[0], "-", ""), password} {
		if strings.Contains(string(file), clear) {
			t.Errorf("the file holds %q in clear", clear)
		}
	}

	for _, email := range []string{"ada@example.com", "eve@example.com"} {
		b.must("user", "add", "--role", "owner", email)
	}
	mails := b.must("mail")
	for _, want := range []string{"a passkey was added", "an authenticator app was set up", "a recovery code was used for your account; 9 are left",
		"a new sign-in link was made for your account", "somebody was invited to be an owner: eve@example.com"} {
		if !strings.Contains(mails, want) {
			t.Errorf("no mail says that %s:\n%s", want, mails)
		}
	}
}
