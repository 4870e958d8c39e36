package auth

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
