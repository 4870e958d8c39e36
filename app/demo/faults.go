package demo

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// FaultKind is a way in which an API call goes wrong.
type FaultKind int

// The faults. After RateLimited, ServerError and Hang nothing was done; after Empty, Drop,
// HalfBody and BrokenAfter the work was done and only the answer is lost.
const (
	noFault     FaultKind = iota
	RateLimited           // 429 with Retry-After
	ServerError           // 500, kept under the idempotency key as Stripe does
	Hang                  // no answer until the caller gives up
	Empty                 // 200 with {}
	Drop                  // the connection is cut
	HalfBody              // the connection is cut in the middle of the body
	BrokenAfter           // 500, kept under the idempotency key, although the work was done
)

// APIFault makes the next Count (at least 1) calls whose path begins with Path (and whose
// method is Method, if set) go wrong.
type APIFault struct {
	Method     string
	Path       string
	Kind       FaultKind
	RetryAfter time.Duration // for RateLimited; whole seconds, at least 1
	Count      int
}

// Fail arranges a fault. Faults that were arranged earlier come first.
func (s *Stripe) Fail(f APIFault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.Count = max(f.Count, 1)
	s.faults = append(s.faults, &f)
}

// Down cuts every connection to the API without doing anything, until Down(false).
func (s *Stripe) Down(is bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = is
}

// nextFault uses up one count of the first fault that matches.
func (s *Stripe) nextFault(r *http.Request) APIFault {
	for _, f := range s.faults {
		if f.Count > 0 && strings.HasPrefix(r.URL.Path, f.Path) && (f.Method == "" || f.Method == r.Method) {
			f.Count--
			return *f
		}
	}
	return APIFault{}
}

func (f APIFault) retryAfter() string {
	return strconv.Itoa(max(int(f.RetryAfter/time.Second), 1))
}

// write sends the answer the way the fault has it.
func (f APIFault) write(w http.ResponseWriter, r *http.Request, out reply) {
	switch f.Kind {
	case Hang:
		<-r.Context().Done()
		panic(http.ErrAbortHandler) // the caller has gone
	case Drop:
		panic(http.ErrAbortHandler) // net/http's way to cut the connection without an answer
	case HalfBody:
		out = out.with("Content-Length", strconv.Itoa(len(out.body)))
		out.body = out.body[:len(out.body)/2]
	case Empty:
		out.status, out.body = http.StatusOK, []byte("{}")
	}
	out.write(w)
}
