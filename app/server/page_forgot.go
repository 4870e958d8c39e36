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

func (s *Server) forgotRoutes() []Route {
	return []Route{
		{"GET", "/admin/forgot", Public, s.forgotPage},
		{"POST", "/admin/forgot", Public, s.forgot},
	}
}

type forgotPage struct {
	page
	ByMail bool
	Asked  string // the address that was typed
}

// forgotPage answers GET /admin/forgot: what to do about a forgotten password.
func (s *Server) forgotPage(w http.ResponseWriter, r *http.Request) error {
	return s.render(w, http.StatusOK, "forgot", forgotPage{s.page(w, r, "Forgot your password?"), s.Resets, ""})
}

// forgot answers POST /admin/forgot the same for every address, known or not: a mail says the rest.
func (s *Server) forgot(w http.ResponseWriter, r *http.Request) error {
	if !s.Resets {
		return notFound("passwords are not reset by mail here; ask an owner for a new link")
	}
	if err := readForm(w, r); err != nil {
		return err
	}
	if !s.gate.MayReset(s.address(r)) {
		return refused(auth.ErrTooMany)
	}
	email := strings.TrimSpace(r.PostFormValue("email"))
	err := s.DB.Tx(r.Context(), func(q *db.Queries) error { return s.putReset(q, r, email) })
	if err != nil {
		return err
	}
	return s.render(w, http.StatusOK, "forgot", forgotPage{s.page(w, r, "Look into your mailbox"), true, mail.Line(email, maxDetail)})
}

// resetMail is what the mail says.
type resetMail struct{ Email, Link, Address string }

// putReset writes for an address that nobody has as well, so that the answer takes as long.
func (s *Server) putReset(q *db.Queries, r *http.Request, email string) error {
	user, token, err := auth.NewReset(r.Context(), q, email)
	entry := s.entry(asUser(r, user), "password.forgot", user.Email, "")
	if errors.Is(err, auth.ErrLink) {
		entry.Outcome, entry.Detail = auth.Failed, "no mail: nobody who can sign in has this address, or they got one lately"
		if user.ID == 0 {
			entry.Actor = "somebody"
		}
		if !s.wrongs.Allow() {
			return nil
		}
		return auth.Audit(r.Context(), q, entry)
	}
	if err != nil {
		return err
	}
	if err := auth.Audit(r.Context(), q, entry); err != nil {
		return err
	}
	data := resetMail{user.Email, auth.LinkURL(s.URL, mail.Hidden), s.address(r)}
	m := mail.Message{Key: fmt.Sprintf("reset/%d/%d", user.ID, db.Now().UnixMilli()), To: []string{user.Email}}
	if m.Subject, m.Text, m.HTML, err = s.Mails.Render("reset", data); err != nil {
		return err
	}
	m.Secret = s.Key.Seal(token, mail.SecretOf(m.Key))
	return mail.Put(r.Context(), q, m, true)
}
