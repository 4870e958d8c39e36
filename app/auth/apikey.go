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
		if err != nil {
			return err
		}
		return Audit(ctx, q, ByCommand("apikeys.add", key[:prefixLength], name))
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
