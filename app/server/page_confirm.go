package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"bursar/app/auth"
	"bursar/app/db"
	"bursar/app/mail"
)

func (s *Server) confirmRoutes() []Route {
	return []Route{
		{"GET", "/admin/confirm", may(auth.Look), s.confirmPage},
		{"POST", "/admin/confirm", may(auth.Look), s.confirm},
		{"POST", "/admin/confirm/passkey", may(auth.Look), s.confirmWithPasskey},
	}
}

type handler = func(w http.ResponseWriter, r *http.Request) error

// fresh is a handler for which people must have proved in the last 10 minutes who they are. A GET leads to
// the page where they do, and back; so a form is best asked for by a GET that is fresh as well. A POST
// later than that does nothing, and what was typed is still there in the tab.
func (s *Server) fresh(h handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if userOf(r).Fresh() {
			return h(w, r)
		}
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			http.Redirect(w, r, "/admin/confirm?next="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
			return nil
		}
		return &HTTPError{Code: http.StatusUnauthorized, Title: "Confirm that it is you", Mend: action{"Confirm in a new tab", "/admin/confirm"},
			Msg: "this needs a proof of who you are that is less than 10 minutes old, so nothing was changed; confirm in a new tab, come back here with the Back button, and send it again"}
	}
}

// money is a fresh handler for people who have a second factor: a stolen password alone moves nothing.
func (s *Server) money(h handler) handler {
	h = s.fresh(h)
	return func(w http.ResponseWriter, r *http.Request) error {
		if userOf(r).SecondFactor {
			return h(w, r)
		}
		err := s.auditDenied(r, auth.Entry{Actor: userOf(r).Email, Role: userOf(r).Role, Detail: "without a second factor"})
		return &HTTPError{Code: http.StatusForbidden, Title: "This needs a second factor", Mend: action{"Set one up in a new tab", "/admin/account"}, Err: err,
			Msg: "whatever moves money needs a passkey or an authenticator app besides your password, so nothing was changed; set one up under your account, and come back here with the Back button"}
	}
}

type confirmPage struct {
	page
	auth.Factors
	Next, Error string
	Keys        bool // passkeys can be used at this address
}

// confirmPage answers GET /admin/confirm: who are you, again?
func (s *Server) confirmPage(w http.ResponseWriter, r *http.Request) error {
	next := localPath(r.URL.Query().Get("next"))
	if userOf(r).Fresh() {
		http.Redirect(w, r, next, http.StatusSeeOther)
		return nil
	}
	return s.showConfirm(w, r, http.StatusOK, next, "")
}

func (s *Server) showConfirm(w http.ResponseWriter, r *http.Request, status int, next, wrong string) error {
	factors, err := auth.FactorsOf(r.Context(), s.DB.Read(), userOf(r).ID)
	if err != nil {
		return err
	}
	return s.render(w, status, "confirm", confirmPage{s.page(w, r, "Confirm that it is you"), factors, next, wrong, s.gate.Passkeys()})
}

// confirm asks who is signed in for the same as a sign-in. Wrong tries count like those of a sign-in: a
// session that somebody left open is no place to guess.
func (s *Server) confirm(w http.ResponseWriter, r *http.Request) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	_, err := s.gate.CheckPassword(r.Context(), s.DB.Read(), userOf(r).Email, r.PostFormValue("password"), s.address(r))
	if err != nil {
		return s.notConfirmed(w, r, err)
	}
	return s.confirmBy(w, r, func(ctx context.Context, q *db.Queries) (proof string, left *notice, err error) {
		if !userOf(r).SecondFactor {
			return "password", nil, nil
		}
		proof, left, err = s.useCode(ctx, q, userOf(r).ID, r)
		return "password and " + proof, left, err
	})
}

// confirmWithPasskey answers POST /admin/confirm/passkey.
func (s *Server) confirmWithPasskey(w http.ResponseWriter, r *http.Request) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	return s.confirmBy(w, r, func(ctx context.Context, q *db.Queries) (string, *notice, error) {
		user, err := s.usePasskey(ctx, q, r)
		if err == nil && user.ID != userOf(r).ID {
			err = fmt.Errorf("%w: it is of user %d", auth.ErrPasskey, user.ID)
		}
		return "passkey", nil, err
	})
}

// confirmBy notes the proof in the session, which gets another token, and goes on.
func (s *Server) confirmBy(w http.ResponseWriter, r *http.Request, prove func(context.Context, *db.Queries) (proof string, left *notice, err error)) error {
	var token string
	var left *notice
	err := s.DB.Tx(r.Context(), func(q *db.Queries) (err error) {
		var proof string
		if proof, left, err = prove(r.Context(), q); err != nil {
			return err
		}
		if token, err = auth.ConfirmSession(r.Context(), q, s.sessionToken(r)); err != nil {
			return err
		}
		return s.audit(r.Context(), q, r, "confirm", userOf(r).Email, proof)
	})
	if err != nil {
		return s.notConfirmed(w, r, err)
	}
	return s.signedIn(w, r, token, localPath(r.PostFormValue("next")), left)
}

func (s *Server) notConfirmed(w http.ResponseWriter, r *http.Request, err error) error {
	text, status := wrongFactor(err)
	if errors.Is(err, auth.ErrWrong) {
		text, status = "The password is wrong.", http.StatusUnprocessableEntity
	}
	switch {
	case text == "":
		return refused(err)
	case status == http.StatusTooManyRequests:
		w.Header().Set("Retry-After", "60")
	default:
		status = http.StatusUnprocessableEntity
		if err := s.auditWrong(r, "confirm", userOf(r).Email, mail.Line(err.Error(), maxDetail)); err != nil {
			return err
		}
	}
	return s.showConfirm(w, r, status, localPath(r.PostFormValue("next")), text)
}
