package mail

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"bursar/app/db"
	"bursar/app/queue"
	"bursar/app/redact"
)

// maxError is in characters: what is kept of a server's words.
const maxError = 500

// Sender sends stored mails.
type Sender struct {
	DB     *db.DB
	SMTP   SMTP
	Redact redact.Redactor                                   // of what servers say
	Open   func(sealed []byte, about string) (string, error) // gives the secret of a mail

	Templates *Templates     // of the mail that says that mail works again
	URL       string         // public address, for the links in it
	Location  *time.Location // the company's
}

// Send is the job send_mail. A mail that was sent is not sent again; if the process dies between the
// server's answer and our note of it, the second copy has the same Message-ID and contents. A server
// that is away or busy is Unavailable, one that does not let us in Unauthorized; a mail it refuses is
// failed, with its words, and the job discarded.
func (s *Sender) Send(ctx context.Context, args SendArgs) error {
	m, err := s.DB.Read().MailByID(ctx, args.ID)
	if errors.Is(err, db.ErrNoRows) {
		return queue.Discard(fmt.Errorf("mail %d is not in the outbox", args.ID))
	}
	if err != nil {
		return fmt.Errorf("read mail %d: %w", args.ID, err)
	}
	if m.State == Sent || m.State == Superseded {
		return nil
	}
	if m.News && time.Since(m.CreatedAt.Time) > newsAge {
		return s.clearBacklog(ctx, m)
	}
	outcome := db.SaveMailOutcomeParams{ID: m.ID}
	var left error
	if m, err = s.fill(m); err == nil {
		left, err = s.SMTP.send(ctx, m)
	}
	left, err = s.Redact.Error(left), s.Redact.Error(err)
	var refused *refusedError
	switch {
	case err == nil:
		outcome.State, outcome.Error, outcome.SentAt = Sent, errorText(left), db.Now()
	case errors.As(err, &refused):
		outcome.State, outcome.Error = Failed, errorText(err)
		err = queue.Discard(err)
	default:
		outcome.State, outcome.Error = Waiting, errorText(err)
	}
	// The server has taken the mail even if the job's time is up.
	store := context.WithoutCancel(ctx)
	if saveErr := s.DB.Tx(store, func(q *db.Queries) error { return q.SaveMailOutcome(store, outcome) }); saveErr != nil {
		return errors.Join(err, fmt.Errorf("save the outcome of mail %d: %w", m.ID, saveErr))
	}
	return err
}

// fill puts the secret into a mail that has one. A mail whose secret cannot be read is of no use.
func (s *Sender) fill(m db.Mail) (db.Mail, error) {
	if len(m.Secret) == 0 {
		return m, nil
	}
	secret, err := s.Open(m.Secret, SecretOf(m.Key))
	if err != nil {
		return m, &refusedError{fmt.Errorf("the secret of mail %d: %w", m.ID, err)}
	}
	m.Text, m.HTML = strings.ReplaceAll(m.Text, Hidden, secret), strings.ReplaceAll(m.HTML, Hidden, secret)
	return m, nil
}

// SendNow sends a mail past the outbox, for what must be said when the file cannot be written. Nothing keeps it,
// and nobody tries again.
func (s SMTP) SendNow(ctx context.Context, m Message, at time.Time) error {
	_, err := s.send(ctx, db.Mail{Key: m.Key, Recipients: strings.Join(m.To, ","), Subject: Line(m.Subject, maxSubject), Text: m.Text, HTML: m.HTML, CreatedAt: db.At(at)})
	return err
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return Line(err.Error(), maxError)
}

// refusedError is a server's word that it will never take this mail.
type refusedError struct{ error }

func (e *refusedError) Unwrap() error { return e.error }

// send hands a mail over. left says which recipients the server refused while it took the mail for others.
func (s SMTP) send(ctx context.Context, m db.Mail) (left, err error) {
	to, err := ParseAddresses(m.Recipients)
	if err != nil || len(to) == 0 {
		return nil, &refusedError{errors.Join(fmt.Errorf("mail %d has nobody to go to", m.ID), err)}
	}
	client, hangUp, err := s.dial(ctx)
	if err != nil {
		return nil, err
	}
	defer hangUp()
	left, err = s.converse(client, to, s.compose(m, to))
	if err == nil {
		return left, nil
	}
	err = fmt.Errorf("mail server %s: %w", s, err)
	switch code := answerCode(err); {
	case code == 530 || code == 534 || code == 535 || code == 538: // RFC 4954: sign in first, or otherwise
		return nil, queue.Unauthorized(err)
	case code >= 500:
		return nil, &refusedError{err}
	default:
		return nil, queue.Unavailable(err, 0)
	}
}

// compose writes the mail the same way every time.
func (s SMTP) compose(m db.Mail, to []string) *gomail.Msg {
	// The time keeps two installations apart that say the same thing from the same address.
	sum := sha256.Sum256([]byte(m.Key + "\n" + m.CreatedAt.UTC().Format(time.RFC3339Nano)))
	id := hex.EncodeToString(sum[:16])
	domain := s.from.Address[strings.LastIndexByte(s.from.Address, '@')+1:]

	msg := gomail.NewMsg(gomail.WithBoundary(id), gomail.WithNoDefaultUserAgent())
	msg.FromMailAddress(&s.from)
	for _, address := range to {
		msg.AddToMailAddress(&mail.Address{Address: address})
	}
	msg.Subject(m.Subject)
	msg.SetMessageIDWithValue(id + "@" + domain)
	msg.SetDateWithValue(m.CreatedAt.Time)
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no holiday replies, please
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	msg.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	return msg
}
