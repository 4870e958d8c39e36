package server

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"

	"bursar/app/auth"
)

// Access says who may ask for a route: one of the callers below, or people with a permission (may). The
// zero value stands for nobody having thought about it.
type Access string

// The callers that are not people who signed in.
const (
	Public           Access = "public"
	Signed           Access = "signed by Stripe" // the handler checks the signature of the body
	APIKey           Access = "API key"
	LoopbackOrAPIKey Access = "API key or this machine"
)

// may is for people with a permission.
func may(p auth.Permission) Access { return Access(p) }

// ofPeople says that the route is for people who are signed in.
func (a Access) ofPeople() bool { return slices.Contains(auth.Permissions(), auth.Permission(a)) }

// admits says whether people of a role may.
func (a Access) admits(role auth.Role) bool { return a.ofPeople() && role.May(auth.Permission(a)) }

// known says that somebody thought about it.
func (a Access) known() bool {
	return a.ofPeople() || slices.Contains([]Access{Public, Signed, APIKey, LoopbackOrAPIKey}, a)
}

// Route is one thing that can be asked for. Path is a pattern of http.ServeMux.
type Route struct {
	Method, Path string
	Access       Access
	Handler      func(w http.ResponseWriter, r *http.Request) error
}

// table is everything the server answers.
func (s *Server) table() []Route {
	routes := []Route{
		{"GET", "/api/health", Public, s.health},
		{"GET", "/metrics", LoopbackOrAPIKey, s.serveMetrics},
		{"GET", "/api/v1/openapi.json", Public, s.openAPI},
		{"PUT", "/api/v1/users/{user_id}", APIKey, s.putUser},
		{"GET", "/api/v1/users/{user_id}/access", APIKey, s.userAccess},
		{"GET", "/api/v1/customers", APIKey, s.findCustomers},
		{"GET", "/api/v1/checkouts/{session_id}", APIKey, s.checkout},
		{"POST", "/api/v1/tickets", APIKey, s.postTicket},
	}
	if len(s.Secrets) > 0 {
		// Stripe takes a redirect for a failure, so both spellings are the route itself.
		routes = append(routes,
			Route{"POST", "/api/webhooks/stripe", Signed, s.stripeWebhook},
			Route{"POST", "/api/webhooks/stripe/{$}", Signed, s.stripeWebhook})
	}
	if s.Hooks != nil && s.Hooks.Vendor.Verify != nil && s.Hooks.Secret != "" {
		routes = append(routes, Route{"POST", "/api/webhooks/" + s.Hooks.Vendor.Name, Signed, s.vendorWebhook})
	}
	if s.pages != nil {
		routes = append(routes, s.adminRoutes()...)
	}
	if s.pages != nil && s.Demo != nil {
		routes = append(routes, s.demoRoutes()...)
	}
	return routes
}

// newMux makes the mux of a table. It refuses a route that does not say who may ask.
func (s *Server) newMux(routes []Route) (*http.ServeMux, error) {
	mux := http.NewServeMux()
	known := map[string]Route{} // by pattern
	for _, route := range routes {
		pattern := route.Method + " " + route.Path
		switch {
		case route.Method == "" || route.Path == "" || route.Handler == nil:
			return nil, fmt.Errorf("%s has no method, path or handler", pattern)
		case !route.Access.known():
			return nil, fmt.Errorf("%s does not say who may ask for it", pattern)
		case known[pattern].Handler != nil:
			return nil, fmt.Errorf("%s is there twice", pattern)
		}
		known[pattern] = route
		mux.Handle(pattern, s.step(func(w *response, r *http.Request) error {
			r, err := s.allow(w, r, route.Access)
			if err != nil {
				return err
			}
			return route.Handler(w, r)
		}))
	}
	mux.Handle("/", s.step(func(w *response, r *http.Request) error { return s.refuse(w, r, mux, known) }))
	return mux, nil
}

// refuse says that there is nothing, or nothing for this method. The mux itself would say the latter in a text of its
// own; a pattern without a method for each path would not go with a path like /new beside /{id}.
func (s *Server) refuse(w *response, r *http.Request, mux *http.ServeMux, known map[string]Route) error {
	var methods []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut} {
		other := r.Clone(r.Context())
		other.Method = method
		_, pattern := mux.Handler(other)
		if route, ok := known[pattern]; ok {
			methods = append(methods, method)
			r.Pattern = route.Path
			if route.Access == Signed {
				s.metrics.webhooks.WithLabelValues(badMethod).Inc()
			}
		}
	}
	if len(methods) == 0 {
		return &HTTPError{Code: http.StatusNotFound, Msg: "there is nothing here"}
	}
	allow := strings.Join(methods, ", ")
	if slices.Contains(methods, http.MethodGet) {
		allow += ", HEAD"
	}
	w.Header().Set("Allow", allow)
	return &HTTPError{Code: http.StatusMethodNotAllowed, Msg: "use " + allow}
}

// step is a handler within serve, which deals with its error.
func (s *Server) step(fn func(*response, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if res, ok := w.(*response); ok {
			res.err = fn(res, r)
		}
	})
}

// allow lets a caller on to a route with this access, with who it is in the request, or says why not.
func (s *Server) allow(w *response, r *http.Request, a Access) (*http.Request, error) {
	switch {
	case a == Public, a == Signed, a == LoopbackOrAPIKey && isLocal(r):
		return r, nil
	case a == APIKey, a == LoopbackOrAPIKey:
		return r, s.allowProgram(w, r)
	}
	return s.allowPerson(w, r, a)
}

// allowProgram lets in who has an API key: to ask, one that may read, and to change, one that may write.
// A key that expired or was revoked is like one that never was.
func (s *Server) allowProgram(w http.ResponseWriter, r *http.Request) error {
	key, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	row, err := auth.CheckAPIKey(r.Context(), s.DB, key)
	if errors.Is(err, auth.ErrUnauthorized) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="bursar"`)
		return &HTTPError{Code: http.StatusUnauthorized, Msg: "send an API key: Authorization: Bearer bsk_…", Err: err}
	}
	if err != nil || auth.Scope(row.Scope).May(scopeOf(r.Method)) {
		return err
	}
	err = s.auditDenied(r, auth.Entry{Actor: auth.KeyTarget(row.ID), Detail: row.Name})
	return &HTTPError{Code: http.StatusForbidden, Msg: "this API key may only read; bursar apikey add NAME --scope write makes one that may do this", Err: err}
}

// scopeOf is what a key must be good for to use a method.
func scopeOf(method string) auth.Scope {
	if method == http.MethodGet || method == http.MethodHead {
		return auth.ScopeRead
	}
	return auth.ScopeWrite
}

// isLocal says that the request comes from this machine, and not through a proxy on it.
func isLocal(r *http.Request) bool {
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip"} {
		if r.Header.Get(name) != "" {
			return false
		}
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	return err == nil && net.ParseIP(host).IsLoopback()
}
