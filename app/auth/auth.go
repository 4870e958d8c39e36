// Package auth says who may come in: people, by a link that signs them in once, and programs, by an API
// key. Of both secrets only a SHA-256 is stored, which is enough for random ones and useless to a thief.
package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"time"

	"bursar/app/db"
)

// Role is what a user may do.
type Role string

// The roles.
const (
	Owner   Role = "owner"
	Finance Role = "finance"
	Support Role = "support"
)

// Errors that the operator or a caller can mend. They are wrapped with what to do.
var (
	ErrInvalid      = errors.New("not valid")
	ErrExists       = errors.New("there is one already")
	ErrUnauthorized = errors.New("the API key is not known")
)

// linkLifetime is how long a sign-in link may be used.
const linkLifetime = 48 * time.Hour

// AddUser makes a user and returns a link below url that signs them in once within 48 hours. For a user
// who is there already in the same role it makes another link; with another role it is ErrExists.
func AddUser(ctx context.Context, d *db.DB, email string, role Role, url string) (link string, err error) {
	address, err := mail.ParseAddress(email)
	if err != nil || address.Address != email {
		return "", fmt.Errorf("add user: the e-mail address %q is %w; give it bare, like ada@example.com", email, ErrInvalid)
	}
	switch role {
	case Owner, Finance, Support:
	default:
		return "", fmt.Errorf("add user %s: the role %q is %w; the roles are %s, %s and %s", email, role, ErrInvalid, Owner, Finance, Support)
	}
	token := rand.Text()
	err = d.Tx(ctx, func(q *db.Queries) error {
		id, err := findOrInsert(ctx, q, email, role)
		if err != nil {
			return err
		}
		return q.InsertSignInLink(ctx, db.InsertSignInLinkParams{TokenHash: hash(token), UserID: db.ID(id),
			CreatedAt: db.Now(), ExpiresAt: db.At(time.Now().Add(linkLifetime))})
	})
	if err != nil {
		return "", fmt.Errorf("add user %s: %w", email, err)
	}
	return strings.TrimRight(url, "/") + "/admin/sign-in?token=" + token, nil
}

func findOrInsert(ctx context.Context, q *db.Queries, email string, role Role) (int64, error) {
	user, err := q.UserByEmail(ctx, email)
	if errors.Is(err, db.ErrNoRows) {
		return q.InsertUser(ctx, email, string(role), db.Now())
	}
	if err == nil && user.Role != string(role) {
		return 0, fmt.Errorf("%w, with the role %s; ask for that role to get a new link, a role is not changed this way", ErrExists, user.Role)
	}
	return user.ID, err
}

const (
	keyStart     = "bsk_"
	keyRandom    = 20 // bytes, 32 characters
	keyLength    = len(keyStart) + keyRandom*8/5
	prefixLength = len(keyStart) + 6 // shown in lists, to recognise a key by
	maxKeyName   = 100
	touchEvery   = time.Hour
)

// AddAPIKey makes an API key and returns it; it cannot be read again. ErrExists if the name is taken.
func AddAPIKey(ctx context.Context, d *db.DB, name string) (key string, err error) {
	if strings.TrimSpace(name) != name || name == "" || len(name) > maxKeyName {
		return "", fmt.Errorf("add API key: the name %q is %w; say in up to %d characters which program it is for", name, ErrInvalid, maxKeyName)
	}
	random := make([]byte, keyRandom)
	rand.Read(random) // never fails: https://pkg.go.dev/crypto/rand#Read
	key = keyStart + strings.ToLower(base32.StdEncoding.EncodeToString(random))
	err = d.Tx(ctx, func(q *db.Queries) error {
		n, err := q.InsertAPIKey(ctx, db.InsertAPIKeyParams{Name: name, Prefix: key[:prefixLength], Hash: hash(key), CreatedAt: db.Now()})
		if err == nil && n == 0 {
			err = fmt.Errorf("%w; a key is shown once, so choose another name", ErrExists)
		}
		return err
	})
	if err != nil {
		return "", fmt.Errorf("add API key %q: %w", name, err)
	}
	return key, nil
}

// CheckAPIKey gives the stored row of a key, or ErrUnauthorized. The time of its last use is kept to
// the hour.
func CheckAPIKey(ctx context.Context, d *db.DB, key string) (db.ApiKey, error) {
	if len(key) != keyLength || !strings.HasPrefix(key, keyStart) {
		return db.ApiKey{}, ErrUnauthorized
	}
	row, err := d.Read().APIKeyByHash(ctx, hash(key))
	if errors.Is(err, db.ErrNoRows) {
		return db.ApiKey{}, ErrUnauthorized
	}
	if err != nil {
		return db.ApiKey{}, fmt.Errorf("look up an API key: %w", err)
	}
	if time.Since(row.LastUsedAt.Time) < touchEvery {
		return row, nil
	}
	// A full disk is no reason to refuse a program that only reads: a failed write is left for the next use.
	if d.Tx(ctx, func(q *db.Queries) error { return q.TouchAPIKey(ctx, db.Now(), row.ID) }) == nil {
		row.LastUsedAt = db.Now()
	}
	return row, nil
}

func hash(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}
