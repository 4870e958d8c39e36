package auth_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"bursar/app/auth"
	"bursar/app/db"
	"bursar/app/db/dbtest"
)

func newDB(t *testing.T) *db.DB {
	t.Helper()
	d := dbtest.New(t)
	return d
}

// query reads one row of the file beside the program, as somebody who stole it would.
func query(t *testing.T, d *db.DB, text string, into ...any) {
	t.Helper()
	raw, err := sql.Open("sqlite", d.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if err := raw.QueryRow(text).Scan(into...); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

func TestAddUser(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, email string
		role        auth.Role
		want        error
	}{
		{"an owner", "ada@example.com", auth.Owner, nil},
		{"the same again, in other letters", "Eve@Example.com", auth.Support, nil},
		{"the same in another role", "eve@example.com", auth.Owner, auth.ErrExists},
		{"no address", "eve", auth.Owner, auth.ErrInvalid},
		{"an address with a name", "Eve <eve@example.com>", auth.Owner, auth.ErrInvalid},
		{"an address with a line break", "eve@example.com\r\nBcc: x@example.com", auth.Owner, auth.ErrInvalid},
		{"nothing", "", auth.Owner, auth.ErrInvalid},
		{"a role that is none", "bob@example.com", "admin", auth.ErrInvalid},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			d := newDB(t)
			if _, err := auth.AddUserIn(t.Context(), d, "eve@example.com", auth.Support, "https://b.example"); err != nil {
				t.Fatal(err)
			}
			link, err := auth.AddUserIn(t.Context(), d, row.email, row.role, "https://b.example/")
			if !errors.Is(err, row.want) || (err == nil) != (link != "") {
				t.Errorf("link %q, error %v, want %v", link, err, row.want)
			}
		})
	}
}

func TestASignInLinkIsStoredAsAHashForTwoDays(t *testing.T) {
	t.Parallel()
	d := newDB(t)
	link, err := auth.AddUserIn(t.Context(), d, "ada@example.com", auth.Owner, "https://b.example/")
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(link)
	if err != nil || u.Scheme+"://"+u.Host+u.Path != "https://b.example/admin/sign-in" {
		t.Fatalf("the link is %s: %v", link, err)
	}
	token := u.Query().Get("token")
	if len(token) < 26 { // base32: 130 bits
		t.Errorf("the token has %d characters", len(token))
	}
	var stored []byte
	var created, expires, used int64
	query(t, d, "SELECT token_hash, created_at, expires_at, used_at FROM sign_in_links", &stored, &created, &expires, &used)
	if sum := sha256.Sum256([]byte(token)); !bytes.Equal(stored, sum[:]) {
		t.Error("what is stored is not the SHA-256 of the token")
	}
	if got := time.Duration(expires-created) * time.Millisecond; got < 48*time.Hour-time.Second || got > 48*time.Hour+time.Second || used != 0 {
		t.Errorf("it expires after %s, used %d", got, used)
	}
}

