package server

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"bursar/app/db"
	"bursar/app/money"
	"bursar/app/queue"
)

// decideAction answers POST /admin/actions/{id}/approve and …/decline.
func (s *Server) decideAction(approve bool) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		id, err := pathID(r, noAction)
		if err == nil {
			err = readForm(w, r)
		}
		if err != nil {
			return err
		}
		reason := strings.TrimSpace(r.PostForm.Get("reason"))
		if utf8.RuneCountInString(reason) > maxText || !utf8.ValidString(reason) {
			return badRequest(fmt.Sprintf("the note must be at most %d characters", maxText))
		}
		path := fmt.Sprintf("/admin/actions/%d", id)
		_, err = s.Money.Decide(r.Context(), id, approve, userOf(r), s.address(r), reason)
		switch {
		case errors.Is(err, db.ErrNoRows):
			return notFound(noAction)
		case errors.Is(err, money.ErrOwn):
			return &HTTPError{Code: http.StatusForbidden, Msg: "you asked for this yourself; a second person must approve it", Err: err}
		case err != nil:
			refused, err := refusalOf(err)
			if err != nil {
				return err
			}
			return s.seeOther(w, r, path, notice{Text: refused, Bad: true})
		case approve:
			return s.seeOther(w, r, path, notice{Text: "Approved. What Stripe answers shows here in a moment."})
		}
		return s.seeOther(w, r, path, notice{Text: "Declined. Nothing was done."})
	}
}

// lookForAction answers POST /admin/actions/{id}/look: its job runs now, and looks before it does anything.
func (s *Server) lookForAction(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, noAction)
	if err != nil {
		return err
	}
	ctx, open := r.Context(), false
	err = s.DB.Tx(ctx, func(q *db.Queries) error {
		a, err := q.ActionByID(ctx, id)
		if err != nil {
			return found(err, noAction)
		}
		if open = !money.IsFinal(a.State) && a.State != money.Proposed; !open {
			return nil
		}
		if err := queue.Hurry(ctx, q, money.RunAction{Action: id}, time.Now()); err != nil {
			return err
		}
		return s.audit(ctx, q, r, "money.look", a.Target, "action "+strconv.FormatInt(id, 10))
	})
	if err != nil {
		return err
	}
	done := notice{Text: "Stripe is being asked what became of it."}
	if !open {
		done = notice{Text: "There is nothing to look for: it is settled, or was not approved.", Bad: true}
	}
	return s.seeOther(w, r, fmt.Sprintf("/admin/actions/%d", id), done)
}
