package auth

import (
	"context"

	"bursar/app/db"
)

// AddUserIn is AddUser in a transaction of its own.
func AddUserIn(ctx context.Context, d *db.DB, email string, role Role, url string) (link string, err error) {
	err = d.Tx(ctx, func(q *db.Queries) error {
		made, err := AddUser(ctx, q, email, role, url)
		link = made.Link
		return err
	})
	return link, err
}

// Occupy takes every place where a password can be hashed.
func (g *Gate) Occupy() (release func()) {
	for range hashesAtOnce {
		g.hashing <- struct{}{}
	}
	return func() {
		for range hashesAtOnce {
			g.leave()
		}
	}
}

// DummyHash is what an unknown user's password is compared with.
const DummyHash = dummyHash

// Sum lets a test forge a row of the audit as well as somebody can who has read this code.
func Sum(row db.Audit) []byte { return sum(row) }
