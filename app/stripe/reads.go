package stripe

import (
	"maps"
	"sync"
)

// reads counts requests by what they were for.
type reads struct {
	mu sync.Mutex
	n  map[string]int64
}

func (r *reads) add(purpose string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.n[purpose]++
}

// For returns a client whose requests are counted under a purpose. It shares everything else with c, the
// limit too.
func (c *Client) For(purpose string) *Client {
	other := *c
	other.purpose = purpose
	return &other
}

// TakeReads returns how many requests were made for each purpose since it was last called.
func (c *Client) TakeReads() map[string]int64 {
	c.reads.mu.Lock()
	defer c.reads.mu.Unlock()
	taken := maps.Clone(c.reads.n)
	clear(c.reads.n)
	return taken
}

// PutReads gives back what was taken and could not be stored.
func (c *Client) PutReads(taken map[string]int64) {
	c.reads.mu.Lock()
	defer c.reads.mu.Unlock()
	for purpose, n := range taken {
		c.reads.n[purpose] += n
	}
}
