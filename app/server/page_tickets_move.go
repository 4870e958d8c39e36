package server

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"bursar/app/auth"
	"bursar/app/db"
	"bursar/app/support"
)

func (s *Server) ticketMoveRoutes() []Route {
	return []Route{{"POST", "/admin/tickets/{id}/move", may(auth.WorkTickets), s.placeTicket}}
}

// placeTicket answers POST /admin/tickets/{id}/move: another queue, priority or person.
func (s *Server) placeTicket(w http.ResponseWriter, r *http.Request) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	ctx := r.Context()
	people, err := s.DB.Read().Assignable(ctx)
	if err != nil {
		return fmt.Errorf("list the people: %w", err)
	}
	assigned, err := strconv.ParseInt(r.Form.Get("assigned_to"), 10, 64)
	to := support.Place{Queue: r.Form.Get("queue"), Priority: r.Form.Get("priority"), AssignedTo: assigned}
	known := assigned == 0 || slices.ContainsFunc(people, func(p db.AssignableRow) bool { return p.ID == assigned })
	if err != nil || !to.Valid() || !known {
		return badRequest("choose a queue, a priority, and somebody who may sign in or nobody")
	}
	id, err := pathID(r, noTicket)
	if err != nil {
		return err
	}
	var from support.Place
	var change string
	err = s.DB.Tx(ctx, func(q *db.Queries) error {
		t, err := q.TicketByID(ctx, id)
		if err != nil {
			return found(err, noTicket)
		}
		from = support.PlaceOf(t)
		if change, err = support.Move(ctx, q, t, to, userOf(r).Email); err != nil || change == "" {
			return err
		}
		e := s.entry(r, "tickets.move", support.Reference(id), change)
		e.Before, e.After = from.String(), to.String()
		return auth.Audit(ctx, q, e)
	})
	if err != nil {
		return err
	}
	if change == "" {
		return s.seeOther(w, r, ticketPath(id), notice{Text: support.Reference(id) + " is there already."})
	}
	return s.seeOther(w, r, ticketPath(id), notice{Text: support.Reference(id) + ": " + change + ".", Undo: &action{"Undo", movePath(id, from)}})
}

// movePath is what to post to put a ticket somewhere.
func movePath(id int64, to support.Place) string {
	return ticketPath(id) + "/move?" + url.Values{"queue": {to.Queue}, "priority": {to.Priority}, "assigned_to": {strconv.FormatInt(to.AssignedTo, 10)}}.Encode()
}
