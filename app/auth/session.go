package auth

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"bursar/app/db"
)

const (
	sessionLifetime = 7 * 24 * time.Hour
	sessionIdle     = 8 * time.Hour
	seenEvery       = time.Minute
)

// Origin is where a session began, as its owner recognises it.
type Origin struct {
	Address string
	Browser string // what it calls itself
}

// StartSession signs in a user as CheckPassword or UseLink gave it, and returns the token of the new
// session. ErrWrong if the user was disabled or got another password in the meantime.
func StartSession(ctx context.Context, q *db.Queries, user db.User, from Origin) (token string, err error) {
	now := time.Now()
	if err := q.DeleteOldSessions(ctx, db.At(now.Add(-sessionLifetime)), db.At(now.Add(-sessionIdle))); err != nil {
		return "", fmt.Errorf("drop old sessions: %w", err)
	}
	current, err := q.UserByID(ctx, user.ID)
	if err != nil {
		return "", fmt.Errorf("start a session of user %d: %w", user.ID, err)
	}
	if current.PasswordHash == "" || current.PasswordHash != user.PasswordHash || !current.DisabledAt.IsZero() {
		return "", ErrWrong
	}
	token = rand.Text()
	err = q.InsertSession(ctx, db.InsertSessionParams{TokenHash: hash(token), UserID: user.ID, Address: from.Address, Browser: from.Browser,
		CreatedAt: db.At(now), SeenAt: db.At(now), ConfirmedAt: db.At(now)})
	if err != nil {
		return "", fmt.Errorf("start a session of user %d: %w", user.ID, err)
	}
	return token, nil
}

// Session gives who is signed in with a token, or ErrNoSession: after 8 hours without a request, after 7
// days, or when the user was disabled. That somebody was here is kept to the minute.
func Session(ctx context.Context, d *db.DB, token string) (User, error) {
	if token == "" {
		return User{}, ErrNoSession
	}
	row, err := d.Read().SessionByHash(ctx, hash(token))
	if errors.Is(err, db.ErrNoRows) {
		return User{}, ErrNoSession
	}
	if err != nil {
		return User{}, fmt.Errorf("look up a session: %w", err)
	}
	idle := time.Since(row.SeenAt.Time)
	if idle >= sessionIdle || time.Since(row.CreatedAt.Time) >= sessionLifetime {
		return User{}, ErrNoSession
	}
	if idle >= seenEvery {
		// Who only looks may do so on a full disk too: a failed write is left for the next request.
		_ = d.Tx(ctx, func(q *db.Queries) error { return q.TouchSession(ctx, db.Now(), hash(token)) })
	}
	return User{row.ID, row.Email, Role(row.Role), row.ConfirmedAt.Time, row.SecondFactor > 0}, nil
}

// ConfirmSession notes that the owner of a session has just proved who they are, and gives it another
// token: what somebody may have read of the one before opens nothing of what follows. ErrNoSession if it
// has ended.
func ConfirmSession(ctx context.Context, q *db.Queries, token string) (renewed string, err error) {
	renewed = rand.Text()
	n, err := q.RenewSession(ctx, hash(renewed), db.Now(), hash(token))
	if err != nil {
		return "", fmt.Errorf("renew a session: %w", err)
	}
	if n == 0 {
		return "", ErrNoSession
	}
	return renewed, nil
}

// SessionsOf lists where a user is signed in, the latest first.
func SessionsOf(ctx context.Context, q *db.Queries, user int64) ([]db.Session, error) {
	now := time.Now()
	list, err := q.SessionsOf(ctx, user, db.At(now.Add(-sessionIdle)), db.At(now.Add(-sessionLifetime)))
	if err != nil {
		return nil, fmt.Errorf("list the sessions of user %d: %w", user, err)
	}
	return list, nil
}

// IsSession says whether a session is the one of a token.
func IsSession(s db.Session, token string) bool { return bytes.Equal(s.TokenHash, hash(token)) }

// EndOtherSessions signs a user out everywhere but in the session of a token.
func EndOtherSessions(ctx context.Context, q *db.Queries, user int64, token string) error {
	if err := q.DeleteOtherSessions(ctx, user, hash(token)); err != nil {
		return fmt.Errorf("end the other sessions of user %d: %w", user, err)
	}
	return nil
}

// KeepSession is EndOtherSessions, and gives the one that stays another token: after a change of what a
// user signs in with, nothing that was taken before opens anything.
func KeepSession(ctx context.Context, q *db.Queries, user int64, token string) (renewed string, err error) {
	if err := EndOtherSessions(ctx, q, user, token); err != nil {
		return "", err
	}
	return ConfirmSession(ctx, q, token)
}

// EndSession signs out. The token opens nothing afterwards.
func EndSession(ctx context.Context, q *db.Queries, token string) error {
	if err := q.DeleteSession(ctx, hash(token)); err != nil {
		return fmt.Errorf("end a session: %w", err)
	}
	return nil
}
