package remote

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// inside is a server on this machine that counts who reached it.
func inside(t *testing.T, answer http.HandlerFunc) (url string, asked *atomic.Int32) {
	t.Helper()
	asked = new(atomic.Int32)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL, asked
}

func ok(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "secret of the inside") }

func get(t *testing.T, c *http.Client, url string) (string, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(r)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return string(b), err
}

func allow(raw string) []string {
	u, _ := url.Parse(raw)
	return []string{u.Host}
}

func TestTheInsideIsNotReached(t *testing.T) {
	t.Parallel()
	at, asked := inside(t, ok)
	_, port, _ := net.SplitHostPort(allow(at)[0])
	for _, row := range []struct{ name, url string }{
		{"loopback", "https://127.0.0.1:" + port},
		{"the name of loopback", "https://localhost:" + port},
		{"loopback in IPv6", "https://[::1]:" + port},
		{"loopback mapped into IPv6", "https://[::ffff:127.0.0.1]:" + port},
		{"unspecified, which leads to loopback", "https://0.0.0.0:" + port},
		{"unspecified in IPv6", "https://[::]:" + port},
		{"metadata of a cloud", "https://169.254.169.254/latest/meta-data/"},
	} {
		_, err := get(t, NewClient(Options{}), row.url)
		if !errors.Is(err, ErrInternal) {
			t.Errorf("%s: %v", row.name, err)
		}
	}
	if _, err := get(t, NewClient(Options{}), at); !errors.Is(err, ErrNotEncrypted) {
		t.Errorf("without TLS: %v", err)
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("%d requests reached the inside", n)
	}
}

func TestTheErrorSaysHowToAllowIt(t *testing.T) {
	t.Parallel()
	_, err := get(t, NewClient(Options{}), "https://LocalHost:9/secret-path")
	if err == nil || !strings.Contains(Reason(err).Error(), "BURSAR_ALLOW_INTERNAL=localhost:9") || strings.Contains(Reason(err).Error(), "secret-path") {
		t.Errorf("%v", Reason(err))
	}
}

func TestWhatIsAllowedIsReached(t *testing.T) {
	t.Parallel()
	at, asked := inside(t, ok)
	for _, row := range []struct {
		name  string
		allow []string
		want  error
	}{
		{"its host and port", allow(at), nil},
		{"another port", []string{"127.0.0.1:1"}, ErrNotEncrypted},
		{"another name of it", []string{"localhost:" + strings.Split(allow(at)[0], ":")[1]}, ErrNotEncrypted},
	} {
		body, err := get(t, NewClient(Options{Allow: row.allow}), at)
		if !errors.Is(err, row.want) || err == nil && body != "secret of the inside" {
			t.Errorf("%s: %q, %v", row.name, body, err)
		}
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("%d requests, not 1", n)
	}
}

// TestANameThatChangesItsAddress is DNS rebinding: the check must be made on the address that is connected to, not on
// an earlier answer of the name server. The first answers are a public address, so a check by a look-up of its own lets it pass.
func TestANameThatChangesItsAddress(t *testing.T) {
	t.Parallel()
	at, asked := inside(t, ok)
	_, port, _ := net.SplitHostPort(allow(at)[0])
	var looks atomic.Int32
	resolver := nameServer(t, func(name string) [4]byte {
		if strings.HasPrefix(name, "rebind") && looks.Add(1) == 1 {
			return [4]byte{93, 184, 215, 14}
		}
		return [4]byte{127, 0, 0, 1} // as 127.0.0.1.nip.io does
	})
	if ips, err := resolver.LookupIP(t.Context(), "ip4", "rebind.example.com"); err != nil || ips[0].IsLoopback() {
		t.Fatalf("the first look: %v, %v", ips, err)
	}
	c := NewClient(Options{})
	d := dialer{checked: net.Dialer{Control: refuseInternal, Resolver: resolver}}
	c.Transport.(*transport).next.(*http.Transport).DialContext = d.dial
	for _, name := range []string{"rebind.example.com", "127.0.0.1.nip.io"} {
		if _, err := get(t, c, "https://"+name+":"+port); !errors.Is(err, ErrInternal) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("%d requests reached the inside", n)
	}
}

