package server

import (
	"errors"
	"net/http"
	"net/url"

	"bursar/app/auth"
	"bursar/app/db"
)

func (s *Server) confirmRoutes() []Route {
	return []Route{
		{"GET", "/admin/confirm", may(auth.Look), s.confirmPage},
		{"POST", "/admin/confirm", may(auth.Look), s.confirm},
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
		return &HTTPError{Code: http.StatusForbidden, Title: "This needs a second factor", Mend: action{"Set one up in a new tab", "/admin/account"},
			Msg: "whatever moves money needs a passkey or an authenticator app besides your password, so nothing was changed; set one up under your account, and come back here with the Back button"}
	}
}

type confirmPage struct {
	page
	Next, Error string
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
	return s.render(w, status, "confirm", confirmPage{s.page(w, r, "Confirm that it is you"), next, wrong})
}

// confirm checks the password of who is signed in. Wrong tries count like those of a sign-in: a session
// that somebody left open is no place to guess.
func (s *Server) confirm(w http.ResponseWriter, r *http.Request) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	next := localPath(r.PostFormValue("next"))
	_, err := s.gate.CheckPassword(r.Context(), s.DB.Read(), userOf(r).Email, r.PostFormValue("password"), s.address(r))
	switch {
	case err == nil:
		return s.confirmed(w, r, next)
	case errors.Is(err, auth.ErrWrong):
		if err := s.auditWrong(r, userOf(r).Email); err != nil {
			return err
		}
		return s.showConfirm(w, r, http.StatusUnprocessableEntity, next, "The password is wrong.")
	case errors.Is(err, auth.ErrTooMany):
		w.Header().Set("Retry-After", "60")
		return s.showConfirm(w, r, http.StatusTooManyRequests, next, "These were too many wrong tries. Wait a minute, then try again.")
	}
	return refused(err)
}

// confirmed notes the proof in the session, which gets another token, and goes on.
func (s *Server) confirmed(w http.ResponseWriter, r *http.Request, next string) error {
	var token string
	err := s.DB.Tx(r.Context(), func(q *db.Queries) (err error) {
		if token, err = auth.ConfirmSession(r.Context(), q, s.sessionToken(r)); err != nil {
			return err
		}
		return s.audit(r.Context(), q, r, "confirm", userOf(r).Email, "")
	})
	if err != nil {
		return err
	}
	http.SetCookie(w, s.cookie(sessionCookie, token, 0))
	http.Redirect(w, r, next, http.StatusSeeOther)
	return nil
}
