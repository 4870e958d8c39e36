package server

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"bursar/app/auth"
	"bursar/app/db"
)

type signInPage struct {
	page
	Next, Email, Error string
}

type welcomePage struct {
	page
	auth.Link
	Token, Typed, Error string
}

// home is for who types the bare address.
func (s *Server) home(w http.ResponseWriter, r *http.Request) error {
	http.Redirect(w, r, "/admin", http.StatusSeeOther)
	return nil
}

// signInPage shows the form, or with the token of a link the one to choose a password. Looking uses
// nothing up: a mail program that opens links before the reader does no harm.
func (s *Server) signInPage(w http.ResponseWriter, r *http.Request) error {
	if token := r.URL.Query().Get("token"); token != "" {
		link, err := s.gate.FindLink(r.Context(), s.DB.Read(), token, s.address(r))
		if err != nil {
			return refused(err)
		}
		return s.render(w, http.StatusOK, "welcome", welcomePage{page: s.page(w, r, "Welcome"), Link: link, Token: token})
	}
	return s.render(w, http.StatusOK, "sign-in", signInPage{page: s.page(w, r, "Sign in"), Next: localPath(r.URL.Query().Get("next"))})
}

// refused says what to do about an error of the gate.
func refused(err error) error {
	switch {
	case errors.Is(err, auth.ErrLink):
		return &HTTPError{Code: http.StatusNotFound, Err: err,
			Msg: "this link was used already, has expired or was replaced by a newer one; if you have a password, sign in with it, else ask an owner for a new link"}
	case errors.Is(err, auth.ErrTooMany):
		return &HTTPError{Code: http.StatusTooManyRequests, Msg: "these were too many tries; wait a minute and try again", Err: err}
	case errors.Is(err, auth.ErrBusy):
		return &HTTPError{Code: http.StatusServiceUnavailable, Msg: "too many people are signing in at this moment; try again in a few seconds", Err: err}
	}
	return err
}

// signIn checks a password. Whatever is wrong, the answer is the same.
func (s *Server) signIn(w http.ResponseWriter, r *http.Request) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	email := strings.TrimSpace(r.PostFormValue("email"))
	user, err := s.gate.CheckPassword(r.Context(), s.DB.Read(), email, r.PostFormValue("password"), s.address(r))
	if err == nil {
		err = s.startSession(w, r, "sign-in", func(context.Context, *db.Queries) (db.User, error) { return user, nil })
	}
	again := signInPage{Next: localPath(r.PostFormValue("next")), Email: email}
	switch {
	case err == nil:
		http.Redirect(w, r, again.Next, http.StatusSeeOther)
		return nil
	case errors.Is(err, auth.ErrWrong):
		if err := s.auditWrong(r, email); err != nil {
			return err
		}
		again.page, again.Error = s.page(w, r, "Sign in"), "The e-mail address or the password is wrong."
		return s.render(w, http.StatusUnauthorized, "sign-in", again)
	case errors.Is(err, auth.ErrTooMany):
		w.Header().Set("Retry-After", "60")
		again.page, again.Error = s.page(w, r, "Sign in"), "These were too many wrong tries. Wait a minute, then try again."
		return s.render(w, http.StatusTooManyRequests, "sign-in", again)
	}
	return refused(err)
}

// startSession signs in the user that find gives, always with a new token: one that the browser came
// with, whoever put it there, ends.
func (s *Server) startSession(w http.ResponseWriter, r *http.Request, action string, find func(context.Context, *db.Queries) (db.User, error)) error {
	var token string
	err := s.DB.Tx(r.Context(), func(q *db.Queries) error {
		user, err := find(r.Context(), q)
		if err != nil {
			return err
		}
		if err := auth.EndSession(r.Context(), q, s.sessionToken(r)); err != nil {
			return err
		}
		if token, err = auth.StartSession(r.Context(), q, user, s.origin(r)); err != nil {
			return err
		}
		r := withUser(r, auth.User{ID: user.ID, Email: user.Email, Role: auth.Role(user.Role)})
		return s.audit(r.Context(), q, r, action, user.Email, "")
	})
	if err == nil {
		http.SetCookie(w, s.cookie(sessionCookie, token, 0))
	}
	return err
}

// auditWrong writes down a wrong sign-in, of an unknown address too: the answer must take as long, and the
// address may be a password in the wrong field. Strangers fill at most a row a second.
func (s *Server) auditWrong(r *http.Request, email string) error {
	if !s.wrongs.Allow() {
		return nil
	}
	return s.DB.Tx(r.Context(), func(q *db.Queries) error {
		user, err := q.UserByEmail(r.Context(), email)
		if err != nil && !errors.Is(err, db.ErrNoRows) {
			return err
		}
		e := s.entry(withUser(r, auth.User{Email: user.Email, Role: auth.Role(user.Role)}), "sign-in", "", "wrong password")
		if e.Outcome = auth.Failed; e.Actor == "" {
			e.Actor, e.Detail = "somebody", "nobody has this address"
		}
		return auth.Audit(r.Context(), q, e)
	})
}

// welcome gives a password to whoever has a link, and signs them in.
func (s *Server) welcome(w http.ResponseWriter, r *http.Request) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	token, password := r.PostFormValue("token"), r.PostFormValue("password")
	link, err := s.gate.FindLink(r.Context(), s.DB.Read(), token, s.address(r))
	if err != nil {
		return refused(err)
	}
	again := welcomePage{Link: link, Token: token, Typed: strings.TrimSpace(r.PostFormValue("email"))}
	email := link.Email
	if email == "" {
		email = again.Typed
	}
	if password != r.PostFormValue("again") {
		err = badRequest("the two passwords differ; type the same one twice")
	} else {
		err = s.useLink(w, r, token, email, password)
	}
	var known *HTTPError
	switch {
	case err == nil:
		return s.seeOther(w, r, "/admin", notice{Text: "Welcome. Next time sign in with " + email + " and your password."})
	case errors.Is(err, auth.ErrInvalid), errors.As(err, &known):
		again.page, again.Error = s.page(w, r, "Welcome"), sentence(err.Error())
		return s.render(w, http.StatusUnprocessableEntity, "welcome", again)
	}
	return refused(err)
}

// useLink hashes before the transaction, which everybody's writes wait for.
func (s *Server) useLink(w http.ResponseWriter, r *http.Request, token, email, password string) error {
	passwordHash, err := s.gate.HashPassword(r.Context(), email, password)
	if err != nil {
		return err
	}
	return s.startSession(w, r, "password.set", func(ctx context.Context, q *db.Queries) (db.User, error) {
		return auth.UseLink(ctx, q, token, email, passwordHash)
	})
}

func (s *Server) signOut(w http.ResponseWriter, r *http.Request) error {
	err := s.DB.Tx(r.Context(), func(q *db.Queries) error {
		if err := auth.EndSession(r.Context(), q, s.sessionToken(r)); err != nil {
			return err
		}
		return s.audit(r.Context(), q, r, "sign-out", userOf(r).Email, "")
	})
	if err != nil {
		return err
	}
	http.SetCookie(w, s.cookie(sessionCookie, "", -1))
	return s.seeOther(w, r, "/admin/sign-in", notice{Text: "You are signed out."})
}
