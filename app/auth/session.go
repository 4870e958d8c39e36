package auth

import (
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

// StartSession signs in a user as CheckPassword or UseLink gave it, and returns the token of the new
// session. ErrWrong if the user was disabled or got another password in the meantime.
func StartSession(ctx context.Context, q *db.Queries, user db.User) (token string, err error) {
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
	err = q.InsertSession(ctx, db.InsertSessionParams{TokenHash: hash(token), UserID: user.ID, CreatedAt: db.At(now), SeenAt: db.At(now)})
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
	return User{row.ID, row.Email, Role(row.Role)}, nil
}

// EndSession signs out. The token opens nothing afterwards.
func EndSession(ctx context.Context, q *db.Queries, token string) error {
	if err := q.DeleteSession(ctx, hash(token)); err != nil {
		return fmt.Errorf("end a session: %w", err)
	}
	return nil
}
