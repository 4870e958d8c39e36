package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"bursar/app/auth"
	"bursar/app/db"
	"bursar/app/privacy"
)

func (s *Server) privacyRoutes() []Route {
	return []Route{
		{"POST", "/admin/customers/{id}/export", may(auth.Export), s.exportCustomer},
		{"GET", "/admin/customers/{id}/erase", may(auth.Erase), s.fresh(s.erasePage)},
		{"POST", "/admin/customers/{id}/erase", may(auth.Erase), s.fresh(s.eraseCustomer)},
	}
}

const noCustomer = "there is no customer with this number; it may have been joined with another"

// exportCustomer answers POST /admin/customers/{id}/export with a file. It is a POST, as it writes to the audit.
func (s *Server) exportCustomer(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, noCustomer)
	if err != nil {
		return err
	}
	export, err := privacy.Read(r.Context(), s.DB.Read(), id)
	if err != nil {
		return found(err, noCustomer)
	}
	text, err := json.MarshalIndent(export, "", "  ")
	if err != nil {
		return fmt.Errorf("export customer %d: %w", id, err)
	}
	err = s.DB.Tx(r.Context(), func(q *db.Queries) error {
		return s.audit(r.Context(), q, r, "customers.export", fmt.Sprintf("customer %d", id), "")
	})
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="customer-%d.json"`, id))
	_, err = w.Write(text)
	return err
}

// erasePageData says what erasing means before it is done.
type erasePageData struct {
	page
	ID         int64
	Name       string
	Email      string
	Live       int64 // subscriptions
	Typed, Why string
	Error      string
}

func (s *Server) readErasePage(w http.ResponseWriter, r *http.Request) (d erasePageData, err error) {
	if d.ID, err = pathID(r, noCustomer); err != nil {
		return d, err
	}
	record, err := s.DB.Read().CustomerByID(r.Context(), d.ID)
	if err != nil {
		return d, found(err, noCustomer)
	}
	if !record.ErasedAt.IsZero() {
		return d, &HTTPError{Code: http.StatusGone, Title: "Already erased", Msg: fmt.Sprintf("customer %d was erased on %s", d.ID, record.ErasedAt.Format("2 January 2006"))}
	}
	if d.Live, err = s.DB.Read().CountLiveSubscriptions(r.Context(), d.ID); err != nil {
		return d, err
	}
	d.Name, d.Email = nameLink(record.Name, record.Email, d.ID).Text, record.Email
	d.page = s.page(w, r, fmt.Sprintf("Erase customer %d", d.ID))
	return d, nil
}

// erasePage answers GET /admin/customers/{id}/erase.
func (s *Server) erasePage(w http.ResponseWriter, r *http.Request) error {
	d, err := s.readErasePage(w, r)
	if err != nil {
		return err
	}
	return s.render(w, http.StatusOK, "erase", d)
}

// erasedPageData is what was done, and what is left to do by hand.
type erasedPageData struct {
	page
	*privacy.Erased
	Unclean bool // the file could not be cleaned just now
}

// eraseCustomer answers POST /admin/customers/{id}/erase.
func (s *Server) eraseCustomer(w http.ResponseWriter, r *http.Request) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	d, err := s.readErasePage(w, r)
	if err != nil {
		return err
	}
	d.Typed, d.Why = strings.TrimSpace(r.PostFormValue("number")), strings.TrimSpace(r.PostFormValue("why"))
	switch {
	case d.Typed != strconv.FormatInt(d.ID, 10):
		d.Error = fmt.Sprintf("Nothing was erased: type the number %d to go on.", d.ID)
	case d.Live > 0 && d.Why == "":
		d.Error = "Nothing was erased: a subscription is live, so say why they are erased all the same."
	}
	if d.Error != "" {
		return s.render(w, http.StatusUnprocessableEntity, "erase", d)
	}
	erased, err := privacy.Erase(r.Context(), s.DB, d.ID, d.Why != "", func(q *db.Queries) error {
		e := s.entry(r, "customers.erase", fmt.Sprintf("customer %d", d.ID), "")
		e.Reason = d.Why
		return auth.Audit(r.Context(), q, e)
	})
	if errors.Is(err, privacy.ErrLive) || errors.Is(err, privacy.ErrOpen) {
		return &HTTPError{Code: http.StatusConflict, Title: "Nothing was erased", Msg: err.Error(), Err: err}
	}
	if erased == nil {
		return err
	}
	if err != nil {
		s.Log.Error("clean the file after erasing a customer", "customer", d.ID, "error", err)
	}
	return s.render(w, http.StatusOK, "erased", erasedPageData{s.page(w, r, fmt.Sprintf("Customer %d is erased", d.ID)), erased, err != nil})
}
