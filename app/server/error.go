package server

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
)

// HTTPError is an error of a handler that says what the caller may know of it. Any other error is a 500
// without details.
type HTTPError struct {
	Code int
	Msg  string // for the caller: a sentence without anything internal
	Err  error  // for the log, may be nil
}

func (e *HTTPError) Error() string {
	if e.Err == nil {
		return e.Msg
	}
	return e.Msg + ": " + e.Err.Error()
}

func (e *HTTPError) Unwrap() error { return e.Err }

// badRequest says what the caller must change.
func badRequest(msg string) error { return &HTTPError{Code: http.StatusBadRequest, Msg: msg} }

// notStored is the answer when the database or the desk refuses a write: the same request may be sent again.
func notStored(err error) error {
	return &HTTPError{Code: http.StatusServiceUnavailable, Msg: "this could not be stored; send it again", Err: err}
}

// statusGone is nginx's status for a caller who hung up. It is written too: a caller may have closed
// only the sending half, and net/http would tell them 200.
const statusGone = 499

// retryAfter, in seconds, goes with a 503.
const retryAfter = "5"

// problem is an error of the API (RFC 9457).
type problem struct {
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail"`
	RequestID string `json:"request_id"`
}

// fail answers with an error: the one place that decides what the outside gets to know.
func (s *Server) fail(w *response, r *http.Request, err error) {
	if w.status != 0 {
		return // part of an answer is out already; the log has the error
	}
	p := problem{Status: http.StatusInternalServerError, Detail: "something went wrong here; the request id leads to it in the log", RequestID: w.id}
	var known *HTTPError
	if errors.As(err, &known) {
		p.Status, p.Detail = known.Code, known.Msg
	}
	if r.Context().Err() != nil && errors.Is(err, context.Canceled) {
		w.WriteHeader(statusGone)
		return
	}
	if p.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", retryAfter)
	}
	p.Title = http.StatusText(p.Status)
	if !strings.HasPrefix(r.URL.Path, "/api/v1/") {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(p.Status)
		io.WriteString(w, p.Title+": "+p.Detail+"\n") // to a caller who left; there is nobody to tell
		return
	}
	body, _ := json.Marshal(p) // strings and a number
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	w.Write(body)
}
