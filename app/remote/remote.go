// Package remote makes the HTTP clients for addresses that a setting names: CRMs, support desks, alert hooks. Such an
// address may be wrong or hostile, so a call reaches the public internet only, has an end, and brings back little.
package remote

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	// Timeout is how long a whole call may take, from looking up the name to the last byte of the answer.
	Timeout = 15 * time.Second

	// MaxBody is how many bytes of an answer are read, unpacked, unless Options say otherwise.
	MaxBody = 1 << 20

	maxHeader = 64 << 10
)

// Errors of the client, found with errors.Is.
var (
	// ErrInternal: the name leads to an address that is not on the public internet. Nothing was sent.
	ErrInternal = errors.New("this is not an address on the public internet")
	// ErrNotEncrypted: the URL is http://. Nothing was sent.
	ErrNotEncrypted = errors.New("only https:// is called")
	// ErrRedirect: the answer was a redirect, which is not followed: it would take the credentials elsewhere.
	ErrRedirect = errors.New("the answer was a redirect, which is not followed")
	// ErrTooLong: the answer is longer than may be read. It comes from reading the body.
	ErrTooLong = errors.New("the answer is too long")
)

// Options of a client. The zero value is right for calls to the public internet.
type Options struct {
	Timeout time.Duration // of a whole call; 0 is the constant Timeout
	MaxBody int64         // of an answer; 0 is the constant MaxBody

	// Allow are the host:port pairs, as ParseAllow gives them, that may be internal and without TLS. They come from the
	// environment or from code, never from a page: who may change a URL must not reach the inside of the network.
	Allow []string

	RootCAs *x509.CertPool // nil is the system's
}

// NewClient returns a client that
//   - ends a call after Options.Timeout,
//   - speaks TLS 1.2 or later with a verified certificate,
//   - refuses addresses that are not public (ErrInternal). They are checked when the connection is made, after the name
//     was looked up: a name that points inside, or does so at the second look, is refused like the address itself,
//   - follows no redirect (ErrRedirect), uses no proxy from the environment, keeps no cookies,
//   - reads at most Options.MaxBody bytes of an answer (ErrTooLong).
//
// Its errors are *url.Error and name the whole URL. Where that is a secret, as with hooks of chats, say Reason(err).
func NewClient(o Options) *http.Client {
	if o.Timeout == 0 {
		o.Timeout = Timeout
	}
	if o.MaxBody == 0 {
		o.MaxBody = MaxBody
	}
	d := dialer{allow: o.Allow, checked: net.Dialer{Control: refuseInternal}}
	return &http.Client{
		Timeout: o.Timeout,
		Transport: &transport{allow: o.Allow, maxBody: o.MaxBody, next: &http.Transport{
			DialContext:            d.dial,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.RootCAs},
			ForceAttemptHTTP2:      true,
			MaxResponseHeaderBytes: maxHeader,
			MaxIdleConnsPerHost:    4,
			IdleConnTimeout:        30 * time.Second,
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return ErrRedirect },
	}
}

// Reason is what went wrong with a call, without the URL, which may be a secret.
func Reason(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// ParseAllow reads a list of host:port separated by commas.
func ParseAllow(list string) ([]string, error) {
	var allow []string
	for entry := range strings.SplitSeq(list, ",") {
		entry = strings.ToLower(strings.TrimSpace(entry))
		if entry == "" {
			continue
		}
		host, port, err := net.SplitHostPort(entry)
		if err != nil || host == "" || port == "" {
			return nil, fmt.Errorf("%q is not host:port like 127.0.0.1:9000", entry)
		}
		allow = append(allow, net.JoinHostPort(host, port))
	}
	return allow, nil
}

// transport refuses what is not encrypted, and bounds the answers.
type transport struct {
	allow   []string
	maxBody int64
	next    http.RoundTripper
}

func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" && !slices.Contains(t.allow, hostPort(r.URL)) {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, ErrNotEncrypted
	}
	res, err := t.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	res.Body = &body{ReadCloser: res.Body, left: t.maxBody}
	return res, nil
}

func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// body fails when there is more than left, so that a cut answer is not taken for a whole one.
type body struct {
	io.ReadCloser
	left int64
}

func (b *body) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if int64(n) > b.left {
		n, err = int(b.left), ErrTooLong
		b.left = 0
		return n, err
	}
	b.left -= int64(n)
	return n, err
}

// dialer connects to what is allowed by name without a look at its addresses.
type dialer struct {
	allow   []string
	checked net.Dialer
}

func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	address = strings.ToLower(address)
	if slices.Contains(d.allow, address) {
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	conn, err := d.checked.DialContext(ctx, network, address)
	if errors.Is(err, ErrInternal) {
		return nil, fmt.Errorf("%w; if Bursar may call it, set BURSAR_ALLOW_INTERNAL=%s", err, address)
	}
	return conn, err
}

// refuseInternal sees each address right before it is connected to.
func refuseInternal(network, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || !strings.HasPrefix(network, "tcp") || !public(to.Addr()) {
		return ErrInternal
	}
	return nil
}