func TestAnAPIKeyIsShownOnce(t *testing.T) {
	t.Parallel()
	d := newDB(t)
	key, err := auth.AddAPIKey(t.Context(), d, "shop", auth.ScopeWrite, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^bsk_[a-z2-7]{32}$`).MatchString(key) {
		t.Errorf("the key is %s", key)
	}
	var prefix string
	var stored []byte
	query(t, d, "SELECT prefix, hash FROM api_keys", &prefix, &stored)
	if sum := sha256.Sum256([]byte(key)); !bytes.Equal(stored, sum[:]) || !strings.HasPrefix(key, prefix) || len(prefix) != 10 {
		t.Errorf("stored are %q and %x", prefix, stored)
	}
	if _, err := auth.AddAPIKey(t.Context(), d, "shop", auth.ScopeWrite, time.Time{}); !errors.Is(err, auth.ErrExists) {
		t.Errorf("the name again: %v", err)
	}
	var audited string
	query(t, d, "SELECT actor || ' ' || action || ' ' || target || ' ' || after FROM audit", &audited)
	if !strings.HasSuffix(audited, " on the command line apikeys.add API key 1 write") {
		t.Errorf("the audit has %q", audited)
	}
	for _, name := range []string{"", " shop", strings.Repeat("x", 101)} {
		if _, err := auth.AddAPIKey(t.Context(), d, name, auth.ScopeWrite, time.Time{}); !errors.Is(err, auth.ErrInvalid) {
			t.Errorf("the name %q: %v", name, err)
		}
	}
}

func TestCheckAPIKey(t *testing.T) {
	t.Parallel()
	d := newDB(t)
	key, err := auth.AddAPIKey(t.Context(), d, "shop", auth.ScopeWrite, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	last := byte('a')
	if key[len(key)-1] == last {
		last = 'b'
	}
	for _, row := range []struct {
		name, key string
		want      error
	}{
		{"the key", key, nil},
		{"no key", "", auth.ErrUnauthorized},
		{"its prefix", key[:10], auth.ErrUnauthorized},
		{"another last letter", key[:len(key)-1] + string(last), auth.ErrUnauthorized},
		{"in capitals", strings.ToUpper(key), auth.ErrUnauthorized},
		{"with a space", key + " ", auth.ErrUnauthorized},
		{"SQL", "bsk_' OR 1=1 --                     ", auth.ErrUnauthorized},
	} {
		got, err := auth.CheckAPIKey(t.Context(), d, row.key)
		if !errors.Is(err, row.want) || (err == nil) != (got.Name == "shop") {
			t.Errorf("%s: %q, %v, want %v", row.name, got.Name, err, row.want)
		}
	}
}

func TestRequirement57AKeyThatExpiredOrWasRevokedIsLikeNone(t *testing.T) {
	t.Parallel()
	d := newDB(t)
	add := func(name string, expires time.Time) string {
		t.Helper()
		key, err := auth.AddAPIKey(t.Context(), d, name, auth.ScopeRead, expires)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	revoke := func(id int64) {
		t.Helper()
		err := d.Tx(t.Context(), func(q *db.Queries) error {
			_, err := auth.RevokeAPIKey(t.Context(), q, id)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	good, expired, revoked := add("good", time.Now().Add(time.Hour)), add("expired", time.Now().Add(-time.Millisecond)), add("shop", time.Time{})
	for range 2 { // pressed twice
		revoke(3)
	}
	again := add("shop", time.Time{}) // the name is free, as it must be to change a key that leaked
	for _, row := range []struct {
		name, key, state string
		want             error
	}{
		{"good", good, "active", nil}, {"expired", expired, "expired", auth.ErrUnauthorized},
		{"revoked", revoked, "revoked", auth.ErrUnauthorized}, {"the new one of that name", again, "active", nil},
	} {
		got, err := auth.CheckAPIKey(t.Context(), d, row.key)
		if !errors.Is(err, row.want) || err == nil && got.Scope != "read" || err != nil && got.ID != 0 {
			t.Errorf("%s: %+v, %v", row.name, got, err)
		}
	}
	list, err := d.Read().ListAPIKeys(t.Context())
	if err != nil || len(list) != 4 || auth.KeyState(list[0]) != "expired" || auth.KeyState(list[1]) != "active" || auth.KeyState(list[3]) != "revoked" {
		t.Errorf("the list is %+v, %v", list, err)
	}
	err = d.Tx(t.Context(), func(q *db.Queries) error {
		_, err := auth.RevokeAPIKey(t.Context(), q, 99)
		return err
	})
	if !errors.Is(err, db.ErrNoRows) {
		t.Errorf("one that is not there: %v", err)
	}
}

func TestTheLastUseIsWrittenOnceAnHour(t *testing.T) {
	t.Parallel()
	d := newDB(t)
	key, err := auth.AddAPIKey(t.Context(), d, "shop", auth.ScopeWrite, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	use := func() time.Time {
		t.Helper()
		row, err := auth.CheckAPIKey(context.Background(), d, key)
		if err != nil {
			t.Fatal(err)
		}
		return row.LastUsedAt.Time
	}
	set := func(at time.Time) {
		t.Helper()
		row, err := auth.CheckAPIKey(context.Background(), d, key)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Tx(t.Context(), func(q *db.Queries) error { return q.TouchAPIKey(t.Context(), db.At(at), row.ID) }); err != nil {
			t.Fatal(err)
		}
	}
	if first := use(); time.Since(first) > time.Minute {
		t.Errorf("the first use was at %s", first)
	}
	recent := time.Now().Add(-59 * time.Minute).Truncate(time.Millisecond)
	set(recent)
	if got := use(); !got.Equal(recent) {
		t.Errorf("a use within the hour was written: %s", got)
	}
	set(time.Now().Add(-61 * time.Minute))
	if got := use(); time.Since(got) > time.Minute {
		t.Errorf("a use after the hour was not written: %s", got)
	}
}

func TestAProgramMayReadWhileNothingCanBeWritten(t *testing.T) {
	t.Parallel()
	d := newDB(t)
	key, err := auth.AddAPIKey(t.Context(), d, "shop", auth.ScopeWrite, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Read().APIKeyByHash(t.Context(), nil, db.Now()); !errors.Is(err, db.ErrNoRows) { // the connection that reads is open
		t.Fatal(err)
	}
	if err := os.Rename(d.Path(), d.Path()+".away"); err != nil {
		t.Fatal(err)
	}
	if row, err := auth.CheckAPIKey(t.Context(), d, key); err != nil || row.Name != "shop" {
		t.Errorf("the key gives %q, %v", row.Name, err)
	}
}
