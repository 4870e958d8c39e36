package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode"

	"bursar/app/db"
	"bursar/app/support"
)

// ticketRequest is what POST /api/v1/tickets takes: who it is from, by user_id or email or both, and what
// they say.
type ticketRequest struct {
	UserID  string `json:"user_id"`
	Email   string `json:"email"`
	Subject string `json:"subject"`
	Body    string `json:"body"`
	Queue   string `json:"queue"`
}

// ticketAnswer is the ticket that stands for a request.
type ticketAnswer struct {
	Reference string `json:"reference"`
	Queue     string `json:"queue"`
	Status    string `json:"status"`
}

// postTicket answers POST /api/v1/tickets with 201, or 200 if the Idempotency-Key opened it before.
func (s *Server) postTicket(w http.ResponseWriter, r *http.Request) error {
	key := r.Header.Get("Idempotency-Key")
	if err := checkText("Idempotency-Key", key); err != nil {
		return err
	}
	var req ticketRequest
	if err := decode(w, r, &req); err != nil {
		return err
	}
	if err := req.check(); err != nil {
		return err
	}
	t, err := s.ticketOf(r.Context(), req, key)
	if err != nil {
		return err
	}
	known, err := s.storedTicket(r.Context(), t)
	if err != nil {
		return err
	}
	reference, err := s.Desk.Open(r.Context(), t)
	if err != nil {
		return notStored(err)
	}
	now, err := s.storedTicket(r.Context(), t) // again, as another request with this key may have won
	if err != nil {
		return err
	}
	status := http.StatusCreated
	if known != nil {
		status = http.StatusOK
	}
	answer := ticketAnswer{reference, t.Queue, "open"}
	if now != nil {
		answer.Queue, answer.Status = now.Queue, now.Status
	}
	return writeJSON(w, status, answer)
}

func (t *ticketRequest) check() error {
	if t.UserID == "" && t.Email == "" {
		return badRequest("user_id or email must say who the ticket is from")
	}
	if err := checkText("user_id", t.UserID); err != nil {
		return err
	}
	if t.Email != "" {
		if err := checkEmail(t.Email); err != nil {
			return err
		}
	}
	if err := checkText("subject", t.Subject); err != nil {
		return err
	}
	if strings.TrimSpace(t.Subject) == "" || strings.TrimSpace(t.Body) == "" {
		return badRequest("subject and body must not be empty")
	}
	if strings.ContainsFunc(t.Body, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' }) {
		return badRequest("body has control characters")
	}
	if t.Queue == "" {
		t.Queue = support.General
	}
	if !slices.Contains(support.Queues[:], t.Queue) {
		return badRequest("queue is not one of " + strings.Join(support.Queues[:], ", "))
	}
	return nil
}

// ticketOf is the ticket that a request asks for. A user who is not known has none to belong to, and an
// e-mail address alone proves nothing: both are in the text for whoever answers.
func (s *Server) ticketOf(ctx context.Context, req ticketRequest, key string) (support.Ticket, error) {
	if key == "" {
		key = rand.Text()
	}
	id, err := s.DB.Read().LinkOf(ctx, "user", req.UserID)
	if err != nil && !errors.Is(err, db.ErrNoRows) {
		return support.Ticket{}, fmt.Errorf("look up a user: %w", err)
	}
	var from []string
	if req.UserID != "" {
		from = append(from, "User: "+req.UserID)
	}
	if req.Email != "" {
		from = append(from, "E-mail: "+req.Email)
	}
	return support.Ticket{CustomerID: id, Cause: "api:" + key, Queue: req.Queue, Priority: support.Normal, Subject: req.Subject,
		Author: "customer", Body: strings.Join(from, "\n") + "\n\n" + req.Body}, nil
}

// storedTicket is the ticket of the same cause in the built-in desk, nil if there is none. It is an
// error if it was opened with other words: then the key was used for two things.
func (s *Server) storedTicket(ctx context.Context, t support.Ticket) (*db.Ticket, error) {
	stored, err := s.DB.Read().TicketByCause(ctx, t.Cause)
	if errors.Is(err, db.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the ticket of %s: %w", t.Cause, err)
	}
	messages, err := s.DB.Read().MessagesOf(ctx, stored.ID)
	if err != nil {
		return nil, fmt.Errorf("read the ticket of %s: %w", t.Cause, err)
	}
	if stored.Subject != t.Subject || len(messages) == 0 || messages[0].Body != t.Body {
		return nil, &HTTPError{Code: http.StatusUnprocessableEntity, Msg: "this Idempotency-Key was used for another ticket"}
	}
	return &stored, nil
}
