package server

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"bursar/app/auth"
	"bursar/app/customer"
	"bursar/app/mail"
)

// page is what the layout shows around the content. The data of each page is a struct that embeds it.
type page struct {
	Title    string
	Path     string
	User     auth.User // zero on the sign-in pages
	Notice   *notice
	Demo     bool
	Version  string
	Timezone string
	Now      time.Time

	Firing     int    // alerts that ask for somebody
	MailBroken string // why mail does not leave, "" if it does
}

// notice says what the last action did, once.
type notice struct {
	Text string
	Bad  bool
	Undo *action // where the action can be taken back
}

// action is a button that posts.
type action struct{ Label, Path string }

type navItem struct {
	Label, Path string
	Current     bool
	N           int // what asks for somebody there
}

// navEntry is a page of the menu, for those who may open it.
type navEntry struct {
	label, path string
	needs       auth.Permission
}

// Of the menu, the daily pages stand in one line and the others under More.
var (
	navigation = [...]navEntry{
		{"Today", "/admin", auth.Look},
		{"Customers", "/admin/customers", auth.Look},
		{"Tickets", "/admin/tickets", auth.Look},
		{"Money", "/admin/actions", auth.Look},
		{"Reports", "/admin/reports", auth.Look},
		{"Alerts", alertsPath, auth.Look},
		{"Jobs", "/admin/jobs", auth.Look},
	}
	moreNavigation = [...]navEntry{
		{"Contacts", "/admin/contacts", auth.Look},
		{"Events", "/admin/events", auth.Look},
		{"Stripe", stripePath, auth.Look},
		{"Connectors", "/admin/connectors", auth.Look},
		{"Outbox", "/admin/outbox", auth.ReadPayments},
		{"Activity", "/admin/activity", auth.ReadAudit},
		{"People", "/admin/people", auth.ManagePeople},
		{"Roles", "/admin/roles", auth.ManagePeople},
		{"Settings", "/admin/settings", auth.ManageSettings},
	}
)

// Nav is the line of the menu for who is signed in.
func (p page) Nav() []navItem { return p.menu(navigation[:]) }

// NavMore is the rest of the menu.
func (p page) NavMore() []navItem { return p.menu(moreNavigation[:]) }

func (p page) menu(entries []navEntry) (items []navItem) {
	for _, n := range entries {
		if p.User.Role.May(n.needs) {
			current := p.Path == n.path || n.path != "/admin" && strings.HasPrefix(p.Path, n.path+"/") ||
				n.path == "/admin/reports" && strings.HasPrefix(p.Path, "/admin/findings/")
			item := navItem{Label: n.label, Path: n.path, Current: current}
			if n.path == alertsPath {
				item.N = p.Firing
			}
			items = append(items, item)
		}
	}
	return items
}

type userKey struct{}

// userOf is who is signed in; zero on public routes.
func userOf(r *http.Request) auth.User {
	u, _ := r.Context().Value(userKey{}).(auth.User)
	return u
}

func withUser(r *http.Request, u auth.User) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), userKey{}, u))
}

// page begins the data of a page.
func (s *Server) page(w http.ResponseWriter, r *http.Request, title string) page {
	p := page{Title: title, Path: r.URL.Path, User: userOf(r), Notice: s.takeNotice(w, r), Demo: s.Demo != nil,
		Version: s.Version, Timezone: s.Location.String(), Now: time.Now()}
	if s.Alerts != nil {
		p.Firing, p.MailBroken = s.Alerts.Count(), s.Alerts.MailBroken()
	}
	return p
}

// render writes a page, whole or not at all: a template that fails half way shows the error page instead.
func (s *Server) render(w http.ResponseWriter, status int, name string, data any) error {
	t, err := s.pages.template(name)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, "layout", data); err != nil {
		return fmt.Errorf("page %s: %w", name, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, err = b.WriteTo(w)
	return err
}

// pages are the templates of web/pages, each parsed with the layout, and the files of web/assets.
type pages struct {
	files     fs.FS
	funcs     template.FuncMap
	templates map[string]*template.Template
	assets    map[string]asset // by name with hash, as pages call them
}

type asset struct {
	body []byte
	kind string
}

var assetKinds = map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}

func newPages(files fs.FS, zone *time.Location) (*pages, error) {
	p := &pages{files: files, templates: map[string]*template.Template{}, assets: map[string]asset{}}
	names, err := fs.Glob(files, "web/assets/*")
	if err != nil {
		return nil, err
	}
	hashed := map[string]string{}
	for _, path := range names {
		body, err := fs.ReadFile(files, path)
		if err != nil {
			return nil, err
		}
		name := strings.TrimPrefix(path, "web/assets/")
		sum := sha256.Sum256(body)
		base, ext, _ := strings.Cut(name, ".")
		hashed[name] = base + "." + hex.EncodeToString(sum[:6]) + "." + ext
		p.assets[hashed[name]] = asset{body, assetKinds["."+ext]}
	}
	p.funcs = pageFuncs(zone, hashed)
	return p, p.parse()
}

func (p *pages) parse() error {
	names, err := fs.Glob(p.files, "web/pages/*.html")
	if err != nil {
		return err
	}
	for _, path := range names {
		name := strings.TrimSuffix(strings.TrimPrefix(path, "web/pages/"), ".html")
		if name == "layout" || name == "parts" {
			continue
		}
		t, err := template.New(name).Funcs(p.funcs).ParseFS(p.files, "web/pages/layout.html", "web/pages/parts.html", path)
		if err != nil {
			return fmt.Errorf("parse page %s: %w", name, err)
		}
		p.templates[name] = t
	}
	return nil
}

func (p *pages) template(name string) (*template.Template, error) {
	t := p.templates[name]
	if t == nil {
		return nil, fmt.Errorf("there is no page template %q", name)
	}
	return t, nil
}

// pageFuncs are what templates can say besides their data.
func pageFuncs(zone *time.Location, assets map[string]string) template.FuncMap {
	return template.FuncMap{
		// asset is the path of a file of web/assets that changes with its contents.
		"asset": func(name string) (string, error) {
			if assets[name] == "" {
				return "", fmt.Errorf("there is no asset %s", name)
			}
			return "/assets/" + assets[name], nil
		},
		// ago is a time as people say it, with the exact one on hover; it takes time.Time and db.Time.
		"ago":    func(t any) template.HTML { return agoHTML(t, time.Now(), zone) },
		"clock":  func(t any) string { return clock(t, zone) },
		"amount": customer.FormatAmount,
		"tone":   tone,
		// line is what others wrote, fit for one line.
		"line": func(s string) string { return mail.Line(s, lineLength) },
	}
}

// serveAsset serves a file of web/assets. Its name changes with its contents, so it never goes stale.
func (s *Server) serveAsset(w http.ResponseWriter, r *http.Request) error {
	a, ok := s.pages.assets[r.PathValue("name")]
	if !ok {
		return &HTTPError{Code: http.StatusNotFound, Msg: "there is no such file"}
	}
	w.Header().Set("Content-Type", a.kind)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	_, err := w.Write(a.body)
	return err
}
