package mail

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	gosmtp "github.com/emersion/go-smtp"
	"github.com/jhillyerd/enmime/v2"
)

// faults are what the test server does wrong.
type faults struct {
	badPassword *gosmtp.SMTPError
	onMail      *gosmtp.SMTPError
	onRcpt      map[string]*gosmtp.SMTPError
	onData      *gosmtp.SMTPError
	dropData    bool          // takes the mail and hangs up without a word
	hang        chan struct{} // does not answer DATA until it is closed
	noTLS       bool
	implicitTLS bool
}

// server is a mail server on loopback that asks for TLS and the user ada with password "s3cret/#@".
type server struct {
	faults
	addr  *net.TCPAddr
	roots *x509.CertPool

	mu        sync.Mutex
	delivered []delivery
}

type delivery struct {
	from string
	to   []string
	raw  []byte
}

const testPassword = "s3cret/#@"

func newServer(t *testing.T, f faults) *server {
	t.Helper()
	cert, roots := certificate(t)
	s := &server{faults: f, roots: roots}
	srv := gosmtp.NewServer(gosmtp.BackendFunc(func(c *gosmtp.Conn) (gosmtp.Session, error) {
		return &session{server: s, conn: c}, nil
	}))
	srv.Domain = "localhost"
	srv.ErrorLog = log.New(io.Discard, "", 0)
	srv.AllowInsecureAuth = f.noTLS
	if !f.noTLS {
		srv.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = listener.Addr().(*net.TCPAddr)
	if f.implicitTLS {
		listener = tls.NewListener(listener, srv.TLSConfig)
	}
	go srv.Serve(listener)
	t.Cleanup(func() { srv.Close() })
	return s
}

// smtp is a setting for the server; userinfo is "" or ends in @.
func (s *server) smtp(t *testing.T, scheme, userinfo, query string) SMTP {
	t.Helper()
	setting, err := ParseSMTP(fmt.Sprintf("%s://%s127.0.0.1:%d%s", scheme, userinfo, s.addr.Port, query), "Bursar <bursar@example.com>")
	if err != nil {
		t.Fatal(err)
	}
	setting.roots = s.roots
	return setting
}

// signedIn is the usual setting.
func (s *server) signedIn(t *testing.T) SMTP {
	t.Helper()
	return s.smtp(t, "smtp", "ada:s3cret%2F%23%40@", "")
}

func (s *server) mails() []delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]delivery(nil), s.delivered...)
}

// parsed is the only mail that arrived.
func (s *server) parsed(t *testing.T) *enmime.Envelope {
	t.Helper()
	mails := s.mails()
	if len(mails) != 1 {
		t.Fatalf("%d mails arrived, want 1", len(mails))
	}
	e, err := enmime.ReadEnvelope(bytes.NewReader(mails[0].raw))
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range e.Errors {
		t.Errorf("the mail is not well formed: %v", problem)
	}
	return e
}

type session struct {
	*server
	conn *gosmtp.Conn
	in   bool
	delivery
}

func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if s.badPassword != nil {
			return s.badPassword
		}
		if user != "ada" || password != testPassword {
			return gosmtp.ErrAuthFailed
		}
		s.in = true
		return nil
	}), nil
}

func (s *session) Mail(from string, _ *gosmtp.MailOptions) error {
	if !s.in && !s.noTLS {
		return &gosmtp.SMTPError{Code: 530, EnhancedCode: gosmtp.EnhancedCode{5, 7, 0}, Message: "Authentication required"}
	}
	if s.onMail != nil {
		return s.onMail
	}
	s.from = from
	return nil
}

func (s *session) Rcpt(to string, _ *gosmtp.RcptOptions) error {
	if refusal := s.onRcpt[to]; refusal != nil {
		return refusal
	}
	s.to = append(s.to, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if s.hang != nil {
		<-s.hang
		return gosmtp.ErrDataReset
	}
	if s.onData != nil {
		return s.onData
	}
	s.raw = raw
	s.mu.Lock()
	s.server.delivered = append(s.server.delivered, s.delivery)
	s.mu.Unlock()
	if s.dropData {
		s.conn.Conn().Close()
	}
	return nil
}

func (s *session) Reset()        { s.delivery = delivery{} }
func (s *session) Logout() error { return nil }

// certificate is one for 127.0.0.1, signed by itself.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}
