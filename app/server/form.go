package server

import (
	"errors"
	"net/http"
	"os"
	"time"
)

// maxForm is the most a form may hold, in bytes.
const maxForm = 64 << 10

// readForm reads what a form of the pages posted, for r.FormValue.
func readForm(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	err := r.ParseForm()
	var max *http.MaxBytesError
	switch {
	case errors.As(err, &max):
		return tooLarge(w, maxForm)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &HTTPError{Code: http.StatusRequestTimeout, Msg: "the form took too long to arrive", Err: err}
	case err != nil:
		return &HTTPError{Code: http.StatusBadRequest, Msg: "the form could not be read", Err: err}
	}
	setReadDeadline(w, time.Time{}) // see readBody
	return nil
}
