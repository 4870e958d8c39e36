package customer

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"bursar/app/db"
)

// Kinds of names that a person who was erased is still known by, as hashes.
const (
	StripeName = "stripe" // cus_…
	UserName   = "user"   // the product's own id
	ObjectName = "object" // an invoice, charge, payment …
	EmailName  = "email"
)

// metaErasedKey is the row of meta with the key of the hashes. It keeps somebody who has the hashes alone from trying
// out e-mail addresses.
const metaErasedKey = "erased_key"

// ErasedAt says when a person was erased who is known by one of ids; the zero time if none was. It costs one look-up as
// long as nobody was erased.
func ErasedAt(ctx context.Context, q *db.Queries, kind string, ids ...string) (time.Time, error) {
	key, err := q.Meta(ctx, metaErasedKey)
	if errors.Is(err, db.ErrNoRows) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("look whether somebody was erased: %w", err)
	}
	for _, id := range ids {
		if id == "" {
			continue
		}
		at, err := q.ErasedAt(ctx, nameHash(key, kind, id))
		if err == nil {
			return at.Time, nil
		}
		if !errors.Is(err, db.ErrNoRows) {
			return time.Time{}, fmt.Errorf("look whether somebody was erased: %w", err)
		}
	}
	return time.Time{}, nil
}

// MarkErased keeps the hashes of ids, so that their data is not taken in again.
func MarkErased(ctx context.Context, q *db.Queries, kind string, ids ...string) error {
	if err := q.SetMeta(ctx, metaErasedKey, rand.Text()); err != nil { // the first value stays
		return fmt.Errorf("make the key of the erased: %w", err)
	}
	key, err := q.Meta(ctx, metaErasedKey)
	if err != nil {
		return fmt.Errorf("read the key of the erased: %w", err)
	}
	for _, id := range ids {
		if id == "" {
			continue
		}
		if err := q.InsertErased(ctx, nameHash(key, kind, id), db.Now()); err != nil {
			return fmt.Errorf("remember that somebody was erased: %w", err)
		}
	}
	return nil
}

// Readmit forgets that somebody known by id was erased, and says whether they were.
func Readmit(ctx context.Context, q *db.Queries, id string) (bool, error) {
	key, err := q.Meta(ctx, metaErasedKey)
	if errors.Is(err, db.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read the key of the erased: %w", err)
	}
	known := int64(0)
	for _, kind := range []string{StripeName, UserName, EmailName} {
		n, err := q.DeleteErased(ctx, nameHash(key, kind, id))
		if err != nil {
			return false, fmt.Errorf("forget that somebody was erased: %w", err)
		}
		known += n
	}
	return known > 0, nil
}

func nameHash(key, kind, id string) []byte {
	if kind == EmailName {
		id = strings.ToLower(strings.TrimSpace(id))
	}
	h := hmac.New(sha256.New, []byte(key))
	h.Write([]byte(kind + ":" + id))
	return h.Sum(nil)
}
