package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"bursar/app/auth"
	"bursar/app/connect"
	"bursar/app/db"
	"bursar/app/mail"
	"bursar/app/queue"
)

type confirmModeData struct {
	page
	connectorRow
	To string // the mode
}

// confirmMode answers GET /admin/connectors/{system}/mode?to=…: what follows from another mode.
func (s *Server) confirmMode(w http.ResponseWriter, r *http.Request) error {
	k, err := s.keeperOf(r)
	if err != nil {
		return err
	}
	row, err := connectorOf(r.Context(), s.DB.Read(), k)
	if err != nil {
		return err
	}
	to := r.URL.Query().Get("to")
	if to != connect.Live && to != connect.Observe && to != connect.Off {
		return badRequest("the mode is observe, live or off")
	}
	return s.render(w, http.StatusOK, "connector-mode", confirmModeData{s.page(w, r, row.Label+": "+to), row, to})
}

// changeMode answers POST /admin/connectors/{system}/mode. Going live writes what was observed (catch=yes), or only
// what changes from then on.
func (s *Server) changeMode(w http.ResponseWriter, r *http.Request) error {
	k, err := s.keeperOf(r)
	if err != nil {
		return err
	}
	if err := readForm(w, r); err != nil {
		return err
	}
	ctx, to, catch := r.Context(), r.PostForm.Get("to"), r.PostForm.Get("catch") == "yes"
	if to != connect.Live && to != connect.Observe && to != connect.Off {
		return badRequest("the mode is observe, live or off")
	}
	changed := int64(0)
	err = s.DB.Tx(ctx, func(q *db.Queries) error {
		before, err := q.Connector(ctx, k.System)
		if err != nil {
			return err
		}
		if changed, err = q.SetConnectorMode(ctx, to, db.Now(), k.System); err != nil || changed == 0 {
			return err
		}
		detail := ""
		if to == connect.Live {
			if detail = "from now on"; catch {
				detail = "with what stands here"
			}
			if err := k.GoLive(ctx, q, catch); err != nil {
				return err
			}
		}
		e := s.entry(r, "connectors.mode", k.System, detail)
		e.Before, e.After = before.Mode, to
		return auth.Audit(ctx, q, e)
	})
	if err != nil {
		return notStored(fmt.Errorf("set the mode of %s: %w", k.System, err))
	}
	done := notice{Text: k.Vendor.Label + " is now in the mode " + to + "."}
	if changed == 0 {
		done = notice{Text: k.Vendor.Label + " was in the mode " + to + " already.", Bad: true}
	}
	return s.seeOther(w, r, "/admin/connectors/"+k.System, done)
}

// connectorCards are connectors that a person has to look at.
func (s *Server) connectorCards(ctx context.Context, q *db.Queries, _ auth.Role) (cards []card, err error) {
	for _, k := range s.Connectors {
		c, err := q.Connector(ctx, k.System)
		if err != nil {
			return nil, err
		}
		text := c.Problem
		if !c.HeldAt.IsZero() {
			text = c.HeldReason
		}
		if text == "" || c.Mode == connect.Off {
			continue
		}
		cards = append(cards, card{Bad: true, Title: "The connector to " + k.Vendor.Label + " needs you", Text: mail.UpperFirst(mail.Line(text, lineLength)) + ".",
			Since: c.UpdatedAt.Time, Button: cardButton{Label: "Open the connector", Path: "/admin/connectors/" + c.System}, n: 1})
	}
	return cards, nil
}

// pushTicket queues what a person did to a ticket for the desk of another company, where there is one.
func (s *Server) pushTicket(ctx context.Context, q *db.Queries, id int64) error {
	if s.Hooks == nil {
		return nil
	}
	t, err := q.TicketByID(ctx, id)
	if err != nil {
		return err
	}
	return queue.Insert(ctx, q, connect.PushTicket{Cause: t.Cause})
}

// there is how tickets stand on the desk of another company, by their number here.
func (s *Server) there(ctx context.Context, ids ...int64) (map[int64]db.DeskTicket, error) {
	list := map[int64]db.DeskTicket{}
	if s.Hooks == nil {
		return list, nil
	}
	text, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	rows, err := s.DB.Read().DeskTicketsOf(ctx, string(text))
	if err != nil {
		return nil, fmt.Errorf("read how the tickets stand there: %w", err)
	}
	for _, row := range rows {
		if !strings.HasPrefix(row.URL, "https://") {
			row.URL = "" // what others wrote is no link before it looks like one
		}
		row.Status, row.Assignee = mail.Line(row.Status, maxName), mail.Line(row.Assignee, maxName)
		list[row.TicketID] = row
	}
	return list, nil
}
