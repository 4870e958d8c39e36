package auth_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bursar/app/auth"
	"bursar/app/db"
)

func startSession(t *testing.T, d *db.DB, user db.User) (token string) {
	t.Helper()
	check(t, d.Tx(t.Context(), func(q *db.Queries) (err error) {
		token, err = auth.StartSession(t.Context(), q, user, auth.Origin{Address: here})
		return err
	}))
	return token
}

func isSignedIn(t *testing.T, d *db.DB, token string) bool {
	t.Helper()
	user, err := auth.Session(t.Context(), d, token)
	if err != nil && !errors.Is(err, auth.ErrNoSession) {
		t.Fatal(err)
	}
	return err == nil && user.ID > 0
}

func TestASessionIsStoredAsAHash(t *testing.T) {
	t.Parallel()
	d := newDB(t)
	ada := addUser(t, d, "ada@example.com", auth.Finance)
	token := startSession(t, d, ada)
	if len(token) < 26 { // base32: 130 bits
		t.Errorf("the token has %d characters", len(token))
	}
	user, err := auth.Session(t.Context(), d, token)
	if err != nil || user.ID != ada.ID || user.Email != "ada@example.com" || user.Role != auth.Finance || user.SecondFactor {
		t.Errorf("signed in is %+v, %v", user, err)
	}
	var stored string
	query(t, d, "SELECT group_concat(hex(token_hash)) FROM sessions", &stored)
	if strings.Contains(stored, token) || len(stored) != 64 {
		t.Errorf("stored is %s", stored)
	}
	for name, wrong := range map[string]string{"nothing": "", "another token": "A" + token, "the hash, from a stolen file": stored} {
		if isSignedIn(t, d, wrong) {
			t.Errorf("%s opens the session", name)
		}
	}
}

func TestHowLongASessionLasts(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		gap  time.Duration // between requests
		last time.Duration // of the request in question
		want bool
	}{
		{"a look just in time", 0, 8*time.Hour - time.Second, true},
		{"eight hours of nothing", 0, 8 * time.Hour, false},
		{"a look every seven hours", 7 * time.Hour, 7*24*time.Hour - time.Second, true},
		{"seven days", 7 * time.Hour, 7 * 24 * time.Hour, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := newDB(t)
				token, begun := startSession(t, d, addUser(t, d, "ada@example.com", auth.Owner)), time.Now()
				for row.gap > 0 && time.Since(begun)+row.gap < row.last {
					time.Sleep(row.gap)
					if !isSignedIn(t, d, token) {
						t.Fatalf("signed out after %s", time.Since(begun))
					}
				}
				time.Sleep(row.last - time.Since(begun))
				if got := isSignedIn(t, d, token); got != row.want {
					t.Errorf("signed in after %s: %t", time.Since(begun), got)
				}
			})
		})
	}
}

func TestThatSomebodyWasHereIsWrittenOnceAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDB(t)
		token := startSession(t, d, addUser(t, d, "ada@example.com", auth.Owner))
		begun := time.Now().UnixMilli()
		for _, row := range []struct {
			wait time.Duration
			want int64 // seconds after the beginning
		}{{0, 0}, {59 * time.Second, 0}, {time.Second, 60}, {59 * time.Second, 60}, {time.Second, 120}} {
			time.Sleep(row.wait)
			isSignedIn(t, d, token)
			var seen int64
			query(t, d, "SELECT seen_at FROM sessions", &seen)
			if got := (seen - begun) / 1000; got != row.want {
				t.Errorf("%d s after the beginning, seen at %d s, want %d s", (time.Now().UnixMilli()-begun)/1000, got, row.want)
			}
		}
	})
}

func TestWhatEndsASession(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		do     func(t *testing.T, d *db.DB, q *db.Queries, user db.User, token string) error
		others bool // their other sessions end too
	}{
		{"signing out", func(t *testing.T, _ *db.DB, q *db.Queries, _ db.User, token string) error {
			return auth.EndSession(t.Context(), q, token)
		}, false},
		{"another role", func(t *testing.T, _ *db.DB, q *db.Queries, user db.User, _ string) error {
			_, err := auth.SetRole(t.Context(), q, user.ID, auth.Owner)
			return err
		}, true},
		{"being disabled", func(t *testing.T, _ *db.DB, q *db.Queries, user db.User, _ string) error {
			_, err := auth.Disable(t.Context(), q, user.ID)
			return err
		}, true},
		{"another password", func(t *testing.T, _ *db.DB, q *db.Queries, user db.User, _ string) error {
			made, err := auth.Invite(t.Context(), q, user.Email, auth.Role(user.Role), "https://b.example")
			if err != nil {
				return err
			}
			_, token, _ := strings.Cut(made.Link, "token=")
			_, err = auth.UseLink(t.Context(), q, token, "", "another hash")
			return err
		}, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			d := newDB(t)
			ada, eve := addUser(t, d, "ada@example.com", auth.Support), addUser(t, d, "eve@example.com", auth.Owner)
			this, other, hers := startSession(t, d, ada), startSession(t, d, ada), startSession(t, d, eve)
			check(t, d.Tx(t.Context(), func(q *db.Queries) error { return row.do(t, d, q, ada, this) }))
			if isSignedIn(t, d, this) {
				t.Error("the session goes on")
			}
			if isSignedIn(t, d, other) == row.others {
				t.Errorf("the same person elsewhere: signed in is %t", !row.others)
			}
			if !isSignedIn(t, d, hers) {
				t.Error("somebody else is signed out")
			}
		})
	}
}

func TestWhoWasDisabledMeanwhileGetsNoSession(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		sql  string
	}{
		{"disabled", "UPDATE users SET disabled_at = 1 RETURNING 1"},
		{"another password", "UPDATE users SET password_hash = 'another' RETURNING 1"},
		{"no password", "UPDATE users SET password_hash = '' RETURNING 1"},
	} {
		d := newDB(t)
		user := addUser(t, d, "ada@example.com", auth.Owner)
		var one int
		query(t, d, row.sql, &one)
		err := d.Tx(t.Context(), func(q *db.Queries) error {
			_, err := auth.StartSession(t.Context(), q, user, auth.Origin{Address: here})
			return err
		})
		if !errors.Is(err, auth.ErrWrong) {
			t.Errorf("%s: %v", row.name, err)
		}
	}
}

func TestWhoHasNoPasswordYetGetsNoSession(t *testing.T) {
	t.Parallel()
	d := newDB(t)
	_, err := auth.AddUserIn(t.Context(), d, "ada@example.com", auth.Owner, "https://b.example")
	check(t, err)
	user, err := d.Read().UserByEmail(t.Context(), "ada@example.com")
	check(t, err)
	err = d.Tx(t.Context(), func(q *db.Queries) error {
		_, err := auth.StartSession(t.Context(), q, user, auth.Origin{Address: here})
		return err
	})
	if !errors.Is(err, auth.ErrWrong) {
		t.Errorf("the error is %v", err)
	}
}

func TestOldSessionsAreDroppedAtTheNextSignIn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDB(t)
		ada := addUser(t, d, "ada@example.com", auth.Owner)
		startSession(t, d, ada)
		time.Sleep(4 * time.Hour)
		startSession(t, d, ada)
		time.Sleep(4 * time.Hour)
		startSession(t, d, ada)
		var n int
		query(t, d, "SELECT count(*) FROM sessions", &n)
		if n != 2 {
			t.Errorf("%d sessions are left, want 2", n)
		}
	})
}
