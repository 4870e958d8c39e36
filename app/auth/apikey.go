package auth

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
	"time"

	"bursar/app/db"
)

const (
	keyStart     = "bsk_"
	keyRandom    = 20 // bytes, 32 characters
	keyLength    = len(keyStart) + keyRandom*8/5
	prefixLength = len(keyStart) + 6 // shown in lists, to recognise a key by
	maxKeyName   = 100
	touchEvery   = time.Hour
)

// Scope is what a program may do with its API key.
type Scope string

// The scopes.
const (
	ScopeRead  Scope = "read"
	ScopeWrite Scope = "write" // and read
)

// May says whether a key of this scope may do what needs another.
func (s Scope) May(needed Scope) bool { return s == ScopeWrite || s == needed }

// AddAPIKey makes an API key and returns it; it cannot be read again. It opens nothing after expires,
// unless that is zero. ErrExists if the name is that of a key which is not revoked.
func AddAPIKey(ctx context.Context, d *db.DB, name string, scope Scope, expires time.Time) (key string, err error) {
	if strings.TrimSpace(name) != name || name == "" || len(name) > maxKeyName {
		return "", fmt.Errorf("add API key: the name %q is %w; say in up to %d characters which program it is for", name, ErrInvalid, maxKeyName)
	}
	random := make([]byte, keyRandom)
	rand.Read(random) // never fails: https://pkg.go.dev/crypto/rand#Read
	key = keyStart + strings.ToLower(base32.StdEncoding.EncodeToString(random))
	err = d.Tx(ctx, func(q *db.Queries) error {
		id, err := q.InsertAPIKey(ctx, db.InsertAPIKeyParams{Name: name, Prefix: key[:prefixLength], Hash: hash(key), Scope: string(scope),
			CreatedAt: db.Now(), ExpiresAt: db.At(expires)})
		if errors.Is(err, db.ErrNoRows) {
			return fmt.Errorf("%w; a key is shown once, so choose another name or revoke that one first", ErrExists)
		}
		if err != nil {
			return err
		}
		e := ByCommand("apikeys.add", KeyTarget(id), name)
		if e.After = string(scope); !expires.IsZero() {
			e.After += ", expires " + expires.UTC().Format(time.DateOnly)
		}
		return Audit(ctx, q, e)
	})
	if err != nil {
		return "", fmt.Errorf("add API key %q: %w", name, err)
	}
	return key, nil
}

// KeyTarget is what the audit calls an API key.
func KeyTarget(id int64) string { return fmt.Sprintf("API key %d", id) }

// CheckAPIKey gives the stored row of a key, or ErrUnauthorized, also of one that expired or was revoked.
// The time of its last use is kept to the hour.
func CheckAPIKey(ctx context.Context, d *db.DB, key string) (db.ApiKey, error) {
	if len(key) != keyLength || !strings.HasPrefix(key, keyStart) {
		return db.ApiKey{}, ErrUnauthorized
	}
	row, err := d.Read().APIKeyByHash(ctx, hash(key), db.Now())
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

// RevokeAPIKey ends a key, at once and for good, and returns it as it was. It writes no audit row. Nothing
// happens to one that is revoked already; db.ErrNoRows if there is none.
func RevokeAPIKey(ctx context.Context, q *db.Queries, id int64) (db.ApiKey, error) {
	row, err := q.APIKeyByID(ctx, id)
	if err == nil {
		_, err = q.RevokeAPIKey(ctx, db.Now(), id)
	}
	if err != nil {
		return row, fmt.Errorf("revoke API key %d: %w", id, err)
	}
	return row, nil
}

// KeyState is what a key is good for now, in a word: active, expired or revoked.
func KeyState(row db.ApiKey) string {
	switch {
	case !row.RevokedAt.IsZero():
		return "revoked"
	case !row.ExpiresAt.IsZero() && !time.Now().Before(row.ExpiresAt.Time):
		return "expired"
	}
	return "active"
}
