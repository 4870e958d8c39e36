package mail

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"bursar/app/db"
)

// Accounts writes to people about their accounts, in the transaction of what changed, so that nobody's is taken
// over unseen.
type Accounts struct {
	Templates *Templates
	URL       string         // public address, for the links
	Location  *time.Location // of the company
	Send      bool           // there is SMTP; without it the mails stay in the outbox
}

// Change is what the mail says happened, and who did it. It holds no secret.
type Change struct {
	What    string // a sentence without its period: your password was changed
	By      string // who did it; "" for who has the account
	Address string // where it came from, "" on the command line
}

// accountMail is data only: its words are in web/mail/account.*.
type accountMail struct {
	Change
	Email string // whose account
	Owner bool   // it is to the other owners
	At    time.Time
	URL   string
}

// Sentence begins the mail.
func (m accountMail) Sentence() string { return UpperFirst(m.What) + "." }

// Changed tells somebody what changed about their account. Who has not chosen a password has none yet.
func (a Accounts) Changed(ctx context.Context, q *db.Queries, user db.User, c Change) error {
	if user.PasswordHash == "" {
		return nil
	}
	if c.By == user.Email {
		c.By = ""
	}
	return a.put(ctx, q, []string{user.Email}, accountMail{Change: c, Email: user.Email})
}

// Invited tells of a link that was made for somebody: them, if they have an account, and if they are to be a new
// owner the others. What the link is goes to neither.
func (a Accounts) Invited(ctx context.Context, q *db.Queries, user db.User, isNew bool, c Change) error {
	if isNew && user.Role == "owner" {
		c.What = "somebody was invited to be an owner: " + user.Email
		return a.NewOwner(ctx, q, user, c)
	}
	c.What = "a new sign-in link was made for your account"
	return a.Changed(ctx, q, user, c)
}

// NewOwner tells all other owners who can sign in that a user is or will be one.
func (a Accounts) NewOwner(ctx context.Context, q *db.Queries, user db.User, c Change) error {
	to, err := q.OtherOwners(ctx, user.ID)
	if err != nil {
		return fmt.Errorf("list the owners: %w", err)
	}
	for _, email := range to {
		if err := a.put(ctx, q, []string{email}, accountMail{Change: c, Email: user.Email, Owner: true}); err != nil {
			return err
		}
	}
	return nil
}

func (a Accounts) put(ctx context.Context, q *db.Queries, to []string, data accountMail) (err error) {
	data.At, data.URL = time.Now().In(a.Location), a.URL
	m := Message{Key: "account/" + rand.Text(), To: to}
	if m.Subject, m.Text, m.HTML, err = a.Templates.Render("account", data); err != nil {
		return err
	}
	return Put(ctx, q, m, a.Send)
}
