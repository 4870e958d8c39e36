package mail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"bursar/app/queue"
)

const (
	smtpTimeout = 20 * time.Second // of connecting and signing in, and again of handing over
	quitTimeout = time.Second
)

// SMTP is a mail server and the address mails come from. It prints without its password.
type SMTP struct {
	host     string
	port     int
	user     string
	password string
	implicit bool // TLS from the first byte, as on port 465
	policy   gomail.TLSPolicy
	from     mail.Address
	roots    *x509.CertPool // nil: the machine's
	timeout  time.Duration
}

// ParseSMTP reads SMTP_URL and BURSAR_MAIL_FROM. The URL is smtp://user:password@host:587 (TLS by
// STARTTLS) or smtps://user:password@host:465; ?tls=off or ?tls=optional is for a server on this
// machine only. Errors say what to change and never contain the URL, because it holds the password.
func ParseSMTP(rawURL, from string) (SMTP, error) {
	s := SMTP{policy: gomail.TLSMandatory, timeout: smtpTimeout}
	if err := s.parseURL(rawURL); err != nil {
		return SMTP{}, fmt.Errorf("SMTP_URL: %w", err)
	}
	sender, err := mail.ParseAddress(from)
	if err != nil {
		return SMTP{}, fmt.Errorf("BURSAR_MAIL_FROM: %q is not a sender like \"Bursar <bursar@example.com>\"", Line(from, 80))
	}
	s.from = mail.Address{Name: Line(sender.Name, 80), Address: sender.Address}
	return s, nil
}

func (s *SMTP) parseURL(raw string) error {
	if !strings.HasPrefix(raw, "smtp://") && !strings.HasPrefix(raw, "smtps://") {
		return errors.New("it must begin with smtp:// (STARTTLS, port 587) or smtps:// (TLS, port 465)")
	}
	u, err := url.Parse(raw)
	if err != nil || u.Fragment != "" || strings.Trim(u.Path, "/") != "" || u.Hostname() == "" {
		return errors.New("it must look like smtp://user:password@host:587, with characters such as / # ? @ % : in " +
			"user and password written percent-encoded (/ is %2F, @ is %40)")
	}
	s.host, s.implicit = u.Hostname(), u.Scheme == "smtps"
	s.user = u.User.Username()
	s.password, _ = u.User.Password()
	if (s.user == "") != (s.password == "") {
		return errors.New("it needs both a user and a password, or neither")
	}
	if err := s.parsePort(u.Port()); err != nil {
		return err
	}
	return s.parseTLS(u.Query())
}

func (s *SMTP) parsePort(port string) error {
	if port == "" {
		port = "587"
		if s.implicit {
			port = "465"
		}
	}
	var err error
	if s.port, err = strconv.Atoi(port); err != nil || s.port < 1 || s.port > 65535 {
		return errors.New("the port must be a number from 1 to 65535")
	}
	if s.port == 465 && !s.implicit {
		return errors.New("port 465 speaks TLS from the first byte: write smtps:// instead of smtp://")
	}
	if s.port == 587 && s.implicit {
		return errors.New("port 587 begins without TLS and changes to it: write smtp:// instead of smtps://")
	}
	return nil
}

func (s *SMTP) parseTLS(query url.Values) error {
	for name := range query {
		if name != "tls" {
			return errors.New("?tls= is the only option it knows")
		}
	}
	switch query.Get("tls") {
	case "":
		return nil
	case "off":
		s.policy = gomail.NoTLS
	case "optional":
		s.policy = gomail.TLSOpportunistic
	default:
		return errors.New("?tls= can be off or optional; left out, TLS is required")
	}
	if s.implicit {
		return errors.New("smtps:// is always TLS: leave ?tls= out")
	}
	if ip := net.ParseIP(s.host); s.host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return errors.New("?tls=off and ?tls=optional are for a server on this machine (localhost): anybody on the way could read the password")
	}
	return nil
}

// String names the server, for logs and messages.
func (s SMTP) String() string { return net.JoinHostPort(s.host, strconv.Itoa(s.port)) }

// Check connects and signs in, and sends nothing.
func (s SMTP) Check(ctx context.Context) error {
	_, hangUp, err := s.dial(ctx)
	if err != nil {
		return err
	}
	hangUp()
	return nil
}

