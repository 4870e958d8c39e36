package demo

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// FaultKind is a way in which an API call goes wrong.
type FaultKind int

// The faults. After RateLimited, ServerError, Hang and Forbidden nothing was done; after Empty, Drop,
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
	Forbidden             // 403, as for a restricted key without the permission
	Endless               // a list that says there is more, and begins again at its first page
)

// APIFault makes the next Count (at least 1) calls whose path begins with Path (and whose
// method is Method, if set) go wrong.
type APIFault struct {
	Method     string
	Path       string
	Kind       FaultKind
	RetryAfter time.Duration // for RateLimited; whole seconds, at least 1
	Later      bool          // only pages of a list after the first
	Count      int
}

// Fail arranges a fault. Faults that were arranged earlier come first.
func (s *Stripe) Fail(f APIFault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.Count = max(f.Count, 1)
	s.faults = append(s.faults, &f)
}

// Mend takes away the faults that have not happened yet.
func (s *Stripe) Mend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// Pages makes every list give at most n of what it lists at a time; 0 is as many as the caller asks for.
func (s *Stripe) Pages(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pageSize = n
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
		if f.Count > 0 && strings.HasPrefix(r.URL.Path, f.Path) && (f.Method == "" || f.Method == r.Method) &&
			(!f.Later || r.URL.Query().Has("starting_after")) {
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
