package auth_test

import (
	"context"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pquerna/otp/totp"

	"bursar/app/auth"
	"bursar/app/db"
)

// addApp sets up an authenticator app, and gives its secret and the recovery codes. The next code is of the
// next half minute.
func addApp(t *testing.T, g *auth.Gate, d *db.DB, user db.User) (secret string, codes []string) {
	t.Helper()
	offer := g.NewTOTP(auth.User{ID: user.ID, Email: user.Email})
	check(t, d.Tx(t.Context(), func(q *db.Queries) (err error) {
		codes, err = g.AddTOTP(t.Context(), q, user.ID, offer, codeAt(t, offer.Secret, time.Now()), here)
		return err
	}))
	return offer.Secret, codes
}

func codeAt(t *testing.T, secret string, at time.Time) string {
	t.Helper()
	code, err := totp.GenerateCode(secret, at)
	check(t, err)
	return code
}

// code gives a second factor, as "right", "recovery", "wrong", "too many" or "sealed".
func code(t *testing.T, g *auth.Gate, d *db.DB, user db.User, text, address string) (said string) {
	t.Helper()
	var recovery bool
	err := d.Tx(t.Context(), func(q *db.Queries) (err error) {
		recovery, err = g.CheckCode(t.Context(), q, user.ID, text, address)
		return err
	})
	switch {
	case errors.Is(err, auth.ErrCode):
		return "wrong"
	case errors.Is(err, auth.ErrTooMany):
		return "too many"
	case errors.Is(err, auth.ErrSealed):
		return "sealed"
	}
	check(t, err)
	if recovery {
		return "recovery"
	}
	return "right"
}

func TestCodesOfAnApp(t *testing.T) {
	t.Parallel()
	const step = 30 * time.Second
	for _, row := range []struct {
		name string
		of   time.Duration // the time the code is of, after the moment of use
		want string
	}{
		{"18: the present one", 0, "right"},
		{"18: a clock that is half a minute slow", -step, "right"},
		{"18: a clock that is half a minute fast", step, "right"},
		{"18: a minute old", -2 * step, "wrong"},
		{"18: of the next minute", 2 * step, "wrong"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g, d := newGate(t), newDB(t)
				ada := addUser(t, d, "ada@example.com", auth.Owner)
				secret, _ := addApp(t, g, d, ada)
				time.Sleep(10 * time.Minute)
				if got := code(t, g, d, ada, codeAt(t, secret, time.Now().Add(row.of)), here); got != row.want {
					t.Errorf("it is %s, want %s", got, row.want)
				}
			})
		})
	}
}

func TestACodeWorksOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, d := newGate(t), newDB(t)
		ada := addUser(t, d, "ada@example.com", auth.Owner)
		secret, codes := addApp(t, g, d, ada)
		begun := time.Now()
		for _, row := range []struct {
			name string
			code string
			want string
		}{
			{"18: the code that set it up", codeAt(t, secret, begun), "wrong"},
			{"18: a later one", codeAt(t, secret, begun.Add(30*time.Second)), "right"},
			{"18: the same again", codeAt(t, secret, begun.Add(30*time.Second)), "wrong"},
			{"18: one from before", codeAt(t, secret, begun.Add(-30*time.Second)), "wrong"},
			{"19: a recovery code", codes[0], "recovery"},
			{"19: the same again", codes[0], "wrong"},
			{"19: another, as people type it", " " + strings.ToLower(strings.ReplaceAll(codes[9], "-", " ")), "recovery"},
			{"19: one nobody has", "AAAA-BBBB-CCCC-DDDD", "wrong"},
			{"nothing", "", "too many"}, // five wrong ones were before
		} {
			if got := code(t, g, d, ada, row.code, here); got != row.want {
				t.Errorf("%s: %s, want %s", row.name, got, row.want)
			}
		}
		factors, err := auth.FactorsOf(t.Context(), d.Read(), ada.ID)
		if want := (auth.Factors{App: true, Codes: 8}); err != nil || factors != want {
			t.Errorf("they have %+v, %v, want %+v", factors, err, want)
		}
	})
}

