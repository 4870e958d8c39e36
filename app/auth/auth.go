// Package auth says who may come in: people, by a password and a session, and programs, by an API key. Of
// sessions, links and keys only a SHA-256 is stored, which is enough for random secrets and useless to a
// thief; passwords, which people choose, are stored as argon2id.
package auth

import (
	"crypto/sha256"
	"errors"
	"time"
)

// Role is what a user may do.
type Role string

// The roles.
const (
	Owner   Role = "owner"
	Finance Role = "finance"
	Support Role = "support"
)

// Roles are all roles, the most powerful first.
func Roles() []Role { return []Role{Owner, Finance, Support} }

// User is somebody who is signed in.
type User struct {
	ID           int64
	Email        string
	Role         Role
	ConfirmedAt  time.Time // when this session last proved that it is them
	SecondFactor bool      // they have a passkey or an authenticator app, without which nobody signs in as them
}

// confirmLifetime is how long a proof counts for what is done rarely and matters, like a refund.
const confirmLifetime = 10 * time.Minute

// Fresh says that this session proved in the last 10 minutes that it is them. A sign-in is a proof.
func (u User) Fresh() bool { return time.Since(u.ConfirmedAt) < confirmLifetime }

// Errors that the operator or a caller can mend. Those of links and users are wrapped with what to do.
var (
	ErrInvalid      = errors.New("not valid")
	ErrExists       = errors.New("there is one already")
	ErrUnauthorized = errors.New("the API key is not known")
	ErrWrong        = errors.New("the e-mail address or the password is wrong")
	ErrTooMany      = errors.New("too many tries")
	ErrBusy         = errors.New("too many people are signing in at once")
	ErrNoSession    = errors.New("nobody is signed in")
	ErrLink         = errors.New("the link was used already, has expired, or was replaced by a newer one")
	ErrCode         = errors.New("the code is wrong, or was used already")
	ErrPasskey      = errors.New("the passkey was not accepted")
	ErrLastOwner    = errors.New("the last owner who can sign in must stay one")
)

func hash(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}
