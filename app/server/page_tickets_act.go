package server

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"bursar/app/db"
	"bursar/app/support"
)

// What people do on the desk. Each form has a token, so that a button pressed twice does a thing once.

// ticketForm is a new ticket as it was filled in.
type ticketForm struct {
	Token, Subject, Queue, Priority, Text, Customer string

	Open  bool   // it is shown
	Error string // what to change
}

// fresh gives a form its token.
func (f ticketForm) fresh() ticketForm {
	f.Token = cmp.Or(f.Token, rand.Text())
	return f
}

// noteForm is a note as it was filled in.
type noteForm struct{ Token, Text, Error string }

func (f noteForm) fresh() noteForm {
	f.Token = cmp.Or(f.Token, rand.Text())
	return f
}

// openTicket answers POST /admin/tickets.
func (s *Server) openTicket(w http.ResponseWriter, r *http.Request) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	ctx := r.Context()
	form := ticketForm{Token: r.PostForm.Get("token"), Subject: strings.TrimSpace(r.PostForm.Get("subject")), Queue: r.PostForm.Get("queue"),
		Priority: r.PostForm.Get("priority"), Text: r.PostForm.Get("text"), Customer: strings.TrimSpace(r.PostForm.Get("customer")), Open: true}
	customer, problem, err := s.checkTicket(ctx, form)
	if err != nil {
		return err
	}
	if problem != "" {
		form.Error = problem
		return s.renderTickets(w, r, http.StatusUnprocessableEntity, form)
	}
	t := support.Ticket{CustomerID: customer, Cause: "page:" + cmp.Or(form.Token, rand.Text()), Queue: form.Queue, Priority: form.Priority,
		Subject: form.Subject, Author: userOf(r).Email, Body: form.Text}
	var id int64
	var isNew bool
	err = s.DB.Tx(ctx, func(q *db.Queries) (err error) {
		if id, isNew, err = support.Open(ctx, q, t); err != nil || !isNew {
			return err
		}
		return errors.Join(s.pushTicket(ctx, q, id), s.audit(ctx, q, r, "tickets.open", support.Reference(id), ""))
	})
	if err != nil {
		return notStored(err)
	}
	text := support.Reference(id) + " is open."
	if !isNew {
		text = support.Reference(id) + " was opened by the first press of the button."
	}
	return s.seeOther(w, r, ticketPath(id), notice{Text: text})
}

// checkTicket says what to change about a form, "" if nothing, and whose ticket it is.
func (s *Server) checkTicket(ctx context.Context, f ticketForm) (customer int64, problem string, err error) {
	switch {
	case f.Subject == "":
		return 0, "Write a subject.", nil
	case checkText("The subject", f.Subject) != nil:
		return 0, fmt.Sprintf("The subject must be one line of at most %d characters.", maxText), nil
	case checkNote(f.Text) != "":
		return 0, checkNote(f.Text), nil
	case !slices.Contains(support.Queues[:], f.Queue):
		return 0, "Choose a queue.", nil
	case f.Priority != support.Normal && f.Priority != support.Urgent:
		return 0, "Choose a priority.", nil
	case len(f.Token) > maxText:
		return 0, "Open this page again and send the form from there.", nil
	case f.Customer == "":
		return 0, "", nil
	}
	const nobody = "There is no customer with this number. It is at the end of the address of the customer's page."
	id, err := strconv.ParseInt(f.Customer, 10, 64)
	if err != nil {
		return 0, nobody, nil
	}
	_, err = s.DB.Read().CustomerByID(ctx, id)
	if errors.Is(err, db.ErrNoRows) {
		return 0, nobody, nil
	}
	return id, "", err
}

const maxNote = 20_000 // characters

// checkNote says what to change about the text of a ticket, "" if nothing.
func checkNote(text string) string {
	switch {
	case strings.TrimSpace(text) == "":
		return "Write something first."
	case utf8.RuneCountInString(text) > maxNote:
		return fmt.Sprintf("The text is longer than %d characters. Shorten it, or write two notes.", maxNote)
	case !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' }):
		return "The text has characters that cannot be shown. Paste it without formatting."
	}
	return ""
}

