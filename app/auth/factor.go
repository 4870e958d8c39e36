package auth

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"bursar/app/db"
)

const (
	recoveryCodes = 10
	recoveryChars = 16 // of base32: 80 bits, too many to guess from the hash
)

// Factors are what somebody has besides a password.
type Factors struct {
	App      bool // an authenticator app
	Passkeys int
	Codes    int // recovery codes that were not used yet
}

// Any says that a password alone does not sign them in.
func (f Factors) Any() bool { return f.App || f.Passkeys > 0 }

// FactorsOf gives what a user has besides a password. db.ErrNoRows if there is no such user.
func FactorsOf(ctx context.Context, q *db.Queries, user int64) (Factors, error) {
	row, err := q.SecondFactors(ctx, user)
	if err != nil {
		return Factors{}, fmt.Errorf("read the second factors of user %d: %w", user, err)
	}
	return Factors{row.App > 0, int(row.Passkeys), int(row.Codes)}, nil
}

// BeginStep remembers for five minutes that somebody gave the right password, until they give what else is
// needed. The token is for their browser.
func (g *Gate) BeginStep(user db.User) (token string, err error) { return g.steps.put(user) }

// Step gives who is in the middle of signing in, for CheckCode and StartSession.
func (g *Gate) Step(token string) (db.User, bool) { return g.steps.get(token) }

// EndStep forgets it.
func (g *Gate) EndStep(token string) { g.steps.take(token) }

// CheckCode proves a second factor with a code of the authenticator app, or with a recovery code, and uses
// it up in the transaction of q. recovery says that it was one of the latter. ErrCode if it is wrong or was
// used before; ErrSealed if there is an app, but not the key to check it with; ErrTooMany after 5 wrong
// ones in a minute from this address.
//
// Codes of an app are short, and guessing them needs the right password first. So there is a limit for the
// account from everywhere as well; recovery codes and passkeys stay open to its owner meanwhile.
func (g *Gate) CheckCode(ctx context.Context, q *db.Queries, user int64, code, address string) (recovery bool, err error) {
	code = strings.ToUpper(strings.NewReplacer(" ", "", "-", "").Replace(code))
	recovery = len(code) == recoveryChars
	limits := []limit{byCode(user, address), byAddress(address)}
	if !recovery {
		limits = append(limits, byAllCodes(user))
	}
	try, ok := g.tries.begin(limits...)
	if !ok {
		return false, ErrTooMany
	}
	if recovery {
		err = useRecoveryCode(ctx, q, user, code)
	} else {
		err = g.useTOTP(ctx, q, user, code)
	}
	if !errors.Is(err, ErrCode) {
		g.tries.forgive(try)
	}
	return recovery, err
}

func useRecoveryCode(ctx context.Context, q *db.Queries, user int64, code string) error {
	n, err := q.UseRecoveryCode(ctx, db.Now(), hash(code), user)
	if err != nil {
		return fmt.Errorf("use a recovery code of user %d: %w", user, err)
	}
	if n == 0 {
		return ErrCode
	}
	return nil
}

// NewRecoveryCodes gives a user ten codes, each of which stands in once for a second factor that was lost.
// Those from before end. Nobody can read them again.
func NewRecoveryCodes(ctx context.Context, q *db.Queries, user int64) (codes []string, err error) {
	if err := q.DeleteRecoveryCodes(ctx, user); err != nil {
		return nil, fmt.Errorf("drop the recovery codes of user %d: %w", user, err)
	}
	for range recoveryCodes {
		code := rand.Text()[:recoveryChars]
		if err := q.InsertRecoveryCode(ctx, hash(code), user, db.Now()); err != nil {
			return nil, fmt.Errorf("store a recovery code of user %d: %w", user, err)
		}
		codes = append(codes, code[:4]+"-"+code[4:8]+"-"+code[8:12]+"-"+code[12:])
	}
	return codes, nil
}

// firstCodes gives recovery codes to who has none yet.
func firstCodes(ctx context.Context, q *db.Queries, user int64) ([]string, error) {
	factors, err := FactorsOf(ctx, q, user)
	if err != nil || factors.Codes > 0 {
		return nil, err
	}
	return NewRecoveryCodes(ctx, q, user)
}

// dropCodes drops recovery codes that no longer stand in for anything.
func dropCodes(ctx context.Context, q *db.Queries, user int64) error {
	factors, err := FactorsOf(ctx, q, user)
	if err != nil || factors.Any() {
		return err
	}
	if err := q.DeleteRecoveryCodes(ctx, user); err != nil {
		return fmt.Errorf("drop the recovery codes of user %d: %w", user, err)
	}
	return nil
}

// DropFactors takes everything but the password from a user, for who has lost it, and signs them out
// everywhere. db.ErrNoRows if there is no such user.
func DropFactors(ctx context.Context, q *db.Queries, user int64) (db.User, error) {
	before, err := q.UserByID(ctx, user)
	if err != nil {
		return before, fmt.Errorf("read user %d: %w", user, err)
	}
	if err := q.DeletePasskeysOf(ctx, user); err != nil {
		return before, fmt.Errorf("drop the passkeys of user %d: %w", user, err)
	}
	if _, err := q.DeleteTOTP(ctx, user); err != nil {
		return before, fmt.Errorf("drop the authenticator app of user %d: %w", user, err)
	}
	if err := dropCodes(ctx, q, user); err != nil {
		return before, err
	}
	return before, EndSessions(ctx, q, user)
}
