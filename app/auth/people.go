package auth

import (
	"context"
	"fmt"

	"bursar/app/db"
)

// SetRole gives a user another role and signs them out everywhere. It returns the user as they were, and
// db.ErrNoRows if there is none. ErrLastOwner if nobody else could do what owners do.
func SetRole(ctx context.Context, q *db.Queries, id int64, role Role) (before db.User, err error) {
	if err := checkRole(role); err != nil {
		return before, err
	}
	before, err = q.UserByID(ctx, id)
	if err != nil {
		return before, fmt.Errorf("read user %d: %w", id, err)
	}
	if role != Owner {
		if err := checkLastOwner(ctx, q, before); err != nil {
			return before, err
		}
	}
	if err := q.SetUserRole(ctx, string(role), id); err != nil {
		return before, fmt.Errorf("set the role of user %d: %w", id, err)
	}
	return before, EndSessions(ctx, q, id)
}

// Disable keeps a user out, at once and until Enable. Errors are those of SetRole.
func Disable(ctx context.Context, q *db.Queries, id int64) (db.User, error) {
	user, err := q.UserByID(ctx, id)
	if err != nil {
		return user, fmt.Errorf("read user %d: %w", id, err)
	}
	if err := checkLastOwner(ctx, q, user); err != nil {
		return user, err
	}
	if err := q.SetUserDisabled(ctx, db.Now(), id); err != nil {
		return user, fmt.Errorf("disable user %d: %w", id, err)
	}
	if err := q.DeleteUnusedLinks(ctx, db.ID(id)); err != nil {
		return user, fmt.Errorf("drop the links of user %d: %w", id, err)
	}
	return user, EndSessions(ctx, q, id)
}

// Enable lets a user in again, with the password they had. db.ErrNoRows if there is none.
func Enable(ctx context.Context, q *db.Queries, id int64) (db.User, error) {
	user, err := q.UserByID(ctx, id)
	if err != nil {
		return user, fmt.Errorf("read user %d: %w", id, err)
	}
	if err := q.SetUserDisabled(ctx, db.Time{}, id); err != nil {
		return user, fmt.Errorf("enable user %d: %w", id, err)
	}
	return user, nil
}

// checkLastOwner counts in the transaction of the change: two owners who demote each other at once come
// one after the other.
func checkLastOwner(ctx context.Context, q *db.Queries, user db.User) error {
	if user.Role != string(Owner) {
		return nil
	}
	n, err := q.CountOtherOwners(ctx, user.ID)
	if err != nil {
		return fmt.Errorf("count the owners: %w", err)
	}
	if n == 0 {
		return ErrLastOwner
	}
	return nil
}

// EndSessions signs a user out everywhere.
func EndSessions(ctx context.Context, q *db.Queries, id int64) error {
	if err := q.DeleteSessionsOf(ctx, id); err != nil {
		return fmt.Errorf("end the sessions of user %d: %w", id, err)
	}
	return nil
}
