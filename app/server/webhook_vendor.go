package server

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"time"

	"bursar/app/connect"
	"bursar/app/db"
	"bursar/app/queue"
)

// vendorWebhook answers what a support desk sends: it is a hint to read a ticket again, and nothing in it is believed.
// It is answered when the hint is on disk; a repeated one joins the job that waits.
func (s *Server) vendorWebhook(w http.ResponseWriter, r *http.Request) error {
	var body bytes.Buffer
	if err := readBody(w, r, maxEvent, &body); err != nil {
		return err
	}
	tickets, err := s.Hooks.Vendor.Verify(connect.Webhook{URL: s.URL + r.URL.RequestURI(), Header: r.Header, Body: body.Bytes(),
		Secret: s.Hooks.Secret, Now: time.Now()})
	if errors.Is(err, connect.ErrSignature) {
		return &HTTPError{Code: http.StatusUnauthorized, Msg: err.Error()}
	}
	if err != nil {
		return &HTTPError{Code: http.StatusBadRequest, Msg: "this is not what the vendor sends", Err: err}
	}
	err = s.DB.Tx(r.Context(), func(q *db.Queries) error {
		for _, id := range tickets {
			if err := queue.Insert(r.Context(), q, connect.FollowTicket{ID: id}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return notStored(err)
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, err = io.WriteString(w, "ok\n")
	return err
}