func TestRecoveryCodesAreHashedAndShownOnce(t *testing.T) {
	t.Parallel()
	g, d := newGate(t), newDB(t)
	ada, eve := addUser(t, d, "ada@example.com", auth.Owner), addUser(t, d, "eve@example.com", auth.Support)
	_, codes := addApp(t, g, d, ada)
	if len(codes) != 10 || len(codes[0]) != 19 {
		t.Fatalf("the codes are %q", codes)
	}
	if got := code(t, g, d, eve, codes[0], here); got != "wrong" {
		t.Errorf("19: somebody else's code is %s", got)
	}
	var fresh []string
	check(t, d.Tx(t.Context(), func(q *db.Queries) (err error) {
		fresh, err = auth.NewRecoveryCodes(t.Context(), q, ada.ID)
		return err
	}))
	if got := code(t, g, d, ada, codes[0], here); got != "wrong" {
		t.Errorf("19: a code from before new ones were made is %s", got)
	}
	var stored string
	query(t, d, "SELECT group_concat(hex(code_hash) || CAST(code_hash AS TEXT)) FROM recovery_codes", &stored)
	for _, c := range fresh {
		if strings.Contains(stored, strings.ReplaceAll(c, "-", "")) {
			t.Errorf("19: %s is stored in clear", c)
		}
	}
	check(t, d.Tx(t.Context(), func(q *db.Queries) error { return auth.DropTOTP(t.Context(), q, ada.ID) }))
	if got := code(t, g, d, ada, fresh[0], here); got != "wrong" {
		t.Errorf("19: a code without anything that it stands in for is %s", got)
	}
}

func TestGuessingCodes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, d := newGate(t), newDB(t)
		ada := addUser(t, d, "ada@example.com", auth.Owner)
		secret, codes := addApp(t, g, d, ada)
		time.Sleep(time.Minute)
		for range 5 {
			code(t, g, d, ada, "000000", here)
		}
		if got := code(t, g, d, ada, codeAt(t, secret, time.Now()), here); got != "too many" {
			t.Errorf("18: the sixth try is %s", got)
		}
		if got := code(t, g, d, ada, codeAt(t, secret, time.Now()), elsewhere); got != "right" {
			t.Errorf("17: the owner elsewhere is %s", got)
		}
		for i := range 50 {
			code(t, g, d, ada, "000000", "198.51.100."+string(rune('0'+i%10))+string(rune('0'+i/10)))
		}
		time.Sleep(30 * time.Second)
		if got := code(t, g, d, ada, codeAt(t, secret, time.Now()), "192.0.2.1"); got != "too many" {
			t.Errorf("18: one of a thousand addresses is %s", got)
		}
		if got := code(t, g, d, ada, codes[0], "192.0.2.1"); got != "recovery" {
			t.Errorf("17: the owner's recovery code meanwhile is %s", got)
		}
		time.Sleep(time.Minute)
		if got := code(t, g, d, ada, codeAt(t, secret, time.Now()), here); got != "right" {
			t.Errorf("18: a minute later it is %s", got)
		}
	})
}

func TestSecretsOfAppsAreSealed(t *testing.T) {
	t.Parallel()
	g, d := newGate(t), newDB(t)
	ada, eve := addUser(t, d, "ada@example.com", auth.Owner), addUser(t, d, "eve@example.com", auth.Owner)
	secret, codes := addApp(t, g, d, ada)
	var stored string
	query(t, d, "SELECT hex(secret) || CAST(secret AS TEXT) FROM totp", &stored)
	if strings.Contains(stored, secret) || len(stored) < 100 {
		t.Errorf("52: stored is %q", stored)
	}
	var n int
	query(t, d, "INSERT INTO totp (user_id, secret, last_step, created_at) SELECT 2, secret, 0, 0 FROM totp RETURNING 1", &n)
	if got := code(t, g, d, eve, codeAt(t, secret, time.Now()), here); got != "sealed" {
		t.Errorf("52: a secret copied to another user is %s", got)
	}
	restored := newGate(t) // with another key
	if got := code(t, restored, d, ada, codeAt(t, secret, time.Now()), here); got != "sealed" {
		t.Errorf("52: after a restore without the key a code is %s", got)
	}
	if got := code(t, restored, d, ada, codes[1], here); got != "recovery" {
		t.Errorf("52: after a restore without the key a recovery code is %s", got)
	}
	if _, err := restored.OfferedTOTP(auth.User{ID: ada.ID}, g.NewTOTP(auth.User{ID: eve.ID}).Sealed); !errors.Is(err, auth.ErrSealed) {
		t.Errorf("an offer to somebody else: %v", err)
	}
}

func TestTheKeyFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bursar.db.key")
	one, err := auth.LoadKey(path)
	check(t, err)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %v, %v", info.Mode(), err)
	}
	two, err := auth.LoadKey(path)
	check(t, err)
	if got, err := two.Open(one.Seal("hello", "a"), "a"); got != "hello" || err != nil {
		t.Errorf("the second time it opens %q, %v", got, err)
	}
	if _, err := two.Open(one.Seal("hello", "a"), "b"); !errors.Is(err, auth.ErrSealed) {
		t.Errorf("for another purpose: %v", err)
	}
	check(t, os.Chmod(path, 0o644))
	if _, err := auth.LoadKey(path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("67: a file that others can read: %v", err)
	}
	for name, text := range map[string]string{"no base64": "hello!", "too short": "aGVsbG8=", "nothing": ""} {
		if _, err := auth.ParseKey(text); err == nil || text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := auth.ParseKey(base64.StdEncoding.EncodeToString(make([]byte, 32))); err != nil {
		t.Error(err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("besides it are left %v, %v", entries, err)
	}
}

func TestALinkAndSecondFactors(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		link func(ctx context.Context, d *db.DB) (string, error)
		any  bool // they are still there
	}{
		{"made by an owner", func(ctx context.Context, d *db.DB) (link string, err error) {
			err = d.Tx(ctx, func(q *db.Queries) error {
				made, err := auth.Invite(ctx, q, "ada@example.com", auth.Owner, home)
				link = made.Link
				return err
			})
			return link, err
		}, true},
		{"by mail", func(ctx context.Context, d *db.DB) (link string, err error) {
			err = d.Tx(ctx, func(q *db.Queries) error {
				_, token, err := auth.NewReset(ctx, q, "ada@example.com")
				link = auth.LinkURL(home, token)
				return err
			})
			return link, err
		}, true},
		{"made on the server", func(ctx context.Context, d *db.DB) (string, error) {
			return auth.AddUserIn(ctx, d, "ada@example.com", auth.Owner, home)
		}, false},
	} {
		g, d := newGate(t), newDB(t)
		ada := addUser(t, d, "ada@example.com", auth.Owner)
		addApp(t, g, d, ada)
		link, err := row.link(t.Context(), d)
		check(t, err)
		_, err = use(t, d, link, "")
		check(t, err)
		if factors, err := auth.FactorsOf(t.Context(), d.Read(), ada.ID); err != nil || factors.Any() != row.any || (factors.Codes > 0) != row.any {
			t.Errorf("%s: they have %+v, %v", row.name, factors, err)
		}
	}
}

