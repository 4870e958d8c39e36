package auth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-webauthn/webauthn/webauthn"
	"golang.org/x/crypto/argon2"

	"bursar/app/db"
)

// The cost of a password, as OWASP's Password Storage Cheat Sheet recommends for argon2id.
const (
	memoryKiB = 19456
	passes    = 2
	threads   = 1
	saltBytes = 16
	hashBytes = 32
)

const (
	minPassword = 12 // characters
	maxPassword = 1024
	// hashesAtOnce bounds memory and processors that strangers can make this machine spend.
	hashesAtOnce = 2
	hashPatience = 5 * time.Second
)

// dummyHash is what an unknown user's password is compared with: nobody knows one that fits.
const dummyHash = "$argon2id$v=19$m=19456,t=2,p=1$cm9vbSBmb3Igbm9ib2R5IQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// Gate checks passwords, codes, passkeys and links, a few at a time, and holds up who guesses.
type Gate struct {
	key        Key
	web        *webauthn.WebAuthn // nil: the public address is no name
	hashing    chan struct{}      // a token for each hash under way
	tries      tries
	steps      begun[db.User] // who gave the right password and not yet the rest
	ceremonies begun[webauthn.SessionData]
}

// NewGate makes the gate of a process. key seals the secrets of authenticator apps; passkeys are for url,
// the public address.
func NewGate(key Key, url string) (*Gate, error) {
	web, err := newWebAuthn(url)
	if err != nil {
		return nil, err
	}
	return &Gate{key: key, web: web, hashing: make(chan struct{}, hashesAtOnce)}, nil
}

// CheckPassword gives the user with an e-mail address and a password, for StartSession. It is ErrWrong
// with the same work for a wrong password, a user who is unknown, disabled or has no password yet; and
// ErrTooMany after 5 wrong tries in a minute for this account from this address, or 20 from the address.
func (g *Gate) CheckPassword(ctx context.Context, q *db.Queries, email, password, address string) (db.User, error) {
	try, ok := g.tries.begin(byAccount(email, address), byAddress(address))
	if !ok {
		return db.User{}, ErrTooMany
	}
	user, err := g.checkPassword(ctx, q, email, password)
	if !errors.Is(err, ErrWrong) {
		g.tries.forgive(try)
	}
	return user, err
}

func (g *Gate) checkPassword(ctx context.Context, q *db.Queries, email, password string) (db.User, error) {
	user, err := q.UserByEmail(ctx, email)
	if err != nil && !errors.Is(err, db.ErrNoRows) {
		return db.User{}, fmt.Errorf("look up who signs in: %w", err)
	}
	stored := user.PasswordHash
	if stored == "" || !user.DisabledAt.IsZero() {
		stored = dummyHash
	}
	if err := g.enter(ctx); err != nil {
		return db.User{}, err
	}
	defer g.leave()
	right, err := verify(stored, password)
	if err != nil {
		return db.User{}, fmt.Errorf("the password of user %d: %w", user.ID, err)
	}
	if !right {
		return db.User{}, ErrWrong
	}
	return user, nil
}

// HashPassword makes what is stored of a new password. ErrInvalid, wrapped with what to do, if it is too
// short, among the most common ones, or the user's own e-mail address.
func (g *Gate) HashPassword(ctx context.Context, email, password string) (string, error) {
	if err := checkPassword(email, password); err != nil {
		return "", err
	}
	if err := g.enter(ctx); err != nil {
		return "", err
	}
	defer g.leave()
	salt := make([]byte, saltBytes)
	rand.Read(salt) // never fails: https://pkg.go.dev/crypto/rand#Read
	sum := argon2.IDKey([]byte(password), salt, passes, memoryKiB, threads, hashBytes)
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, memoryKiB, passes, threads,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(sum)), nil
}

// checkPassword follows NIST SP 800-63B, 3.1.1.2: length counts, not the kinds of characters.
func checkPassword(email, password string) error {
	switch {
	case utf8.RuneCountInString(password) < minPassword:
		return fmt.Errorf("the password is %w: use at least %d characters; a few words in a row are fine", ErrInvalid, minPassword)
	case len(password) > maxPassword:
		return fmt.Errorf("the password is %w: it is longer than %d bytes", ErrInvalid, maxPassword)
	case strings.EqualFold(password, email):
		return fmt.Errorf("the password is %w: it is the e-mail address", ErrInvalid)
	case isCommon(password, email):
		return fmt.Errorf("the password is %w: it is one of the first that anybody would try", ErrInvalid)
	}
	return nil
}

func (g *Gate) enter(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, hashPatience, ErrBusy)
	defer cancel()
	select {
	case g.hashing <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (g *Gate) leave() { <-g.hashing }

// verify compares a password with what is stored, at the cost it was stored with.
func verify(stored, password string) (bool, error) {
	parts := strings.Split(stored, "$")
	if len(parts) != 6 || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return false, errors.New("what is stored is no argon2id hash")
	}
	var memory, time uint32
	var lanes uint8
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &memory, &time, &lanes); err != nil {
		return false, fmt.Errorf("read the cost: %w", err)
	}
	salt, err := base64.RawStdEncoding.DecodeString(parts[4])
	if err != nil {
		return false, fmt.Errorf("read the salt: %w", err)
	}
	want, err := base64.RawStdEncoding.DecodeString(parts[5])
	if err != nil {
		return false, fmt.Errorf("read the hash: %w", err)
	}
	got := argon2.IDKey([]byte(password), salt, time, memory, lanes, uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1, nil
}
