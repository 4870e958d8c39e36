package server

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"bursar/app/auth"
	"bursar/app/db"
	"bursar/app/mail"
)

func (s *Server) accountRoutes() []Route {
	look := may(auth.Look)
	return []Route{
		{"GET", "/admin/account", look, s.accountPage},
		{"POST", "/admin/account/password", look, s.changePassword},
		{"POST", "/admin/account/sessions/others", look, s.endOtherSessions},
		{"POST", "/admin/account/sessions/all", look, s.endAllSessions},

		{"GET", "/admin/account/app", look, s.fresh(s.appPage)},
		{"POST", "/admin/account/app", look, s.fresh(s.addApp)},
		{"GET", "/admin/account/app/remove", look, s.fresh(s.removeAppPage)},
		{"POST", "/admin/account/app/remove", look, s.fresh(s.removeApp)},

		{"GET", "/admin/account/passkeys/new", look, s.fresh(s.passkeyPage)},
		{"POST", "/admin/account/passkeys/options", look, s.fresh(s.passkeyOptions)},
		{"POST", "/admin/account/passkeys", look, s.fresh(s.addPasskey)},
		{"POST", "/admin/account/passkeys/{id}/name", look, s.renamePasskey},
		{"GET", "/admin/account/passkeys/{id}/remove", look, s.fresh(s.removePasskeyPage)},
		{"POST", "/admin/account/passkeys/{id}/remove", look, s.fresh(s.removePasskey)},

		{"GET", "/admin/account/codes", look, s.fresh(s.codesPage)},
		{"POST", "/admin/account/codes", look, s.fresh(s.newCodes)},
	}
}

type accountPage struct {
	page
	auth.Factors
	Keys     []db.Passkey
	KeysWork bool // passkeys can be used at this address
	AppSince db.Time
	Sessions []ownSession
	Error    string // of the password form
}

// NeedsFactor says that their role moves money, which they cannot without a second factor.
func (p accountPage) NeedsFactor() bool {
	return !p.Any() && (p.User.Role.May(auth.Refund) || p.User.Role.May(auth.Subscribe))
}

// ownSession is one place where somebody is signed in.
type ownSession struct {
	db.Session
	Words string // the browser's name
	This  bool
}

// accountPage answers GET /admin/account. In the demo there are no accounts.
func (s *Server) accountPage(w http.ResponseWriter, r *http.Request) error {
	if s.Demo != nil {
		return notFound("the demo has no accounts")
	}
	return s.showAccount(w, r, http.StatusOK, "")
}

func (s *Server) showAccount(w http.ResponseWriter, r *http.Request, status int, wrong string) error {
	ctx, q, user := r.Context(), s.DB.Read(), userOf(r).ID
	p := accountPage{page: s.page(w, r, "Your account"), KeysWork: s.gate.Passkeys(), Error: wrong}
	var err error
	if p.Factors, err = auth.FactorsOf(ctx, q, user); err != nil {
		return err
	}
	if p.Keys, err = q.PasskeysOf(ctx, user); err != nil {
		return err
	}
	if p.App {
		app, err := q.TOTPOf(ctx, user)
		if err != nil {
			return err
		}
		p.AppSince = app.CreatedAt
	}
	sessions, err := auth.SessionsOf(ctx, q, user)
	if err != nil {
		return err
	}
	for _, one := range sessions {
		p.Sessions = append(p.Sessions, ownSession{one, browserWords(one.Browser), auth.IsSession(one, s.sessionToken(r))})
	}
	return s.render(w, status, "account", p)
}

// browserWords says which browser a User-Agent stands for, well enough to recognise one's own.
func browserWords(agent string) string {
	find := func(names ...string) string { // pairs: what to look for, what to call it
		for i := 0; i < len(names); i += 2 {
			if strings.Contains(agent, names[i]) {
				return names[i+1]
			}
		}
		return ""
	}
	browser := find("Edg", "Edge", "OPR/", "Opera", "Firefox/", "Firefox", "FxiOS/", "Firefox", "CriOS/", "Chrome", "Chrome/", "Chrome", "Safari/", "Safari")
	system := find("iPhone", "iPhone", "iPad", "iPad", "Android", "Android", "Windows", "Windows", "Mac OS X", "Mac", "CrOS", "Chromebook", "Linux", "Linux")
	switch {
	case browser != "" && system != "":
		return browser + " on " + system
	case browser+system != "":
		return browser + system
	case agent != "":
		return agent
	}
	return "unknown browser"
}

