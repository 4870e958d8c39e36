package stripe

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"sync"
	"time"
)

const (
	namesKept = 24 * time.Hour // how long the name of a product is not asked for again
	maxNames  = 10_000         // how many are kept
)

// names are those of products, and when each was asked for. One that Stripe did not tell is "".
type names struct {
	mu    sync.Mutex
	known map[string]named
}

type named struct {
	name string
	at   time.Time
}

func (n *names) of(product string) (named, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	known, ok := n.known[product]
	return known, ok && time.Since(known.at) < namesKept
}

func (n *names) keep(products []string, told map[string]string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.known) > maxNames {
		clear(n.known)
	}
	for _, product := range products {
		n.known[product] = named{told[product], time.Now()}
	}
}

// readNames asks for the products by id: in a list of subscriptions they are five levels deep, and Stripe
// expands four. Deleted products, and those the key may not read, stay unnamed.
func (c *Client) readNames(ctx context.Context, s *State) error {
	var ask []string
	for _, subscription := range s.Subscriptions {
		_, known := c.names.of(subscription.Product)
		if subscription.Product != "" && (!known || s.Parts.Names) && !slices.Contains(ask, subscription.Product) {
			ask = append(ask, subscription.Product)
		}
	}
	for some := range slices.Chunk(ask, 100) {
		told, err := c.productNames(ctx, some)
		if err != nil && !errors.Is(err, ErrUnauthorized) {
			return err
		}
		c.names.keep(some, told)
	}
	for i := range s.Subscriptions {
		known, _ := c.names.of(s.Subscriptions[i].Product)
		s.Subscriptions[i].ProductName = known.name
	}
	return nil
}

func (c *Client) productNames(ctx context.Context, ids []string) (map[string]string, error) {
	products, err := pageOf[wireProduct](ctx, c, "/v1/products", url.Values{"ids[]": ids, "limit": {pageSize}}, "product")
	if err != nil {
		return nil, err
	}
	told := map[string]string{}
	for _, product := range products.Data {
		told[product.ID] = product.Name
	}
	return told, nil
}
