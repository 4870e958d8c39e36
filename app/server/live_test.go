package server

import (
	"bufio"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bursar/app/auth"
	"bursar/app/db"
)

// reader is the page at the other end of a stream.
type reader struct {
	*httptest.ResponseRecorder
	mu    sync.Mutex
	lines []string
}

func (w *reader) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = append(w.lines, strings.Fields(string(b))...)
	return len(b), nil
}

// read gives how often it was told of a change, and of nothing, since the last time.
func (w *reader) read() (changes, comments int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, word := range w.lines {
		switch word {
		case "changed":
			changes++
		case ":":
			comments++
		}
	}
	w.lines = nil
	return changes, comments
}

func TestAStreamTellsOfChangesOnceASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		schema, err := os.ReadFile("../../schema.sql")
		check(t, err)
		d, err := db.Open(t.Context(), filepath.Join(t.TempDir(), "bursar.db"), string(schema))
		check(t, err)
		defer d.Close()
		s, err := New(Config{DB: d, Log: slog.New(slog.DiscardHandler)})
		check(t, err)
		write := func() {
			check(t, s.DB.Tx(t.Context(), func(q *db.Queries) error { return q.SetMeta(t.Context(), "x", "y") }))
		}
		ctx, cancel := context.WithCancel(t.Context())
		w := &reader{ResponseRecorder: httptest.NewRecorder()}
		ended := make(chan error)
		go func() { ended <- s.live(w, httptest.NewRequestWithContext(ctx, "GET", "/admin/live", nil)) }()
		expect := func(what string, after time.Duration, changes, comments int) {
			t.Helper()
			time.Sleep(after)
			synctest.Wait()
			if a, b := w.read(); a != changes || b != comments {
				t.Errorf("%s: %d changes and %d comments, want %d and %d", what, a, b, changes, comments)
			}
		}
		expect("at first", time.Millisecond, 0, 1)
		expect("nothing for a minute", time.Minute, 0, 3)
		write()
		write()
		expect("two writes", time.Second, 1, 0)
		for range 50 {
			write()
			time.Sleep(100 * time.Millisecond)
		}
		expect("fifty writes in five seconds", 2*time.Second, 6, 0)
		expect("nothing more", 10*time.Second, 0, 0)
		check(t, s.DB.Tx(t.Context(), func(*db.Queries) error { return nil }))
		expect("a commit", time.Second, 1, 0)
		if err := s.DB.Tx(t.Context(), func(*db.Queries) error { return context.Canceled }); err == nil {
			t.Error("a failed write reports no error")
		}
		expect("a write that failed", 2*time.Second, 0, 0)
		cancel()
		check(t, <-ended)
	})
}

func TestAStreamThatComesBackHearsWhatItMissed(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	for _, row := range []struct{ name, last, first string }{
		{"a new page", "", ": hello"},
		{"a page that missed something", "0", "event: changed"},
	} {
		r := request(t, "GET", a.url+"/admin/live", "", "Last-Event-ID", row.last)
		res, err := a.browsers[auth.Support].Do(r)
		check(t, err)
		defer res.Body.Close()
		scan, lines := bufio.NewScanner(res.Body), []string{}
		for scan.Scan() && scan.Text() != "" {
			lines = append(lines, scan.Text())
		}
		if res.Header.Get("Content-Type") != "text/event-stream" || !slices.Contains(lines, row.first) {
			t.Errorf("%s: %s %q", row.name, res.Header.Get("Content-Type"), lines)
		}
	}
}

func TestStreamsEndWhenTheServerStops(t *testing.T) {
	t.Parallel()
	f := start(t)
	web := f.HTTPServer("")
	f.mux.Handle("GET /stream", f.step(func(w *response, r *http.Request) error { return f.live(w, r) }))
	listener, err := Listen("127.0.0.1:0")
	check(t, err)
	served := make(chan error, 1)
	go func() { served <- web.Serve(listener) }()
	res, err := http.DefaultClient.Do(request(t, "GET", "http://"+listener.Addr().String()+"/stream", ""))
	check(t, err)
	defer res.Body.Close()
	if _, err := res.Body.Read(make([]byte, 1)); err != nil {
		t.Fatalf("the stream says nothing: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	if err := web.Shutdown(ctx); err != nil {
		t.Errorf("an open page keeps the server from stopping: %v", err)
	}
	if err := <-served; err != http.ErrServerClosed {
		t.Error(err)
	}
}

func TestAStreamIsForPeopleWhoAreSignedIn(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	if status, body := a.get("", "/admin/live"); status == http.StatusOK {
		t.Errorf("a stranger gets %d %s", status, body)
	}
}
