package app_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"bursar/app/demo"
)

// load are clients who post signed webhooks as Stripe does: each again until it is acknowledged, some once more.
type load struct {
	h       *house
	clients sync.WaitGroup
	calm    chan struct{} // closed: whoever has nothing left may go

	mu           sync.Mutex
	all          [][]byte // in the order in which they are sent
	released     int      // so many of them have happened
	sent         int
	acknowledged map[string]bool
	web          http.Client
	repeats      int
	unanswered   int
	fuse         int           // so many more acknowledgements
	burnt        chan struct{} // close this
}

func (h *house) startLoad(clients int) *load {
	l := &load{h: h, all: h.stripe.Events(), calm: make(chan struct{}), web: http.Client{Timeout: 10 * time.Second}, acknowledged: map[string]bool{}}
	rand.New(rand.NewPCG(5, 5)).Shuffle(len(l.all), func(i, j int) { l.all[i], l.all[j] = l.all[j], l.all[i] })
	for n := range clients {
		l.clients.Go(func() { l.client(rand.New(rand.NewPCG(6, uint64(n)))) })
	}
	h.t.Cleanup(l.clients.Wait)
	return l
}

// release lets one of so many parts of the events happen.
func (l *load) release(parts int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.released = min(l.released+len(l.all)/parts+1, len(l.all))
}

// client posts what is left, and in between what was posted already. It goes on with that until calm.
func (l *load) client(rng *rand.Rand) {
	var calm bool
	for !calm || l.open() {
		select {
		case <-l.calm:
			calm = true
		default:
		}
		body, fresh := l.next(rng)
		for !l.post(body, fresh) {
			select {
			case <-time.After(5 * time.Millisecond): // nobody is listening
			case <-l.h.t.Context().Done():
				return
			}
		}
	}
}

func (l *load) open() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sent < l.released
}

// next is the next event that was not sent yet, or one that was.
func (l *load) next(rng *rand.Rand) (body []byte, fresh bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sent == l.released || l.sent > 0 && rng.IntN(5) == 0 {
		return l.all[rng.IntN(max(l.sent, 1))], false
	}
	l.sent++
	return l.all[l.sent-1], true
}

// post sends an event once, and remembers whether it was acknowledged. An answer that is neither that nor "not now" is
// an error.
func (l *load) post(body []byte, fresh bool) bool {
	r, err := http.NewRequestWithContext(l.h.t.Context(), http.MethodPost, l.h.home+"/api/webhooks/stripe", bytes.NewReader(body))
	if err != nil {
		l.h.t.Error(err)
		return false
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Stripe-Signature", demo.Sign(body, time.Now(), secret))
	answer, err := l.web.Do(r)
	status := http.StatusServiceUnavailable
	if err == nil {
		answer.Body.Close()
		status = answer.StatusCode
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case status == http.StatusOK:
		l.acknowledged[eventID(body)] = true
		if !fresh {
			l.repeats++
		} else if l.fuse--; l.fuse == 0 {
			close(l.burnt)
		}
		return true
	case status != http.StatusServiceUnavailable:
		l.h.t.Errorf("a signed event is answered with %d", status)
	}
	l.unanswered++
	return false
}

func eventID(body []byte) string {
	var e struct{ ID string }
	_ = json.Unmarshal(body, &e) // an empty id is missed in the file
	return e.ID
}

// after is closed when so many more events were acknowledged.
func (l *load) after(n int) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fuse, l.burnt = n, make(chan struct{})
	return l.burnt
}

func (l *load) soFar() map[string]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.acknowledged)
}

// finish waits until every event is acknowledged, and returns their ids.
func (l *load) finish() map[string]bool {
	l.release(1)
	close(l.calm)
	l.clients.Wait()
	return l.acknowledged
}
