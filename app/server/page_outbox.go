package server

import (
	"fmt"
	"io"
	"net/http"

	"bursar/app/db"
	"bursar/app/mail"
)

// outboxPageData is the list of mails.
type outboxPageData struct {
	page
	pager
	Mails []mailRow
}

type mailRow struct {
	db.ListMailsRow
	Words string // its state
}

// outboxPage answers GET /admin/outbox.
func (s *Server) outboxPage(w http.ResponseWriter, r *http.Request) error {
	rows, err := s.DB.Read().ListMails(r.Context(), cursorOf(r), listSize+1)
	if err != nil {
		return fmt.Errorf("list the mails: %w", err)
	}
	rows, next := cut(rows, func(m db.ListMailsRow) int64 { return m.ID })
	d := outboxPageData{page: s.page(w, r, "Outbox"), pager: pagerOf(r, next)}
	for _, m := range rows {
		d.Mails = append(d.Mails, mailRow{m, mailWords(m.State)})
	}
	return s.render(w, http.StatusOK, "outbox", d)
}

// mailWords says what became of a mail.
func mailWords(state string) string {
	switch state {
	case mail.Kept:
		return "kept here: mail is not set up"
	case mail.Waiting:
		return "waiting to be sent"
	case mail.Sent:
		return "sent: the mail server took it"
	case mail.Superseded:
		return "superseded: it got old and is not sent"
	case mail.Failed:
		return "failed: the mail server refused it"
	}
	return state
}

// mailPageData is one mail.
type mailPageData struct {
	page
	Mail  db.Mail
	Words string // its state
}

// noMail says that a mail is not there.
const noMail = "there is no such mail in the outbox"

// mailPage answers GET /admin/outbox/{id}.
func (s *Server) mailPage(w http.ResponseWriter, r *http.Request) error {
	m, err := s.storedMail(r)
	if err != nil {
		return err
	}
	return s.render(w, http.StatusOK, "mail", mailPageData{s.page(w, r, m.Subject), m, mailWords(m.State)})
}

func (s *Server) storedMail(r *http.Request) (db.Mail, error) {
	id, err := pathID(r, noMail)
	if err != nil {
		return db.Mail{}, err
	}
	m, err := s.DB.Read().MailByID(r.Context(), id)
	return m, found(err, noMail)
}

// mailHTML answers GET /admin/outbox/{id}/html with the HTML part, for a frame of these pages. Mails carry
// their style inline; nothing else of them may run, load or lead anywhere.
func (s *Server) mailHTML(w http.ResponseWriter, r *http.Request) error {
	m, err := s.storedMail(r)
	if err != nil {
		return err
	}
	if m.HTML == "" {
		return notFound("this mail has no HTML part")
	}
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, err = io.WriteString(w, m.HTML)
	return err
}
