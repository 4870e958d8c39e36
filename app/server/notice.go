package server

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

const (
	noticeCookie = "bursar-notice"
	noticeSecs   = 60
	maxNotice    = 600  // bytes of text
	maxCookie    = 4096 // bytes of a cookie that a browser keeps
)

// seeOther ends a POST: the browser goes on to path, below /admin, and shows the notice there once. What
// the form did must be on disk by then.
func (s *Server) seeOther(w http.ResponseWriter, r *http.Request, path string, n notice) error {
	if len(n.Text) > maxNotice {
		n.Text = strings.ToValidUTF8(n.Text[:maxNotice], "") + "…"
	}
	text, err := json.Marshal(n)
	if err != nil {
		return err
	}
	http.SetCookie(w, s.cookie(noticeCookie, base64.RawURLEncoding.EncodeToString(text), noticeSecs))
	http.Redirect(w, r, localPath(path), http.StatusSeeOther)
	return nil
}

// takeNotice gives what the last action left to say, and forgets it. Parts of a page that are fetched by
// script leave it to the page.
func (s *Server) takeNotice(w http.ResponseWriter, r *http.Request) *notice {
	c, err := r.Cookie(s.cookieName(noticeCookie))
	if mode := r.Header.Get("Sec-Fetch-Mode"); err != nil || mode != "" && mode != "navigate" {
		return nil
	}
	http.SetCookie(w, s.cookie(noticeCookie, "", -1))
	text, err := base64.RawURLEncoding.DecodeString(c.Value)
	var n notice
	if err != nil || len(text) > maxCookie || json.Unmarshal(text, &n) != nil || n.Text == "" {
		return nil
	}
	if n.Undo != nil && localPath(n.Undo.Path) != n.Undo.Path {
		n.Undo = nil
	}
	return &n
}

// cookie makes one that scripts and other sites' forms don't get. maxAge is in seconds; 0 is until the
// browser ends, and less deletes it.
func (s *Server) cookie(name, value string, maxAge int) *http.Cookie {
	return &http.Cookie{Name: s.cookieName(name), Value: value, MaxAge: maxAge, Path: "/", HttpOnly: true,
		Secure: s.secure(), SameSite: http.SameSiteLaxMode}
}

// cookieName is the name with the prefix that keeps other hosts of the domain from setting it
// (https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Set-Cookie#cookie_prefixes). It needs
// https, which a trial on one's own machine lacks.
func (s *Server) cookieName(name string) string {
	if s.secure() {
		return "__Host-" + name
	}
	return name
}

func (s *Server) secure() bool { return strings.HasPrefix(s.URL, "https://") }

// localPath is path if it is one of the pages, and else the first of them: nobody is sent to another site
// by what a link or a cookie says.
func localPath(path string) string {
	u, err := url.Parse(path)
	if err != nil || u.Scheme != "" || u.Host != "" || u.Path != "/admin" && !strings.HasPrefix(u.Path, "/admin/") ||
		strings.ContainsAny(path, "\\") || strings.Contains(u.Path, "//") || strings.Contains(u.Path, "/..") {
		return "/admin"
	}
	return path
}