// dial connects and signs in. Its errors are the queue's: a server that answers with a refusal here
// refuses us, not a mail.
func (s SMTP) dial(ctx context.Context) (client *smtp.Client, hangUp func(), err error) {
	var conn net.Conn // go-mail does not close it when signing in fails
	c, err := gomail.NewClient(s.host, s.options(&conn)...)
	if err != nil {
		return nil, nil, fmt.Errorf("mail server %s: %w", s, err)
	}
	client, err = c.DialToSMTPClientWithContext(ctx)
	if err != nil {
		if conn != nil {
			conn.Close()
		}
		err = fmt.Errorf("mail server %s: %w", s, err)
		if answerCode(err) >= 500 {
			return nil, nil, queue.Unauthorized(err)
		}
		return nil, nil, queue.Unavailable(err, 0)
	}
	// The job's end ends the conversation.
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	return client, func() {
		stop()
		client.UpdateDeadline(quitTimeout)
		client.Quit() // politeness: what was handed over is taken
		conn.Close()
	}, nil
}

func (s SMTP) options(conn *net.Conn) []gomail.Option {
	config := &tls.Config{ServerName: s.host, RootCAs: s.roots, MinVersion: tls.VersionTLS12}
	options := []gomail.Option{gomail.WithPort(s.port), gomail.WithTimeout(s.timeout), gomail.WithTLSConfig(config),
		gomail.WithTLSPolicy(s.policy),
		gomail.WithDialContextFunc(func(ctx context.Context, network, address string) (c net.Conn, err error) {
			if s.implicit {
				c, err = (&tls.Dialer{Config: config}).DialContext(ctx, network, address)
			} else {
				c, err = (&net.Dialer{}).DialContext(ctx, network, address)
			}
			*conn = c
			return c, err
		})}
	if s.implicit {
		options = append(options, gomail.WithSSL())
	}
	if s.user == "" {
		return options
	}
	options = append(options, gomail.WithUsername(s.user), gomail.WithPassword(s.password))
	if s.policy == gomail.TLSMandatory {
		return append(options, gomail.WithOpportunisticSMTPAuth(gomail.SMTPAuthPlain, gomail.SMTPAuthLogin, gomail.SMTPAuthCramMD5))
	}
	return append(options, gomail.WithOpportunisticSMTPAuth(gomail.SMTPAuthPlainNoEnc, gomail.SMTPAuthLoginNoEnc, gomail.SMTPAuthCramMD5))
}

// converse hands one mail to a server that let us in. A recipient refused for good does not keep the
// mail from the others; one refused for now keeps it for a later attempt, as nobody has it yet.
func (s SMTP) converse(client *smtp.Client, to []string, msg *gomail.Msg) (left, err error) {
	// SMTPUTF8 would have mail servers further on refuse the mail, so it is asked for only if needed.
	client.SkipSMTPUTF8(isASCII(s.from.Address + strings.Join(to, "")))
	if err := client.UpdateDeadline(s.timeout); err != nil {
		return nil, err
	}
	if err := client.Mail("<" + s.from.Address + ">"); err != nil {
		return nil, fmt.Errorf("sender %s: %w", s.from.Address, err)
	}
	var refused []error
	for _, recipient := range to {
		err := client.Rcpt("<" + recipient + ">")
		if err == nil {
			continue
		}
		refused = append(refused, fmt.Errorf("recipient %s: %w", recipient, err))
		if answerCode(err) < 500 {
			return nil, refused[len(refused)-1]
		}
	}
	if len(refused) == len(to) {
		return nil, errors.Join(refused...)
	}
	w, err := client.Data()
	if err != nil {
		return nil, err
	}
	// Half a mail must not be ended with a dot: the connection is dropped instead.
	if _, err := msg.WriteTo(w); err != nil {
		return nil, err
	}
	return errors.Join(refused...), w.Close()
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII })
}

// answerCode is the three-digit code of the server's refusal, 0 if it did not get so far.
func answerCode(err error) int {
	var answer *textproto.Error
	if errors.As(err, &answer) {
		return answer.Code
	}
	return 0
}
