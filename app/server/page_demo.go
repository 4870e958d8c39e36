package server

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"bursar/app/auth"
	"bursar/app/db"
)

// demoRoutes are those of bursar demo only.
func (s *Server) demoRoutes() []Route {
	return []Route{
		{"GET", "/admin/demo", may(auth.Look), s.demoPage},
		{"POST", "/admin/demo", may(auth.Look), s.pressDemo},
		{"POST", "/admin/demo/role", may(auth.Look), s.changeDemoRole},
	}
}

// demoPageData is the panel: buttons, and what became of the last one that was pressed.
type demoPageData struct {
	page
	Groups []DemoGroup
	Story  []demoStep // of the last button that was about a customer
	Lately []demoLine
}

// demoLine is something that happened outside.
type demoLine struct {
	DemoDeed
	Path string // of the customer, "" while Bursar does not know them
}

// maxDeeds is how much of what happened is listed.
const maxDeeds = 8

// demoPage answers GET /admin/demo.
func (s *Server) demoPage(w http.ResponseWriter, r *http.Request) error {
	ctx, q := r.Context(), s.DB.Read()
	d := demoPageData{page: s.page(w, r, "Demo"), Groups: s.Demo.Groups()}
	deeds := s.Demo.Deeds()
	last := slices.IndexFunc(deeds, func(d DemoDeed) bool { return d.Pressed && d.Customer != "" })
	if last >= 0 {
		var err error
		if d.Story, err = readStory(ctx, q, deeds[last], d.User.Role); err != nil {
			return fmt.Errorf("tell what became of a deed: %w", err)
		}
	}
	for _, deed := range deeds[:min(len(deeds), maxDeeds)] {
		line := demoLine{DemoDeed: deed}
		here, err := q.StripeCustomer(ctx, deed.Customer)
		if err != nil && !errors.Is(err, db.ErrNoRows) {
			return fmt.Errorf("look up who did something: %w", err)
		}
		if here.ID != "" {
			line.Path = fmt.Sprintf("/admin/customers/%d", here.CustomerID)
		}
		d.Lately = append(d.Lately, line)
	}
	return s.render(w, http.StatusOK, "demo", d)
}

// pressDemo answers POST /admin/demo. What it does happens outside: there is nothing to audit.
func (s *Server) pressDemo(w http.ResponseWriter, r *http.Request) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	name := r.PostFormValue("action")
	if name == "more" { // one of a list
		name = r.PostFormValue("more")
	}
	if !slices.ContainsFunc(s.Demo.Groups(), func(g DemoGroup) bool {
		return slices.ContainsFunc(g.Actions, func(a DemoAction) bool { return a.Name == name })
	}) {
		return &HTTPError{Code: http.StatusNotFound, Msg: "there is no such button now; open the demo page again"}
	}
	said, err := s.Demo.Press(r.Context(), name)
	if err != nil {
		return fmt.Errorf("demo, %s: %w", name, err)
	}
	return s.seeOther(w, r, "/admin/demo", notice{Text: said})
}

// changeDemoRole answers POST /admin/demo/role.
func (s *Server) changeDemoRole(w http.ResponseWriter, r *http.Request) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	role := auth.Role(r.PostFormValue("role"))
	if !slices.Contains(auth.Roles(), role) {
		return badRequest("there is no such role")
	}
	if _, err := s.becomeDemoUser(w, r, role); err != nil {
		return notStored(err)
	}
	return s.seeOther(w, r, r.PostFormValue("next"), notice{Text: roleNotice(role)})
}

func roleNotice(role auth.Role) string {
	switch role {
	case auth.Owner:
		return "You are the owner now: you may do everything."
	case auth.Finance:
		return "You work in finance now: people and settings are not yours."
	}
	return "You work in support now: you see customers, tickets and jobs, and decide nothing about money. What you try all the same is denied, and stands in the activity log."
}
