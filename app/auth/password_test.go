package auth_test

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bursar/app/auth"
	"bursar/app/db"
)

// What a cheap argon2id makes of the password: what is stored says its own cost.
const (
	password     = "three green bicycles"
	passwordHash = "$argon2id$v=19$m=64,t=1,p=1$c2FsdCBmb3IgdGVzdGluZw$bI7F19PHXLxDu8jo/BkgiD+4+lort+f8cKRbHDKAxJs"
)

// addUser adds somebody with the password.
func addUser(t *testing.T, d *db.DB, email string, role auth.Role) (user db.User) {
	t.Helper()
	link, err := auth.AddUserIn(t.Context(), d, email, role, "https://b.example")
	check(t, err)
	_, token, _ := strings.Cut(link, "token=")
	check(t, d.Tx(t.Context(), func(q *db.Queries) error {
		used, err := auth.UseLink(t.Context(), q, token, "", passwordHash)
		user = used.User
		return err
	}))
	return user
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const home = "https://bursar.example.com"

func newGate(t testing.TB) *auth.Gate {
	t.Helper()
	key, err := auth.NewKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	g, err := auth.NewGate(key, home)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestWhichPasswordsAreTaken(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	for _, row := range []struct {
		name, password string
		ok             bool
	}{
		{"three words", "three green bicycles", true},
		{"one kind of character is enough", "kzvtqwmpldhx", true},
		{"twelve characters that are more bytes", "äöüßéèêñçåøæ", true},
		{"eleven characters", "kzvtqwmpldh", false},
		{"six characters of two bytes each", "äöüßéè", false},
		{"nothing", "", false},
		{"a common one", "password1234", false},
		{"a common one in capitals", "QWERTYUIOP12", false},
		{"the name of the program", "bursarbursar", false},
		{"the e-mail address", "ada@example.COM", false},
		{"a common word with decoration", "Password2026!!", false},
		{"letters written as digits", "P@ssw0rd!2027", false},
		{"a common word twice", "Welcome-welcome", false},
		{"two common words and a year", "SummerOffice2026", false},
		{"the season, the company", "Example.Summer26", false},
		{"who they are", "ada-2026-ada-2026", false},
		{"one character", "zzzzzzzzzzzzzz", false},
		{"a piece over and over", "x9kx9kx9kx9k", false},
		{"neighbours on the keyboard", "qwertyuiopasdf", false},
		{"neighbours in pieces", "abcdef123456", false},
		{"a telephone number", "+49 151 2345678", false},
		{"two dates", "24121987-01022003", true},
		{"a common word among others", "my password is a horse", true},
		{"a common word that is a part of another", "passengerpigeon", true},
		{"a book", strings.Repeat("x", 1025), false},
	} {
		hash, err := g.HashPassword(t.Context(), "Ada@Example.com", row.password)
		if row.ok != (err == nil) || !row.ok && (!errors.Is(err, auth.ErrInvalid) || hash != "") {
			t.Errorf("%s: %q, %v", row.name, hash, err)
		}
	}
}

func TestAPasswordIsStoredAsArgon2id(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$`)
	g := newGate(t)
	one, err := g.HashPassword(t.Context(), "ada@example.com", password)
	check(t, err)
	two, err := g.HashPassword(t.Context(), "ada@example.com", password)
	check(t, err)
	if !form.MatchString(one) || one == two {
		t.Errorf("twice the same password is stored as %s and %s", one, two)
	}
	d := newDB(t)
	ada := addUser(t, d, "ada@example.com", auth.Owner)
	check(t, d.Tx(t.Context(), func(q *db.Queries) error { return q.SetUserPassword(t.Context(), one, ada.ID) }))
	if got := guess(t, g, d, "ada@example.com", password, here); got != "right" {
		t.Errorf("it is %s afterwards", got)
	}
	if !form.MatchString(auth.DummyHash) {
		t.Errorf("an unknown user costs %s", auth.DummyHash)
	}
}

func TestCheckPassword(t *testing.T) {
	t.Parallel()
	d := newDB(t)
	addUser(t, d, "ada@example.com", auth.Owner)
	gone := addUser(t, d, "gone@example.com", auth.Support)
	check(t, d.Tx(t.Context(), func(q *db.Queries) error { _, err := auth.Disable(t.Context(), q, gone.ID); return err }))
	_, err := auth.AddUserIn(t.Context(), d, "invited@example.com", auth.Support, "https://b.example")
	check(t, err)
	for _, row := range []struct {
		name, email, password string
		want                  error
	}{
		{"right", "ada@example.com", password, nil},
		{"the address in other letters", "Ada@Example.COM", password, nil},
		{"wrong password", "ada@example.com", password + "!", auth.ErrWrong},
		{"the password in capitals", "ada@example.com", strings.ToUpper(password), auth.ErrWrong},
		{"no password", "ada@example.com", "", auth.ErrWrong},
		{"unknown", "eve@example.com", password, auth.ErrWrong},
		{"disabled", "gone@example.com", password, auth.ErrWrong},
		{"no password chosen yet", "invited@example.com", "", auth.ErrWrong},
		{"SQL", "' OR 1=1 --", password, auth.ErrWrong},
		{"an address of 60 kB", strings.Repeat("x", 60_000), password, auth.ErrWrong},
	} {
		user, err := newGate(t).CheckPassword(t.Context(), d.Read(), row.email, row.password, "203.0.113.7")
		if !errors.Is(err, row.want) || (err == nil) != (user.Email == "ada@example.com") {
			t.Errorf("%s: %q, %v, want %v", row.name, user.Email, err, row.want)
		}
	}
}

// Whoever is unknown waits for a place to hash like everybody else: the same work is done for them.
func TestAnUnknownUserCostsAsMuchAsAKnownOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDB(t)
		addUser(t, d, "ada@example.com", auth.Owner)
		_, err := auth.AddUserIn(t.Context(), d, "invited@example.com", auth.Support, "https://b.example")
		check(t, err)
		g := newGate(t)
		release := g.Occupy()
		for _, email := range []string{"ada@example.com", "invited@example.com", "unknown@example.com"} {
			begun := time.Now()
			_, err := g.CheckPassword(t.Context(), d.Read(), email, password, "203.0.113.7")
			if !errors.Is(err, auth.ErrBusy) || time.Since(begun) != 5*time.Second {
				t.Errorf("%s: %v after %s", email, err, time.Since(begun))
			}
		}
		release()
		if _, err := g.CheckPassword(t.Context(), d.Read(), "ada@example.com", password, "203.0.113.7"); err != nil {
			t.Errorf("when there is a place again: %v", err)
		}
	})
}

func TestWhoLeavesDoesNotWaitForAPlace(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	defer g.Occupy()()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.HashPassword(ctx, "ada@example.com", password); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
}

const here, elsewhere = "203.0.113.7", "198.51.100.9"

// guess tries a password and says whether it was wrong, right or not looked at.
func guess(t *testing.T, g *auth.Gate, d *db.DB, email, password, address string) string {
	t.Helper()
	_, err := g.CheckPassword(t.Context(), d.Read(), email, password, address)
	switch {
	case err == nil:
		return "right"
	case errors.Is(err, auth.ErrWrong):
		return "wrong"
	case errors.Is(err, auth.ErrTooMany):
		return "too many"
	}
	t.Fatal(err)
	return ""
}

func TestFiveWrongPasswordsInAMinuteAreEnough(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, g := newDB(t), newGate(t)
		addUser(t, d, "ada@example.com", auth.Owner)
		for range 5 {
			if got := guess(t, g, d, "ada@example.com", "wrong", here); got != "wrong" {
				t.Fatalf("one of the first five is %s", got)
			}
			time.Sleep(11 * time.Second) // the fifth is 44 s after the first
		}
		for _, row := range []struct{ name, email, password, address, want string }{
			{"the sixth", "ada@example.com", "wrong", here, "too many"},
			{"the right one comes too late", "ada@example.com", password, here, "too many"},
			{"the address in other letters is the same account", "ADA@example.com", password, here, "too many"},
			{"the right one from elsewhere", "ada@example.com", password, elsewhere, "right"},
			{"another account from here", "eve@example.com", password, here, "wrong"},
		} {
			if got := guess(t, g, d, row.email, row.password, row.address); got != row.want {
				t.Errorf("%s: %s, want %s", row.name, got, row.want)
			}
		}
		time.Sleep(5 * time.Second) // a minute after the first
		if got := guess(t, g, d, "ada@example.com", password, here); got != "right" {
			t.Errorf("a minute after the first wrong one: %s", got)
		}
	})
}

func TestTwentyWrongPasswordsFromOneAddressAreEnough(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, address, neighbour, stranger string }{
		{"IPv4", "203.0.113.7", "203.0.113.7", "203.0.113.8"},
		{"IPv6, where one household has a /64", "2001:db8:0:1::7", "2001:db8:0:1:ffff::9", "2001:db8:0:2::7"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			d, g := newDB(t), newGate(t)
			addUser(t, d, "ada@example.com", auth.Owner)
			for i := range 20 {
				if _, err := g.FindLink(t.Context(), d.Read(), "guess", row.address); !errors.Is(err, auth.ErrLink) {
					t.Fatalf("link %d: %v", i, err)
				}
			}
			if got := guess(t, g, d, "ada@example.com", password, row.neighbour); got != "too many" {
				t.Errorf("the 21st, a right one, is %s", got)
			}
			if _, err := g.FindLink(t.Context(), d.Read(), "guess", row.neighbour); !errors.Is(err, auth.ErrTooMany) {
				t.Errorf("another link: %v", err)
			}
			if got := guess(t, g, d, "ada@example.com", password, row.stranger); got != "right" {
				t.Errorf("a right one from elsewhere is %s", got)
			}
		})
	}
}

func TestGuessingAtOnceIsNoWayAroundTheLimit(t *testing.T) {
	t.Parallel()
	d, g := newDB(t), newGate(t)
	results := make(chan error, 30)
	var all sync.WaitGroup
	for range cap(results) {
		all.Go(func() {
			_, err := g.CheckPassword(t.Context(), d.Read(), "ada@example.com", "wrong", here)
			results <- err
		})
	}
	all.Wait()
	close(results)
	looked := 0
	for err := range results {
		if !errors.Is(err, auth.ErrTooMany) {
			looked++
		}
	}
	if looked != 5 {
		t.Errorf("%d of 30 at once were looked at, want 5", looked)
	}
}

func TestRightPasswordsAreNotCounted(t *testing.T) {
	t.Parallel()
	d, g := newDB(t), newGate(t)
	addUser(t, d, "ada@example.com", auth.Owner)
	for i := range 7 {
		if got := guess(t, g, d, "ada@example.com", password, here); got != "right" {
			t.Errorf("sign-in %d is %s", i+1, got)
		}
	}
}
