// Package mail is the outbox: mails are stored in the transaction that causes them, exactly once, and
// sent by a job of their own. Without SMTP they stay there to be read.
package mail

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"strconv"
	"strings"

	"bursar/app/db"
	"bursar/app/queue"
)

// The states of a mail.
const (
	Kept       = "kept"       // stored to be read here; it is never sent by itself
	Waiting    = "waiting"    // its job will send it
	Sent       = "sent"       // a server took it
	Failed     = "failed"     // the server refuses it for good
	Superseded = "superseded" // it got old: it was news while mail did not work, and another mail names it, or a backup was restored
)

// maxSubject is in characters: what a phone shows of a subject is far less.
const maxSubject = 150

// Message is a mail before it is stored.
type Message struct {
	Key     string   // one mail for each thing said, like report/2026-03-04
	To      []string // bare addresses
	Subject string
	Text    string
	HTML    string
	Data    string // JSON of what it was written from, "" if nobody needs it
	News    bool   // nobody wants it a day later: Backlog goes out in its place then
	Secret  []byte // sealed for SecretOf(Key): it takes the place of Hidden when the mail is sent
}

// Hidden stands in a stored mail for what only its recipient may read. The outbox shows it as it is.
const Hidden = "shown-in-the-mail-only"

// SecretOf is what the secret of the mail with a key is sealed for.
func SecretOf(key string) string { return "mail " + key }

// SendArgs is the job that sends a stored mail.
type SendArgs struct {
	ID int64 `json:"id"`
}

// Kind is the job's name.
func (SendArgs) Kind() string { return "send_mail" }

// Key is the mail's id.
func (a SendArgs) Key() string { return strconv.FormatInt(a.ID, 10) }

// Put stores a mail in the transaction of q, and the job that sends it if send is true and there is
// somebody to send it to. A second mail with the same key changes nothing. An address that is none
// is an error.
func Put(ctx context.Context, q *db.Queries, m Message, send bool) error {
	to, err := ParseAddresses(strings.Join(m.To, ","))
	if err != nil {
		return fmt.Errorf("put mail %s: %w", m.Key, err)
	}
	send = send && len(to) > 0
	state := Kept
	if send {
		state = Waiting
	}
	id, err := q.InsertMail(ctx, db.InsertMailParams{Key: m.Key, Recipients: strings.Join(to, ", "),
		Subject: Line(m.Subject, maxSubject), Text: m.Text, HTML: m.HTML, Data: m.Data, News: m.News, State: state, CreatedAt: db.Now()})
	if errors.Is(err, db.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("put mail %s: %w", m.Key, err)
	}
	if !send {
		return nil
	}
	if len(m.Secret) > 0 {
		if err := q.SealMail(ctx, m.Secret, id); err != nil {
			return fmt.Errorf("put mail %s: %w", m.Key, err)
		}
	}
	return queue.Insert(ctx, q, SendArgs{ID: id})
}

// ParseAddresses reads a comma-separated list of bare e-mail addresses, as in BURSAR_REPORT_TO.
// An empty list is none.
func ParseAddresses(list string) ([]string, error) {
	var addresses []string
	for item := range strings.SplitSeq(list, ",") {
		item = strings.TrimSpace(item)
		if item == "" {
			continue
		}
		// The envelope takes nothing but the address: no names, no quoted local parts.
		parsed, err := mail.ParseAddress(item)
		if err != nil || parsed.Address != item || strings.ContainsAny(item, "\"<>;\\ \t") {
			return nil, fmt.Errorf("%q is not an e-mail address like ada@example.com", Line(item, 80))
		}
		addresses = append(addresses, item)
	}
	return addresses, nil
}
