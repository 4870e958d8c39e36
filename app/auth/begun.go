package auth

import (
	"crypto/rand"
	"sync"
	"time"
)

const (
	begunLifetime = 5 * time.Minute
	maxBegun      = 10_000
)

// begun keeps what people are in the middle of, in memory and for five minutes; whoever takes longer, or
// meets a restart, begins again. The zero value is ready.
type begun[T any] struct {
	mu    sync.Mutex
	items map[string]item[T] // by hash of the token
}

type item[T any] struct {
	value T
	ends  time.Time
}

// put keeps a value and gives the token for it. ErrBusy if strangers have filled the memory.
func (b *begun[T]) put(value T) (token string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if len(b.items) >= maxBegun {
		for key, i := range b.items {
			if !now.Before(i.ends) {
				delete(b.items, key)
			}
		}
	}
	if len(b.items) >= maxBegun {
		return "", ErrBusy
	}
	if b.items == nil {
		b.items = map[string]item[T]{}
	}
	token = rand.Text()
	b.items[string(hash(token))] = item[T]{value, now.Add(begunLifetime)}
	return token, nil
}

func (b *begun[T]) get(token string) (T, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i, ok := b.items[string(hash(token))]
	if !ok || !time.Now().Before(i.ends) {
		var none T
		return none, false
	}
	return i.value, true
}

// take gives a value once.
func (b *begun[T]) take(token string) (T, bool) {
	value, ok := b.get(token)
	b.mu.Lock()
	defer b.mu.Unlock()
	key := string(hash(token))
	if _, still := b.items[key]; !still { // somebody was faster
		ok = false
	}
	delete(b.items, key)
	return value, ok
}
