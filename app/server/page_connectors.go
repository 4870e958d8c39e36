package server

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"bursar/app/auth"
	"bursar/app/connect"
	"bursar/app/crm"
	"bursar/app/db"
	"bursar/app/mail"
	"bursar/app/queue"
)

func (s *Server) connectorRoutes() []Route {
	return []Route{
		{"GET", "/admin/connectors", may(auth.Look), s.connectorsPage},
		{"GET", "/admin/connectors/{system}", may(auth.Look), s.connectorPage},
		{"GET", "/admin/connectors/{system}/mode", may(auth.ManageSettings), s.fresh(s.confirmMode)},
		{"POST", "/admin/connectors/{system}/mode", may(auth.ManageSettings), s.fresh(s.changeMode)},
	}
}

// connectorRow is a system of another company, and how it stands.
type connectorRow struct {
	db.Connector
	Label, For string
	Address    string // of its page
	Written    int64  // records that stand there
	Observed   int64  // records that would be written
	Troubled   int64  // records whose outcome is not known, or that a person has to look at
}

// Verdict is how it is, in a word and in a sentence.
func (c connectorRow) Verdict() (tone, text string) {
	switch {
	case c.Mode == connect.Off:
		return "", "Off: nothing is read or written."
	case !c.HeldAt.IsZero():
		return "bad", "Held: " + c.HeldReason + ". It goes on by itself when a probe succeeds."
	case c.Problem != "":
		return "bad", c.Problem
	case c.Mode == connect.Observe:
		return "warn", "It only observes: what it would write is listed, and nothing is written."
	}
	return "good", "It is live and in order."
}

// Tone of the verdict.
func (c connectorRow) Tone() string { tone, _ := c.Verdict(); return tone }

// Says is the sentence of the verdict.
func (c connectorRow) Says() string { _, text := c.Verdict(); return mail.Line(text, lineLength) }

type connectorsPageData struct {
	page
	Connectors []connectorRow
	CanChange  bool
}

// connectorsPage answers GET /admin/connectors.
func (s *Server) connectorsPage(w http.ResponseWriter, r *http.Request) error {
	d := connectorsPageData{page: s.page(w, r, "Connectors"), CanChange: userOf(r).Role.May(auth.ManageSettings)}
	for _, k := range s.Connectors {
		row, err := connectorOf(r.Context(), s.DB.Read(), k)
		if err != nil {
			return err
		}
		d.Connectors = append(d.Connectors, row)
	}
	return s.render(w, http.StatusOK, "connectors", d)
}

func connectorOf(ctx context.Context, q *db.Queries, k *connect.Keeper) (connectorRow, error) {
	c, err := q.Connector(ctx, k.System)
	if err != nil {
		return connectorRow{}, fmt.Errorf("read the connector %s: %w", k.System, err)
	}
	counts, err := q.CountExternalRefs(ctx, k.System)
	if err != nil {
		return connectorRow{}, fmt.Errorf("count what %s has: %w", k.System, err)
	}
	row := connectorRow{Connector: c, Label: k.Vendor.Label, For: "contacts", Address: "/admin/connectors/" + k.System}
	if strings.HasPrefix(k.System, connect.AreaDesk+":") {
		row.For = "tickets"
	}
	for _, n := range counts {
		switch n.State {
		case "linked":
			row.Written += n.N
		case "observed":
			row.Observed += n.N
		case "unknown", "asking":
			row.Troubled += n.N
		}
	}
	return row, nil
}

// writeRow is one write, made or only observed.
type writeRow struct {
	db.ExternalWrite
	Who  link
	What string
	List []crm.Change
}

// refRow is a record that a person should know of.
type refRow struct {
	db.ExternalRef
	Who   link
	Words string
}

type connectorPageData struct {
	page
	pager
	connectorRow
	Shown     string // observed or written
	Writes    []writeRow
	Troubles  []refRow
	CanChange bool
	Modes     []string // it can be set to
}

