package demo

import (
	"context"
	"errors"
	"time"
)

const (
	firstDeed = 4 * time.Second // so that a page that was just opened moves
	deedEvery = 20 * time.Second
	deedRange = 20 * time.Second // at most so much later
)

// Live lets somebody do something small every half minute or so, until ctx ends, and tells of it.
func (c *Company) Live(ctx context.Context, tell func(Deed)) error {
	for wait := firstDeed; ; wait = deedEvery + c.random(deedRange) {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		deed, err := c.something()
		if errors.Is(err, ErrNobody) {
			continue
		}
		if err != nil {
			return err
		}
		tell(deed)
	}
}

func (c *Company) random(most time.Duration) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Duration(c.rng.Int64N(int64(most)))
}

// something is mostly a purchase: what needs a person is left to the buttons.
func (c *Company) something() (Deed, error) {
	switch n := c.random(10); {
	case n < 7:
		return c.Buy()
	case n < 9:
		return c.Upgrade()
	default:
		return c.CancelLater()
	}
}