// nameServer answers questions for IPv4 addresses over UDP.
func nameServer(t *testing.T, answer func(name string) [4]byte) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil || len(m.Questions) == 0 {
				continue
			}
			m.Response, m.Additionals = true, nil
			if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
				m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class},
					Body: &dnsmessage.AResource{A: answer(q.Name.String())}}}
			}
			if packed, err := m.Pack(); err == nil {
				conn.WriteTo(packed, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	target, reached := inside(t, ok)
	at, _ := inside(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, target, http.StatusTemporaryRedirect)
	})
	_, err := get(t, NewClient(Options{Allow: append(allow(at), allow(target)...)}), at)
	if !errors.Is(err, ErrRedirect) || reached.Load() != 0 {
		t.Errorf("%v, %d requests", err, reached.Load())
	}
}

func TestAnAnswerHasALimit(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		length int
		packed bool
		want   error
	}{
		{"a short one", 5, false, nil},
		{"the longest", MaxBody, false, nil},
		{"one byte more", MaxBody + 1, false, ErrTooLong},
		{"endless", 20 << 20, false, ErrTooLong},
		{"packed small, endless when unpacked", 20 << 20, true, ErrTooLong},
	} {
		at, _ := inside(t, func(w http.ResponseWriter, _ *http.Request) {
			text := bytes.Repeat([]byte("a"), row.length)
			if !row.packed {
				w.Write(text)
				return
			}
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			z.Write(text)
			z.Close()
		})
		body, err := get(t, NewClient(Options{Allow: allow(at)}), at)
		if !errors.Is(err, row.want) || len(body) != min(row.length, MaxBody) {
			t.Errorf("%s: %d bytes, %v", row.name, len(body), err)
		}
	}
}

func TestACallHasAnEnd(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		answer http.HandlerFunc
	}{
		{"no answer", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }},
		{"a body that stops in the middle", func(w http.ResponseWriter, r *http.Request) {
			w.Write([]byte("begin"))
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}},
	} {
		at, _ := inside(t, row.answer)
		_, err := get(t, NewClient(Options{Allow: allow(at), Timeout: 50 * time.Millisecond}), at)
		var e net.Error
		if !errors.As(err, &e) || !e.Timeout() {
			t.Errorf("%s: %v", row.name, err)
		}
	}
	if c := NewClient(Options{}); c.Timeout != 15*time.Second {
		t.Errorf("a call may take %s", c.Timeout)
	}
}

func TestTLSIsVerified(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		trusted bool
		max     uint16
		want    string
	}{
		{"a certificate that is trusted", true, tls.VersionTLS13, ""},
		{"TLS 1.2", true, tls.VersionTLS12, ""},
		{"TLS 1.1", true, tls.VersionTLS11, "protocol version"},
		{"a certificate of nobody", false, tls.VersionTLS13, "certificate signed by unknown authority"},
	} {
		s := httptest.NewUnstartedServer(http.HandlerFunc(ok))
		s.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: row.max} // an old server
		s.Config.ErrorLog = nil
		s.StartTLS()
		t.Cleanup(s.Close)
		o := Options{Allow: allow(s.URL)}
		if row.trusted {
			o.RootCAs = x509.NewCertPool()
			o.RootCAs.AddCert(s.Certificate())
		}
		_, err := get(t, NewClient(o), s.URL)
		if (err == nil) != (row.want == "") || !strings.Contains(fmt.Sprint(err), row.want) && row.want != "" {
			t.Errorf("%s: %v", row.name, err)
		}
	}
}

func TestAProxyFromTheEnvironmentIsNotUsed(t *testing.T) {
	t.Parallel()
	if NewClient(Options{}).Transport.(*transport).next.(*http.Transport).Proxy != nil {
		t.Error("a proxy would look up the names itself")
	}
}

func TestParseAllow(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		list, want string
		wrong      bool
	}{
		{"", "[]", false},
		{"127.0.0.1:9000", "[127.0.0.1:9000]", false},
		{" LocalHost:9000 ,[::1]:80, ", "[localhost:9000 [::1]:80]", false},
		{"localhost", "", true},
		{"http://localhost:80", "", true},
		{":80", "", true},
		{"localhost:", "", true},
	} {
		got, err := ParseAllow(row.list)
		if (err != nil) != row.wrong || err == nil && fmt.Sprint(got) != row.want {
			t.Errorf("%q: %v, %v", row.list, got, err)
		}
	}
}