// vendorNames are what the CRM and the desk are called over their columns.
func (s *Server) vendorNames() (inCRM, onDesk string) {
	inCRM, onDesk = "built-in", "built-in"
	for _, k := range s.Connectors {
		if strings.HasPrefix(k.System, connect.AreaCRM+":") {
			inCRM = k.Vendor.Label
		} else {
			onDesk = k.Vendor.Label
		}
	}
	return inCRM, onDesk
}

// keeperOf is the connector that the path names.
func (s *Server) keeperOf(r *http.Request) (*connect.Keeper, error) {
	for _, k := range s.Connectors {
		if k.System == r.PathValue("system") {
			return k, nil
		}
	}
	return nil, notFound("there is no such connector")
}

// connectorPage answers GET /admin/connectors/{system}: what it wrote, or would write, field by field.
func (s *Server) connectorPage(w http.ResponseWriter, r *http.Request) error {
	k, err := s.keeperOf(r)
	if err != nil {
		return err
	}
	ctx, q := r.Context(), s.DB.Read()
	row, err := connectorOf(ctx, q, k)
	if err != nil {
		return err
	}
	d := connectorPageData{page: s.page(w, r, row.Label+" for "+row.For), connectorRow: row, CanChange: userOf(r).Role.May(auth.ManageSettings)}
	d.Shown = cmp.Or(r.URL.Query().Get("show"), map[bool]string{true: "written", false: "observed"}[row.Mode == connect.Live])
	for _, mode := range []string{connect.Observe, connect.Live, connect.Off} {
		if mode != row.Mode {
			d.Modes = append(d.Modes, mode)
		}
	}
	rows, err := q.ExternalWritesPage(ctx, db.ExternalWritesPageParams{System: k.System, Observed: d.Shown == "observed", Before: cursorOf(r), N: listSize + 1})
	if err != nil {
		return fmt.Errorf("list the writes of %s: %w", k.System, err)
	}
	rows, next := cut(rows, func(one db.ExternalWrite) int64 { return one.ID })
	d.pager = pagerOf(r, next)
	for _, one := range rows {
		line := writeRow{ExternalWrite: one, What: one.Kind}
		if err := json.Unmarshal([]byte(one.Changes), &line.List); err != nil {
			return fmt.Errorf("read write %d: %w", one.ID, err)
		}
		if line.Who, err = whoIs(ctx, q, one.CustomerID); err != nil {
			return err
		}
		d.Writes = append(d.Writes, line)
	}
	troubled, err := q.TroubledExternalRefs(ctx, k.System, listSize)
	if err != nil {
		return fmt.Errorf("list the troubles of %s: %w", k.System, err)
	}
	for _, ref := range troubled {
		line := refRow{ExternalRef: ref, Words: refWords(ref, k.Vendor.Label)}
		if line.Who, err = whoIs(ctx, q, ref.CustomerID); err != nil {
			return err
		}
		d.Troubles = append(d.Troubles, line)
	}
	return s.render(w, http.StatusOK, "connector", d)
}

// refWords say what is the matter with a record.
func refWords(ref db.ExternalRef, label string) string {
	switch {
	case ref.State == "asking":
		return "A person has to look at it: " + ref.Problem
	case !ref.TriedAt.IsZero():
		return "Whether " + label + " created it is not known yet; it is looked for before anything is created. " + ref.Problem
	}
	return ref.Problem
}

// whoIs is a link to a customer; empty if nobody is known.
func whoIs(ctx context.Context, q *db.Queries, id int64) (link, error) {
	if id == 0 {
		return link{}, nil
	}
	c, err := q.CustomerByID(ctx, id)
	if errors.Is(err, db.ErrNoRows) {
		return link{Text: fmt.Sprintf("customer %d", id)}, nil // joined with another since
	}
	if err != nil {
		return link{}, fmt.Errorf("read customer %d: %w", id, err)
	}
	return nameLink(c.Name, c.Email, id), nil
}

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
		cards = append(cards, card{Bad: true, Title: "The connector to " + k.Vendor.Label + " needs you", Text: upperFirst(mail.Line(text, lineLength)) + ".",
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
