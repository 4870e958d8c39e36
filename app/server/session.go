package server

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"bursar/app/auth"
	"bursar/app/mail"
)

const sessionCookie = "bursar"

// allowPerson lets in who is signed in and has the role. Who is not signed in is asked to, and comes back
// to the page; what they had posted is not done.
func (s *Server) allowPerson(w *response, r *http.Request, a Access) (*http.Request, error) {
	user, err := auth.Session(r.Context(), s.DB, s.sessionToken(r))
	if errors.Is(err, auth.ErrNoSession) && s.Demo != nil {
		user, err = s.enterDemo(w, r)
	}
	if errors.Is(err, auth.ErrNoSession) {
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			http.Redirect(w, r, "/admin/sign-in?next="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
			return r, err
		}
		return r, &HTTPError{Code: http.StatusUnauthorized, Err: err,
			Msg: "your session has ended, so nothing was changed; sign in, come back here with the Back button, and send it again"}
	}
	if err != nil {
		return r, err
	}
	if s.Demo != nil {
		user = visitor(user)
	}
	r = withUser(r, user)
	w.user = user
	if a.admits(user.Role) {
		return r, nil
	}
	err = s.auditDenied(r, auth.Entry{Actor: user.Email, Role: user.Role})
	return r, &HTTPError{Code: http.StatusForbidden, Msg: "your role, " + string(user.Role) + ", may not do this; an owner can give you another one under People", Err: err}
}

// maxBrowser is in characters: what is kept of what a browser calls itself.
const maxBrowser = 200

func (s *Server) origin(r *http.Request) auth.Origin {
	return auth.Origin{Address: s.address(r), Browser: mail.Line(r.UserAgent(), maxBrowser)}
}

func (s *Server) sessionToken(r *http.Request) string { return s.cookieValue(r, sessionCookie) }

func (s *Server) cookieValue(r *http.Request, name string) string {
	c, err := r.Cookie(s.cookieName(name))
	if err != nil {
		return ""
	}
	return c.Value
}

// address is where a request comes from. What a header says counts only behind a proxy we were told of,
// and only what that proxy added: the rest of the header is the caller's.
func (s *Server) address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && s.isProxy(host); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		host = hop.Unmap().String()
	}
	return host
}

func (s *Server) isProxy(host string) bool {
	address, err := netip.ParseAddr(host)
	for _, proxy := range s.Proxies {
		if err == nil && proxy.Contains(address.Unmap()) {
			return true
		}
	}
	return false
}
