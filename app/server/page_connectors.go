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
