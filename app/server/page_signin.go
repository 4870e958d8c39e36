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
	Keys               bool // passkeys can be used at this address
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
	return s.showSignIn(w, r, http.StatusOK, signInPage{Next: localPath(r.URL.Query().Get("next"))})
}

func (s *Server) showSignIn(w http.ResponseWriter, r *http.Request, status int, p signInPage) error {
	p.page, p.Keys = s.page(w, r, "Sign in"), s.gate.Passkeys()
	return s.render(w, status, "sign-in", p)
}

// refused says what to do about an error of the gate.
func refused(err error) error {
	switch {
	case errors.Is(err, auth.ErrLink):
		return &HTTPError{Code: http.StatusNotFound, Err: err,
			Msg: "this link was used already, has expired or was replaced by a newer one; if you have a password, sign in with it, else ask an owner for a new link"}
	case errors.Is(err, auth.ErrTooMany):
		return &HTTPError{Code: http.StatusTooManyRequests, Msg: "these were too many tries; wait a minute and try again", Err: err}
	case errors.Is(err, auth.ErrInvalid):
		return &HTTPError{Code: http.StatusUnprocessableEntity, Msg: err.Error(), Err: err}
	case errors.Is(err, auth.ErrBusy):
		return &HTTPError{Code: http.StatusServiceUnavailable, Msg: "too many people are signing in at this moment; try again in a few seconds", Err: err}
	}
	return err
}

// signIn checks a password, which is all for who has nothing else. Whatever is wrong, the answer is the same.
func (s *Server) signIn(w http.ResponseWriter, r *http.Request) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	email := strings.TrimSpace(r.PostFormValue("email"))
	user, err := s.gate.CheckPassword(r.Context(), s.DB.Read(), email, r.PostFormValue("password"), s.address(r))
	again := signInPage{Next: localPath(r.PostFormValue("next")), Email: email}
	if err == nil {
		err = s.passwordGiven(w, r, user, again.Next)
	}
	switch {
	case errors.Is(err, auth.ErrWrong):
		if err := s.auditWrong(r, "sign-in", email, "wrong password"); err != nil {
			return err
		}
		again.Error = "The e-mail address or the password is wrong."
		return s.showSignIn(w, r, http.StatusUnauthorized, again)
	case errors.Is(err, auth.ErrTooMany):
		w.Header().Set("Retry-After", "60")
		again.Error = "These were too many wrong tries. Wait a minute, then try again."
		return s.showSignIn(w, r, http.StatusTooManyRequests, again)
	}
	return refused(err)
}

// passwordGiven signs in who has nothing but a password, and asks others for the rest.
func (s *Server) passwordGiven(w http.ResponseWriter, r *http.Request, user db.User, next string) error {
	factors, err := auth.FactorsOf(r.Context(), s.DB.Read(), user.ID)
	if err != nil {
		return err
	}
	if factors.Any() {
		return s.secondStep(w, r, user, next)
	}
	token, err := s.startSession(r, func(context.Context, *db.Queries) (db.User, string, error) { return user, "password", nil })
	if err != nil {
		return err
	}
	return s.signedIn(w, r, token, next, nil)
}

// startSession signs in the user that find gives, with a word of what they proved it by.
func (s *Server) startSession(r *http.Request, find func(context.Context, *db.Queries) (user db.User, proof string, err error)) (token string, err error) {
	err = s.DB.Tx(r.Context(), func(q *db.Queries) error {
		user, proof, err := find(r.Context(), q)
		if err != nil {
			return err
		}
		if token, err = s.newSession(q, r, user); err != nil {
			return err
		}
		return s.audit(r.Context(), q, asUser(r, user), "sign-in", user.Email, proof)
	})
	return token, err
}

// newSession always has a new token: a session that the browser came with, whoever put it there, ends.
func (s *Server) newSession(q *db.Queries, r *http.Request, user db.User) (token string, err error) {
	if err := auth.EndSession(r.Context(), q, s.sessionToken(r)); err != nil {
		return "", err
	}
	return auth.StartSession(r.Context(), q, user, s.origin(r))
}

// asUser is a request of somebody who is not signed in yet, for the audit.
func asUser(r *http.Request, user db.User) *http.Request {
	return withUser(r, auth.User{ID: user.ID, Email: user.Email, Role: auth.Role(user.Role)})
}

// auditWrong writes down a wrong sign-in, of an unknown address too: the answer must take as long, and the
// address may be a password in the wrong field. Strangers fill at most a row a second.
func (s *Server) auditWrong(r *http.Request, action, email, detail string) error {
	if !s.wrongs.Allow() {
		return nil
	}
	return s.DB.Tx(r.Context(), func(q *db.Queries) error {
		user, err := q.UserByEmail(r.Context(), email)
		if err != nil && !errors.Is(err, db.ErrNoRows) {
			return err
		}
		e := s.entry(asUser(r, user), action, "", detail)
		if e.Outcome = auth.Failed; e.Actor == "" {
			e.Actor = "somebody"
			if email != "" {
				e.Detail = "nobody has this address"
			}
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
	signedIn := false
	if password != r.PostFormValue("again") {
		err = errDiffer
	} else {
		signedIn, err = s.useLink(w, r, token, email, password)
	}
	var known *HTTPError
	switch {
	case err == nil && !signedIn:
		return s.seeOther(w, r, "/admin/sign-in", notice{Text: "Your password is saved. Sign in with it, and with your second factor."})
	case err == nil:
		return s.seeOther(w, r, "/admin", notice{Text: "Welcome. Next time sign in with " + email + " and your password."})
	case errors.Is(err, auth.ErrInvalid), errors.As(err, &known):
		again.page, again.Error = s.page(w, r, "Welcome"), sentence(err.Error())
		return s.render(w, http.StatusUnprocessableEntity, "welcome", again)
	}
	return refused(err)
}

var errDiffer = badRequest("the two passwords differ; type the same one twice")

// useLink hashes before the transaction, which everybody's writes wait for. Who has a second factor is not
// signed in by a link, which may have come by mail.
func (s *Server) useLink(w http.ResponseWriter, r *http.Request, token, email, password string) (signedIn bool, err error) {
	ctx := r.Context()
	passwordHash, err := s.gate.HashPassword(ctx, email, password)
	if err != nil {
		return false, err
	}
	session := ""
	err = s.DB.Tx(ctx, func(q *db.Queries) error {
		used, err := auth.UseLink(ctx, q, token, email, passwordHash)
		if err != nil {
			return err
		}
		user := used.User
		factors, err := auth.FactorsOf(ctx, q, user.ID)
		if err != nil {
			return err
		}
		if !factors.Any() {
			if session, err = s.newSession(q, r, user); err != nil {
				return err
			}
		}
		if err := s.audit(ctx, q, asUser(r, user), "password.set", user.Email, ""); err != nil || used.First {
			return err
		}
		what := "your password was reset with a link"
		if used.DroppedFactors {
			what += ", which removed your second factor"
		}
		return s.tell(q, r, user.ID, what)
	})
	if err == nil && session != "" {
		http.SetCookie(w, s.cookie(sessionCookie, session, 0))
	}
	return session != "", err
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