func TestPasswordResets(t *testing.T) {
	t.Parallel()
	reset := func(t *testing.T, d *db.DB, email string) (token string, err error) {
		err = d.Tx(t.Context(), func(q *db.Queries) (err error) {
			_, token, err = auth.NewReset(t.Context(), q, email)
			return err
		})
		return token, err
	}
	synctest.Test(t, func(t *testing.T) {
		d := newDB(t)
		ada := addUser(t, d, "ada@example.com", auth.Owner)
		gone := addUser(t, d, "gone@example.com", auth.Support)
		check(t, d.Tx(t.Context(), func(q *db.Queries) error { _, err := auth.Disable(t.Context(), q, gone.ID); return err }))
		invited, err := auth.AddUserIn(t.Context(), d, "invited@example.com", auth.Support, home)
		check(t, err)
		for _, email := range []string{"nobody@example.com", "gone@example.com", "invited@example.com"} {
			if token, err := reset(t, d, email); !errors.Is(err, auth.ErrLink) || token != "" {
				t.Errorf("23: %s gets %q, %v", email, token, err)
			}
		}
		if _, err := use(t, d, invited, ""); err != nil {
			t.Errorf("23: the invitation that somebody wanted reset: %v", err)
		}
		session := startSession(t, d, ada)
		first, err := reset(t, d, "ADA@example.com")
		check(t, err)
		if _, err := reset(t, d, "ada@example.com"); !errors.Is(err, auth.ErrLink) {
			t.Errorf("23: another one at once: %v", err)
		}
		time.Sleep(11 * time.Minute)
		second, err := reset(t, d, "ada@example.com")
		check(t, err)
		if _, err := use(t, d, "?token="+first, ""); !errors.Is(err, auth.ErrLink) {
			t.Errorf("23: the one before: %v", err)
		}
		time.Sleep(30*time.Minute - time.Second)
		if !isSignedIn(t, d, session) {
			t.Error("23: asking for a mail ends sessions")
		}
		if _, err := use(t, d, "?token="+second, ""); err != nil {
			t.Errorf("23: after almost 30 minutes: %v", err)
		}
		if isSignedIn(t, d, session) {
			t.Error("23: the session from before goes on")
		}
		if _, err := use(t, d, "?token="+second, ""); !errors.Is(err, auth.ErrLink) {
			t.Errorf("23: the link again: %v", err)
		}
		third, err := reset(t, d, "ada@example.com")
		check(t, err)
		time.Sleep(30 * time.Minute)
		if _, err := use(t, d, "?token="+third, ""); !errors.Is(err, auth.ErrLink) {
			t.Errorf("23: after 30 minutes: %v", err)
		}
		var stored string
		query(t, d, "SELECT group_concat(CAST(token_hash AS TEXT)) FROM sign_in_links", &stored)
		if strings.Contains(stored, third) {
			t.Error("23: the token is stored in clear")
		}
	})
}

func TestAPasskeyIsOfANameAndNotOfANumber(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]bool{"https://bursar.example.com": true, "http://localhost:8080": true, "http://127.0.0.1:8080": false, "http://[::1]:8080": false} {
		g, err := auth.NewGate(auth.Key{}, url)
		if err != nil || g.Passkeys() != want {
			t.Errorf("%s: %t, %v", url, g.Passkeys(), err)
		}
	}
}

func TestAPasskeyThatIsNone(t *testing.T) {
	t.Parallel()
	g, d := newGate(t), newDB(t)
	_, token, err := g.BeginPasskeyProof(here)
	check(t, err)
	prove := func(token, answer string) error {
		return d.Tx(t.Context(), func(q *db.Queries) error {
			_, err := g.CheckPasskey(t.Context(), q, token, []byte(answer))
			return err
		})
	}
	for _, row := range []struct{ name, token, answer string }{
		{"a question nobody asked", "ABC", "{}"},
		{"an answer that is none", token, `{"id":"AAAA","rawId":"AAAA","type":"public-key","response":{}}`},
		{"the question again", token, "{}"},
	} {
		if err := prove(row.token, row.answer); !errors.Is(err, auth.ErrPasskey) {
			t.Errorf("%s: %v", row.name, err)
		}
	}
	for range 40 {
		_, _, err = g.BeginPasskeyProof(here)
	}
	if !errors.Is(err, auth.ErrTooMany) {
		t.Errorf("who asks all the time: %v", err)
	}
}

func TestWhatIsBegunEndsAfterFiveMinutes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate(t)
		token, err := g.BeginStep(db.User{ID: 7})
		check(t, err)
		time.Sleep(5*time.Minute - time.Second)
		if user, ok := g.Step(token); !ok || user.ID != 7 {
			t.Errorf("just in time: %+v, %t", user, ok)
		}
		time.Sleep(time.Second)
		if _, ok := g.Step(token); ok {
			t.Error("after five minutes it goes on")
		}
		other, err := g.BeginStep(db.User{ID: 8})
		check(t, err)
		g.EndStep(other)
		if _, ok := g.Step(other); ok {
			t.Error("it goes on after its end")
		}
	})
}