// noteTicket answers POST /admin/tickets/{id}/notes.
func (s *Server) noteTicket(w http.ResponseWriter, r *http.Request) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	ctx := r.Context()
	form := noteForm{Token: r.PostForm.Get("token"), Text: r.PostForm.Get("text")}
	if form.Error = checkNote(form.Text); form.Error != "" {
		return s.renderTicket(w, r, http.StatusUnprocessableEntity, form)
	}
	t, err := s.storedTicketOf(r)
	if err != nil {
		return err
	}
	err = s.DB.Tx(ctx, func(q *db.Queries) error {
		isNew, err := support.Note(ctx, q, t.ID, cmp.Or(form.Token, rand.Text()), userOf(r).Email, form.Text)
		if err != nil || !isNew {
			return err
		}
		return errors.Join(s.pushTicket(ctx, q, t.ID), s.audit(ctx, q, r, "tickets.note", support.Reference(t.ID), ""))
	})
	if err != nil {
		return notStored(fmt.Errorf("note on ticket %d: %w", t.ID, err))
	}
	return s.seeOther(w, r, ticketPath(t.ID), notice{Text: "The note is added."})
}

// closeTicket answers POST /admin/tickets/{id}/close.
func (s *Server) closeTicket(w http.ResponseWriter, r *http.Request) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	text := r.PostForm.Get("text")
	if strings.TrimSpace(text) == "" {
		text = "Closed."
	}
	if problem := checkNote(text); problem != "" {
		return s.renderTicket(w, r, http.StatusUnprocessableEntity, noteForm{Text: text, Error: problem})
	}
	return s.moveTicket(w, r, "tickets.close", func(ctx context.Context, q *db.Queries, id int64) (bool, error) {
		return support.Close(ctx, q, id, userOf(r).Email, text)
	}, func(t db.Ticket, changed bool) notice {
		if !changed {
			return notice{Text: support.Reference(t.ID) + " was closed already.", Bad: true}
		}
		return notice{Text: support.Reference(t.ID) + " is closed. Bursar will not open it again for the same cause.",
			Undo: &action{"Undo: open it again", ticketPath(t.ID) + "/reopen"}}
	})
}

// reopenTicket answers POST /admin/tickets/{id}/reopen.
func (s *Server) reopenTicket(w http.ResponseWriter, r *http.Request) error {
	return s.moveTicket(w, r, "tickets.reopen", func(ctx context.Context, q *db.Queries, id int64) (bool, error) {
		return support.Reopen(ctx, q, id, userOf(r).Email)
	}, func(t db.Ticket, changed bool) notice {
		if !changed {
			return notice{Text: support.Reference(t.ID) + " is open already.", Bad: true}
		}
		return notice{Text: support.Reference(t.ID) + " is open again."}
	})
}

// moveTicket closes or opens a ticket and says what came of it.
func (s *Server) moveTicket(w http.ResponseWriter, r *http.Request, what string,
	move func(context.Context, *db.Queries, int64) (bool, error), say func(db.Ticket, bool) notice) error {
	t, err := s.storedTicketOf(r)
	if err != nil {
		return err
	}
	ctx, changed := r.Context(), false
	err = s.DB.Tx(ctx, func(q *db.Queries) (err error) {
		if changed, err = move(ctx, q, t.ID); err != nil || !changed {
			return err
		}
		return errors.Join(s.pushTicket(ctx, q, t.ID), s.audit(ctx, q, r, what, support.Reference(t.ID), ""))
	})
	if err != nil {
		return notStored(fmt.Errorf("%s of ticket %d: %w", what, t.ID, err))
	}
	return s.seeOther(w, r, ticketPath(t.ID), say(t, changed))
}

func ticketPath(id int64) string { return fmt.Sprintf("/admin/tickets/%d", id) }
