package server

import (
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"
)

const (
	livePoll    = 500 * time.Millisecond // how often a stream looks whether something was stored
	liveEvery   = time.Second            // at most one "changed" in this time
	liveComment = 20 * time.Second       // proxies close a stream that says nothing for a minute
	liveTimeout = 10 * time.Second       // for a reader who takes nothing any more
)

// streams are the live pages. They end when the server stops, which waits for requests under way.
type streams struct {
	ended   chan struct{}
	endOnce *sync.Once
}

func newStreams() streams { return streams{make(chan struct{}), &sync.Once{}} }

func (s streams) end() { s.endOnce.Do(func() { close(s.ended) }) }

// live is a stream of server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html)
// that says "changed" when something was stored, and not what. The id of each is the number of commits, so
// that a page which comes back hears of what it missed.
func (s *Server) live(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would keep it back
	seen := s.DB.Commits()
	text := ": hello\n\n"
	if last := r.Header.Get("Last-Event-ID"); last != "" && last != strconv.FormatUint(seen, 10) {
		text = changed(seen)
	}
	tick := time.NewTicker(livePoll)
	defer tick.Stop()
	said, told := time.Now(), time.Now() // when anything, and when "changed" was said last
	for {
		if text != "" {
			if err := say(w, text); err != nil {
				return nil // the page was closed
			}
			said = time.Now()
		}
		select {
		case <-r.Context().Done():
			return nil
		case <-s.streams.ended:
			return nil
		case <-tick.C:
		}
		text = ""
		now, n := time.Now(), s.DB.Commits()
		switch {
		case n != seen && now.Sub(told) >= liveEvery:
			text, seen, told = changed(n), n, now
		case now.Sub(said) >= liveComment:
			text = ": still here\n\n"
		}
	}
}

func changed(commits uint64) string {
	return fmt.Sprintf("id: %d\nevent: changed\ndata: %d\n\n", commits, commits)
}

// say writes a part of a stream at once.
func say(w http.ResponseWriter, text string) error {
	control := http.NewResponseController(w)
	// Where no deadline can be set there is no connection that could hang.
	_ = control.SetWriteDeadline(time.Now().Add(liveTimeout))
	if _, err := w.Write([]byte(text)); err != nil {
		return err
	}
	return control.Flush()
}
