package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"bursar/app/auth"
	"bursar/app/db"
	"bursar/app/mail"
)

const (
	stepCookie    = "bursar-step"    // who gave the right password and not yet the rest
	passkeyCookie = "bursar-passkey" // which question a passkey answers
	stepSecs      = 5 * 60
	maxDetail     = 200 // characters: what the audit keeps of why a passkey was not accepted
)

func (s *Server) signInRoutes() []Route {
	return []Route{
		{"GET", "/admin/sign-in/code", Public, s.codePage},
		{"POST", "/admin/sign-in/code", Public, s.signInWithCode},
		{"POST", "/admin/sign-in/passkey", Public, s.signInWithPasskey},
		{"POST", "/admin/passkey", Public, s.askForPasskey},
	}
}

// codePage is the second step of a sign-in, for who has a second factor.
type codePage struct {
	page
	auth.Factors
	Next, Error string
	Keys        bool // passkeys can be used at this address
}

// secondStep goes on after a right password, for which user stands.
func (s *Server) secondStep(w http.ResponseWriter, r *http.Request, user db.User, next string) error {
	token, err := s.gate.BeginStep(user)
	if err != nil {
		return refused(err)
	}
	http.SetCookie(w, s.cookie(stepCookie, token, stepSecs))
	http.Redirect(w, r, "/admin/sign-in/code?next="+url.QueryEscape(next), http.StatusSeeOther)
	return nil
}

// codePage answers GET /admin/sign-in/code.
func (s *Server) codePage(w http.ResponseWriter, r *http.Request) error {
	next := localPath(r.URL.Query().Get("next"))
	user, ok := s.gate.Step(s.cookieValue(r, stepCookie))
	if !ok {
		http.Redirect(w, r, "/admin/sign-in?next="+url.QueryEscape(next), http.StatusSeeOther)
		return nil
	}
	return s.showCode(w, r, http.StatusOK, user.ID, next, "")
}

func (s *Server) showCode(w http.ResponseWriter, r *http.Request, status int, user int64, next, wrong string) error {
	if status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "60")
	}
	factors, err := auth.FactorsOf(r.Context(), s.DB.Read(), user)
	if err != nil {
		return err
	}
	return s.render(w, status, "sign-in-code", codePage{s.page(w, r, "One more step"), factors, next, wrong, s.gate.Passkeys()})
}

// signInWithCode answers POST /admin/sign-in/code.
func (s *Server) signInWithCode(w http.ResponseWriter, r *http.Request) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	next, step := localPath(r.PostFormValue("next")), s.cookieValue(r, stepCookie)
	user, ok := s.gate.Step(step)
	if !ok {
		return s.seeOther(w, r, "/admin/sign-in?next="+url.QueryEscape(next), notice{Bad: true, Text: "That took longer than 5 minutes. Sign in again."})
	}
	var used *notice
	token, err := s.startSession(r, func(ctx context.Context, q *db.Queries) (db.User, string, error) {
		proof, left, err := s.useCode(ctx, q, user.ID, r)
		used = left
		return user, "password and " + proof, err
	})
	if text, status := wrongFactor(err); text != "" {
		if err := s.auditWrong(r, "sign-in", user.Email, "wrong code"); err != nil {
			return err
		}
		return s.showCode(w, r, status, user.ID, next, text)
	}
	if err != nil {
		return refused(err)
	}
	s.gate.EndStep(step)
	http.SetCookie(w, s.cookie(stepCookie, "", -1))
	return s.signedIn(w, r, token, next, used)
}

// useCode uses up the code of a form, in the transaction of what it proves. proof says what it was, and
// left how many recovery codes remain.
func (s *Server) useCode(ctx context.Context, q *db.Queries, user int64, r *http.Request) (proof string, left *notice, err error) {
	recovery, err := s.gate.CheckCode(ctx, q, user, r.PostFormValue("code"), s.address(r))
	if err != nil || !recovery {
		return "code of the app", nil, err
	}
	factors, err := auth.FactorsOf(ctx, q, user)
	if err != nil {
		return "", nil, err
	}
	if err := s.tell(q, r, user, fmt.Sprintf("a recovery code was used for your account; %d are left", factors.Codes)); err != nil {
		return "", nil, err
	}
	text := fmt.Sprintf("You used a recovery code; %d are left. Your account page makes new ones.", factors.Codes)
	if factors.Codes == 1 {
		text = "You used a recovery code; 1 is left. Your account page makes new ones."
	}
	return fmt.Sprintf("recovery code, %d left", factors.Codes), &notice{Text: text, Bad: factors.Codes < 3}, nil
}

// wrongFactor says what to do about a second factor that was not accepted; "" for other errors.
func wrongFactor(err error) (text string, status int) {
	switch {
	case errors.Is(err, auth.ErrCode):
		return "The code is wrong or was used already. Wait for the next one, and check that the clock of the phone is right.", http.StatusUnauthorized
	case errors.Is(err, auth.ErrPasskey):
		return "The passkey was not accepted. Try again, or sign in with your password.", http.StatusUnauthorized
	case errors.Is(err, auth.ErrSealed):
		return "Bursar cannot check your authenticator app: its key file is missing or another one, as after a restore without it. Use a recovery code, or ask for bursar user add on the server; then set up the app again.", http.StatusUnauthorized
	case errors.Is(err, auth.ErrTooMany):
		return "These were too many wrong tries. Wait a minute, then try again.", http.StatusTooManyRequests
	}
	return "", 0
}

// askForPasskey answers POST /admin/passkey with what the browser needs to use one: to sign in, or to
// confirm. It says nothing of who has any.
func (s *Server) askForPasskey(w http.ResponseWriter, r *http.Request) error {
	options, token, err := s.gate.BeginPasskeyProof(s.address(r))
	if err != nil {
		return refused(err)
	}
	return s.writeOptions(w, options, token)
}

func (s *Server) writeOptions(w http.ResponseWriter, options any, token string) error {
	http.SetCookie(w, s.cookie(passkeyCookie, token, stepSecs))
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(options)
}

// signInWithPasskey answers POST /admin/sign-in/passkey. It is a whole sign-in: the device had to be there,
// and has verified who holds it.
func (s *Server) signInWithPasskey(w http.ResponseWriter, r *http.Request) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	next := localPath(r.PostFormValue("next"))
	token, err := s.startSession(r, func(ctx context.Context, q *db.Queries) (db.User, string, error) {
		user, err := s.usePasskey(ctx, q, r)
		return user, "passkey", err
	})
	if text, status := wrongFactor(err); text != "" {
		if err := s.auditWrong(r, "sign-in", "", mail.Line(err.Error(), maxDetail)); err != nil {
			return err
		}
		return s.showSignIn(w, r, status, signInPage{Next: next, Error: text})
	}
	if err != nil {
		return refused(err)
	}
	return s.signedIn(w, r, token, next, nil)
}

// usePasskey gives the user whose passkey the form brings.
func (s *Server) usePasskey(ctx context.Context, q *db.Queries, r *http.Request) (db.User, error) {
	return s.gate.CheckPasskey(ctx, q, s.cookieValue(r, passkeyCookie), []byte(r.PostFormValue("answer")))
}

// signedIn goes on to the page that was asked for.
func (s *Server) signedIn(w http.ResponseWriter, r *http.Request, token, next string, n *notice) error {
	http.SetCookie(w, s.cookie(sessionCookie, token, 0))
	if n != nil {
		return s.seeOther(w, r, next, *n)
	}
	http.Redirect(w, r, next, http.StatusSeeOther)
	return nil
}
