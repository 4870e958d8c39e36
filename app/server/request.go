package server

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"runtime/debug"
	"time"

	"bursar/app/auth"
)

// bodyTimeout is how long a body may take to arrive.
const bodyTimeout = 5 * time.Second

// response is a request on its way through serve.
type response struct {
	http.ResponseWriter
	id     string    // of the request
	user   auth.User // who is signed in, on their routes
	status int       // 0 until something was written
	err    error     // of the handler
	probe  bool      // one of our own, which counts nowhere
}

func (w *response) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *response) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// serve is what surrounds every request: its id, the headers, panics, errors, the log and the metrics.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	res := &response{ResponseWriter: w, id: rand.Text()}
	h := w.Header()
	h.Set("X-Request-Id", res.id)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Content-Security-Policy", "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
	h.Set("Cache-Control", "no-store")
	if s.secure() {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
	if r.ContentLength != 0 {
		setReadDeadline(w, start.Add(bodyTimeout))
	}
	err := s.route(res, r)
	if err != nil {
		s.fail(res, r, err)
	}
	s.record(res, r, err, time.Since(start))
}

// route runs the handler of a request. A panic becomes an error, so that one request cannot end the
// process or go unlogged.
func (s *Server) route(w *response, r *http.Request) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.Log.Error("request panicked", "request", w.id, "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	if err := s.crossOrigin.Check(r); err != nil {
		return &HTTPError{Code: http.StatusForbidden, Msg: "this came from another site", Err: err}
	}
	s.mux.ServeHTTP(w, r)
	return w.err
}

// record writes the log line of a request. The route stands for the path, which holds ids of people;
// queries, headers and bodies hold secrets and are left out.
func (s *Server) record(w *response, r *http.Request, err error, took time.Duration) {
	status := w.status
	if status == 0 {
		status = http.StatusOK
	}
	if !w.probe {
		s.metrics.observe(r.Pattern, status, took)
		s.tallyAnswer(r.Pattern, took)
	}
	level := slog.LevelInfo
	if status >= 500 {
		level = slog.LevelError
	}
	attrs := []slog.Attr{slog.String("method", r.Method), slog.String("route", r.Pattern), slog.Int("status", status),
		slog.Float64("ms", float64(took.Microseconds())/1000), slog.String("request", w.id)}
	if err != nil {
		attrs = append(attrs, slog.Any("error", err))
	}
	s.Log.LogAttrs(context.WithoutCancel(r.Context()), level, "request", attrs...)
}

// readBody reads a body of at most limit bytes into buf. One that says it is longer is not read at all.
func readBody(w http.ResponseWriter, r *http.Request, limit int64, buf *bytes.Buffer) error {
	if r.ContentLength > limit {
		return tooLarge(w, limit)
	}
	_, err := buf.ReadFrom(http.MaxBytesReader(w, r.Body, limit))
	var max *http.MaxBytesError
	switch {
	case errors.As(err, &max):
		return tooLarge(w, limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &HTTPError{Code: http.StatusRequestTimeout, Msg: "the body took too long", Err: err}
	case err != nil:
		return &HTTPError{Code: http.StatusBadRequest, Msg: "the body could not be read", Err: err}
	}
	// The deadline would otherwise pass while the answer is made, and look like a caller who left.
	setReadDeadline(w, time.Time{})
	return nil
}

func tooLarge(w http.ResponseWriter, limit int64) error {
	w.Header().Set("Connection", "close") // keeps net/http from reading the rest
	return &HTTPError{Code: http.StatusRequestEntityTooLarge, Msg: fmt.Sprintf("the body is larger than %d bytes", limit)}
}

// setReadDeadline bounds reading from the connection; a recorder in a test has none.
func setReadDeadline(w http.ResponseWriter, t time.Time) {
	_ = http.NewResponseController(w).SetReadDeadline(t)
}
