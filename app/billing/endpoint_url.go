package billing

import (
	"net"
	"net/url"
	"strings"
)

// How an endpoint's URL is like ours.
type likeness int

const (
	otherURL likeness = iota
	nearURL           // meant for us, and does not get here
	sameURL
)

// matchURL compares an endpoint's URL with the one that Bursar has. A slash at the end is right too.
func matchURL(want, is string) likeness {
	w, err := url.Parse(want)
	if err != nil {
		return otherURL
	}
	u, err := url.Parse(is)
	if err != nil {
		return otherURL
	}
	host := func(u *url.URL) string {
		port := u.Port()
		if port == "" {
			port = map[string]string{"http": "80", "https": "443"}[strings.ToLower(u.Scheme)]
		}
		return strings.TrimPrefix(strings.ToLower(u.Hostname()), "www.") + ":" + port
	}
	path := strings.TrimSuffix(u.Path, "/")
	switch {
	case strings.EqualFold(w.Scheme, u.Scheme) && strings.EqualFold(w.Hostname(), u.Hostname()) && host(w) == host(u) && path == w.Path:
		return sameURL
	case strings.EqualFold(strings.TrimPrefix(w.Hostname(), "www."), strings.TrimPrefix(u.Hostname(), "www.")) &&
		(strings.HasSuffix(path, webhookPath) || strings.Contains(path, "bursar") || strings.Contains(path, "webhooks/stripe")):
		return nearURL
	}
	return otherURL
}

// onlyHere says that an address is of this machine.
func onlyHere(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && (ip.IsLoopback() || ip.IsUnspecified())
}
