package auth

import "bursar/app/db"

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
