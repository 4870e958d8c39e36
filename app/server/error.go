package server

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"bursar/app/mail"
)

// HTTPError is an error of a handler that says what the caller may know of it. Any other error is a 500
// without details.
type HTTPError struct {
	Code  int
	Msg   string // for the caller: a sentence without anything internal
	Err   error  // for the log, may be nil
	Title string // of the page, "" for the usual one of the code
	Mend  action // where a person can mend it, if it is one of the pages
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

	page string // the title of its page, "" for the usual one
	mend action
}

// fail answers with an error: the one place that decides what the outside gets to know.
func (s *Server) fail(w *response, r *http.Request, err error) {
	if w.status != 0 {
		return // part of an answer is out already; the log has the error
	}
	if r.Context().Err() != nil && errors.Is(err, context.Canceled) {
		w.WriteHeader(statusGone)
		return
	}
	p := problemOf(err)
	p.RequestID = w.id
	if p.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", retryAfter)
	}
	switch {
	case strings.HasPrefix(r.URL.Path, "/api/v1/"):
		body, _ := json.Marshal(p) // strings and a number
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(p.Status)
		w.Write(body) // to a caller who left; there is nobody to tell
	case s.pages != nil && localPath(r.URL.Path) == r.URL.Path && s.errorPage(w, r, p) == nil:
	default:
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(p.Status)
		io.WriteString(w, p.Title+": "+p.Detail+"\n")
	}
}

// problemOf says what the caller may know of an error.
func problemOf(err error) problem {
	p := problem{Status: http.StatusInternalServerError, Detail: "something went wrong here; the request id leads to it in the log"}
	var known *HTTPError
	switch {
	case errors.As(err, &known):
		p.Status, p.Detail, p.page, p.mend = known.Code, known.Msg, known.Title, known.Mend
	case isCode(err, busy, locked):
		p.Status, p.Detail = http.StatusServiceUnavailable, "the database is busy; nothing was lost and nothing was changed; try again in a few seconds"
	case isCode(err, full):
		p.Status, p.Detail = http.StatusServiceUnavailable, "the disk of Bursar's machine is full; nothing was lost and nothing was changed; free some space there and try again"
	}
	p.Title = http.StatusText(p.Status)
	return p
}

// What SQLite says when another process, like a backup, kept the database locked for longer than we wait, and
// when there is no space left (https://www.sqlite.org/rescode.html).
const (
	busy   = 5
	locked = 6
	full   = 13
)

// isCode says that an error is one of SQLite's, with one of these primary codes.
func isCode(err error, codes ...int) bool {
	var e interface{ Code() int }
	return errors.As(err, &e) && slices.Contains(codes, e.Code()&0xff)
}

// errorPage is a problem as people see it.
type errorPage struct {
	page
	Code      int
	Text      string
	RequestID string
	Mend      action
}

// errorPage leaves the notice for the next page.
func (s *Server) errorPage(w *response, r *http.Request, p problem) error {
	return s.render(w, p.Status, "error", errorPage{Code: p.Status, RequestID: p.RequestID, Mend: p.mend,
		Text: sentence(p.Detail),
		page: page{Title: errorTitle(p), Path: r.URL.Path, User: w.user, Demo: s.Demo != nil, Version: s.Version,
			Timezone: s.Location.String(), Now: time.Now()}})
}

func errorTitle(p problem) string {
	if p.page != "" {
		return p.page
	}
	switch p.Status {
	case http.StatusUnauthorized:
		return "Your session has ended"
	case http.StatusForbidden:
		return "This is not allowed"
	case http.StatusNotFound:
		return "There is nothing here"
	case http.StatusMethodNotAllowed:
		return "This cannot be asked for that way"
	case http.StatusTooManyRequests:
		return "Too many tries"
	case http.StatusInternalServerError:
		return "Something went wrong"
	case http.StatusServiceUnavailable:
		return "Not right now"
	}
	return p.Title
}

// sentence makes one of an error's text.
func sentence(text string) string { return mail.UpperFirst(text) + "." }
