package queue

import (
	"errors"
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// Pulse is a sign of life of something that goes round and round. The zero value has not begun.
type Pulse struct{ at atomic.Int64 }

// Mark says that it is alive now.
func (b *Pulse) Mark() { b.at.Store(time.Now().UnixMilli()) }

// At is when it was last alive; zero if it has not begun.
func (b *Pulse) At() time.Time {
	if ms := b.at.Load(); ms != 0 {
		return time.UnixMilli(ms)
	}
	return time.Time{}
}

// Call is one kind of attempt: which system a job talked to, and what came of it.
type Call struct{ System, Outcome string }

// Outcomes of a call. What failed on our side says nothing about the system.
const (
	CallDone         = "done"
	CallUnavailable  = "unavailable"
	CallUnauthorized = "unauthorized"
	CallFailed       = "failed"
)

// calls counts the attempts of jobs that talk to a system.
type calls struct {
	mu sync.Mutex
	n  map[Call]int64
}

func (c *calls) count(system string, err error) {
	if system == "" {
		return
	}
	outcome := CallDone
	var sys *systemError
	switch {
	case errors.As(err, &sys) && sys.unauthorized:
		outcome = CallUnauthorized
	case errors.As(err, &sys):
		outcome = CallUnavailable
	case err != nil:
		outcome = CallFailed
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[Call]int64{}
	}
	c.n[Call{system, outcome}]++
}

// Calls are the attempts of jobs that talk to a system, counted since this process began.
func (w *Worker) Calls() map[Call]int64 {
	w.calls.mu.Lock()
	defer w.calls.mu.Unlock()
	return maps.Clone(w.calls.n)
}

// KindsOf are the kinds of jobs that talk to a system.
func (w *Worker) KindsOf(system string) (kinds []string) {
	for kind, h := range w.handlers {
		if h.System == system {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}
