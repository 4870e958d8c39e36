package auth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base32"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"

	"bursar/app/db"
)

const (
	totpBytes = 20 // as RFC 4226, section 4 recommends
	totpStep  = 30 // seconds
)

// TOTP is an authenticator app that is being set up.
type TOTP struct {
	Secret string // base32, to type in
	URL    string // otpauth://…, to scan
	Sealed []byte // the secret for AddTOTP, which nobody but Bursar can read
}

// NewTOTP makes a secret for an authenticator app. Nothing is stored until AddTOTP.
func (g *Gate) NewTOTP(user User) TOTP {
	b := make([]byte, totpBytes)
	rand.Read(b) // never fails: https://pkg.go.dev/crypto/rand#Read
	secret := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b)
	return g.totp(user, secret)
}

func (g *Gate) totp(user User, secret string) TOTP {
	// https://github.com/google/google-authenticator/wiki/Key-Uri-Format
	u := url.URL{Scheme: "otpauth", Host: "totp", Path: "/Bursar:" + user.Email, RawQuery: "secret=" + secret + "&issuer=Bursar"}
	return TOTP{secret, u.String(), g.key.Seal(secret, totpOffer(user.ID))}
}

// OfferedTOTP gives back what NewTOTP made for a user, by what was sealed of it. ErrSealed if it is not theirs.
func (g *Gate) OfferedTOTP(user User, sealed []byte) (TOTP, error) {
	secret, err := g.key.Open(sealed, totpOffer(user.ID))
	if err != nil {
		return TOTP{}, err
	}
	return g.totp(user, secret), nil
}

func totpOffer(user int64) string  { return fmt.Sprintf("totp offered to user %d", user) }
func totpStored(user int64) string { return fmt.Sprintf("totp of user %d", user) }

// AddTOTP sets up an authenticator app with its first code. codes are recovery codes, if the user had none.
// ErrCode if the code is wrong, ErrExists if there is an app already.
func (g *Gate) AddTOTP(ctx context.Context, q *db.Queries, user int64, offered TOTP, code, address string) (codes []string, err error) {
	try, ok := g.tries.begin(byCode(user, address), byAddress(address))
	if !ok {
		return nil, ErrTooMany
	}
	step, ok := matchTOTP(offered.Secret, code)
	if !ok {
		return nil, ErrCode
	}
	g.tries.forgive(try)
	n, err := q.InsertTOTP(ctx, db.InsertTOTPParams{UserID: user, Secret: g.key.Seal(offered.Secret, totpStored(user)), LastStep: step, CreatedAt: db.Now()})
	if err != nil {
		return nil, fmt.Errorf("store the authenticator app of user %d: %w", user, err)
	}
	if n == 0 {
		return nil, ErrExists
	}
	return firstCodes(ctx, q, user)
}

// DropTOTP takes the authenticator app from a user. db.ErrNoRows if there is none.
func DropTOTP(ctx context.Context, q *db.Queries, user int64) error {
	n, err := q.DeleteTOTP(ctx, user)
	if err != nil {
		return fmt.Errorf("drop the authenticator app of user %d: %w", user, err)
	}
	if n == 0 {
		return db.ErrNoRows
	}
	return dropCodes(ctx, q, user)
}

// useTOTP checks a code of an app. None works twice, nor does one older than one that was used
// (RFC 6238, section 5.2).
func (g *Gate) useTOTP(ctx context.Context, q *db.Queries, user int64, code string) error {
	row, err := q.TOTPOf(ctx, user)
	if errors.Is(err, db.ErrNoRows) {
		return ErrCode
	}
	if err != nil {
		return fmt.Errorf("read the authenticator app of user %d: %w", user, err)
	}
	secret, err := g.key.Open(row.Secret, totpStored(user))
	if err != nil {
		return fmt.Errorf("the authenticator app of user %d: %w", user, err)
	}
	step, ok := matchTOTP(secret, code)
	if !ok {
		return ErrCode
	}
	n, err := q.UseTOTPStep(ctx, step, user)
	if err != nil {
		return fmt.Errorf("use a code of user %d: %w", user, err)
	}
	if n == 0 {
		return ErrCode
	}
	return nil
}

// matchTOTP gives the time step that a code is of: this one or, for clocks that differ a little, one of its
// neighbours.
func matchTOTP(secret, code string) (step int64, ok bool) {
	now := time.Now().Unix() / totpStep
	for step := now - 1; step <= now+1; step++ {
		want, err := hotp.GenerateCodeCustom(secret, uint64(step), hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if err == nil && subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 {
			return step, true
		}
	}
	return 0, false
}