// changePassword answers POST /admin/account/password. The present one is asked for, and wrong ones count:
// whoever finds a session open does not take the account over.
func (s *Server) changePassword(w http.ResponseWriter, r *http.Request) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	err := s.setPassword(w, r, r.PostFormValue("present"), r.PostFormValue("password"), r.PostFormValue("again"))
	var known *HTTPError
	switch {
	case err == nil:
		return s.seeOther(w, r, "/admin/account", notice{Text: "Your password is changed. You are signed out everywhere else."})
	case errors.Is(err, auth.ErrWrong):
		if err := s.auditWrong(r, "password.set", userOf(r).Email, "wrong password"); err != nil {
			return err
		}
		return s.showAccount(w, r, http.StatusUnprocessableEntity, "The present password is wrong.")
	case errors.Is(err, auth.ErrInvalid), errors.As(err, &known):
		return s.showAccount(w, r, http.StatusUnprocessableEntity, sentence(err.Error()))
	}
	return refused(err)
}

func (s *Server) setPassword(w http.ResponseWriter, r *http.Request, present, password, again string) error {
	user := userOf(r)
	if _, err := s.gate.CheckPassword(r.Context(), s.DB.Read(), user.Email, present, s.address(r)); err != nil {
		return err
	}
	if password != again {
		return errDiffer
	}
	passwordHash, err := s.gate.HashPassword(r.Context(), user.Email, password)
	if err != nil {
		return err
	}
	return s.keepSession(w, r, "password.set", "", "your password was changed", func(q *db.Queries) error {
		return auth.SetPassword(r.Context(), q, user.ID, passwordHash)
	})
}

// keepSession changes what somebody signs in with, signs them out everywhere but here, and mails them what it was.
func (s *Server) keepSession(w http.ResponseWriter, r *http.Request, action, detail, what string, do func(q *db.Queries) error) error {
	var token string
	err := s.DB.Tx(r.Context(), func(q *db.Queries) (err error) {
		if err := do(q); err != nil {
			return err
		}
		if token, err = auth.KeepSession(r.Context(), q, userOf(r).ID, s.sessionToken(r)); err != nil {
			return err
		}
		if err := s.audit(r.Context(), q, r, action, userOf(r).Email, detail); err != nil {
			return err
		}
		return s.tell(q, r, userOf(r).ID, what)
	})
	if err == nil {
		http.SetCookie(w, s.cookie(sessionCookie, token, 0))
	}
	return err
}

// accounts writes to people about their accounts.
func (s *Server) accounts() mail.Accounts {
	return mail.Accounts{Templates: s.Mails, URL: s.URL, Location: s.Location, Send: s.Send}
}

// changeBy is a change that a request makes.
func (s *Server) changeBy(r *http.Request, what string) mail.Change {
	return mail.Change{What: what, By: userOf(r).Email, Address: s.address(r)}
}

// tell mails who has an account what they, or somebody as them, changed about it.
func (s *Server) tell(q *db.Queries, r *http.Request, id int64, what string) error {
	user, err := q.UserByID(r.Context(), id)
	if err != nil {
		return fmt.Errorf("read user %d: %w", id, err)
	}
	change := s.changeBy(r, what)
	change.By = ""
	return s.accounts().Changed(r.Context(), q, user, change)
}

// endOtherSessions answers POST /admin/account/sessions/others.
func (s *Server) endOtherSessions(w http.ResponseWriter, r *http.Request) error {
	err := s.DB.Tx(r.Context(), func(q *db.Queries) error {
		if err := auth.EndOtherSessions(r.Context(), q, userOf(r).ID, s.sessionToken(r)); err != nil {
			return err
		}
		return s.audit(r.Context(), q, r, "sessions.end", userOf(r).Email, "all but this one")
	})
	if err != nil {
		return err
	}
	return s.seeOther(w, r, "/admin/account", notice{Text: "You are signed out everywhere but here."})
}

// endAllSessions answers POST /admin/account/sessions/all.
func (s *Server) endAllSessions(w http.ResponseWriter, r *http.Request) error {
	err := s.DB.Tx(r.Context(), func(q *db.Queries) error {
		if err := auth.EndSessions(r.Context(), q, userOf(r).ID); err != nil {
			return err
		}
		return s.audit(r.Context(), q, r, "sessions.end", userOf(r).Email, "everywhere")
	})
	if err != nil {
		return err
	}
	http.SetCookie(w, s.cookie(sessionCookie, "", -1))
	return s.seeOther(w, r, "/admin/sign-in", notice{Text: "You are signed out everywhere."})
}
