package server

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"bursar/app/auth"
)

func (s *Server) roleRoutes() []Route {
	return []Route{{"GET", "/admin/roles", may(auth.ManagePeople), s.rolesPage}}
}

// rolesPage is who may do what: in words, and route by route as the server decides it.
type rolesPage struct {
	page
	Roles  []auth.Role
	Rights []right
	Routes []routeLine
}

// right is what a permission opens.
type right struct {
	Words string
	Has   []bool // by role
}

// routeLine is a route of the table.
type routeLine struct {
	Method, Path string
	Needs        string // the permission in words, "" on routes that are not for people
	Who          string
}

// rolesPage answers GET /admin/roles.
func (s *Server) rolesPage(w http.ResponseWriter, r *http.Request) error {
	p := rolesPage{page: s.page(w, r, "Roles"), Roles: ascendingRoles()}
	for _, permission := range auth.Permissions() {
		one := right{Words: permission.Words()}
		for _, role := range p.Roles {
			one.Has = append(one.Has, role.May(permission))
		}
		p.Rights = append(p.Rights, one)
	}
	for _, route := range sortedRoutes(s.routes) {
		p.Routes = append(p.Routes, routeLine{route.Method, route.Path, auth.Permission(route.Access).Words(), route.who()})
	}
	return s.render(w, http.StatusOK, "roles", p)
}

// ascendingRoles are the roles as people read a table: who may least comes first.
func ascendingRoles() []auth.Role {
	roles := auth.Roles()
	slices.Reverse(roles)
	return roles
}

func sortedRoutes(routes []Route) []Route {
	return slices.SortedFunc(slices.Values(routes), func(a, b Route) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Method, b.Method))
	})
}

// who may ask for a route, in words.
func (r Route) who() string {
	switch r.Access {
	case Public:
		return "everybody"
	case Signed:
		return "Stripe, by the signature of the body"
	case APIKey:
		return "programs whose API key may " + string(scopeOf(r.Method))
	case LoopbackOrAPIKey:
		return "this machine, and programs whose API key may " + string(scopeOf(r.Method))
	}
	var roles []string
	for _, role := range ascendingRoles() {
		if r.Access.admits(role) {
			roles = append(roles, string(role))
		}
	}
	return strings.Join(roles, ", ")
}
