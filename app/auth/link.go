package auth

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"time"

	"bursar/app/db"
)

const (
	linkLifetime       = 48 * time.Hour
	firstOwnerLifetime = 30 * time.Minute
	resetLifetime      = 30 * time.Minute
	resetEvery         = 10 * time.Minute
)

// The kinds of links.
const (
	invite  = "invite"
	restart = "restart" // made on the machine: second factors end when it is used
	reset   = "reset"   // sent by mail, to an address that somebody typed
)

// Invitation is a link for somebody, to be shown once.
type Invitation struct {
	Link string
	User db.User
	New  bool // there was no such user before
}

// AddUser makes a user and a link below url with which they choose a password, once, within 48 hours. For a
// user who is there already in the same role it makes another link, and the earlier one ends; with another
// role, or disabled, it is ErrExists. The link also takes away second factors that were lost: whoever runs
// commands on the machine could do that anyway.
func AddUser(ctx context.Context, q *db.Queries, email string, role Role, url string) (Invitation, error) {
	return makeLink(ctx, q, email, role, restart, url)
}

// Invite is AddUser for an owner. Second factors stay: they do not become somebody else this way.
func Invite(ctx context.Context, q *db.Queries, email string, role Role, url string) (Invitation, error) {
	return makeLink(ctx, q, email, role, invite, url)
}

func makeLink(ctx context.Context, q *db.Queries, email string, role Role, kind, url string) (made Invitation, err error) {
	if err := checkEmail(email); err != nil {
		return made, err
	}
	if err := checkRole(role); err != nil {
		return made, err
	}
	if made.User, made.New, err = findOrInsert(ctx, q, email, role); err != nil {
		return made, err
	}
	if err := q.DeleteUnusedLinks(ctx, db.ID(made.User.ID)); err != nil {
		return made, fmt.Errorf("drop earlier links: %w", err)
	}
	token, err := newLink(ctx, q, made.User.ID, kind, linkLifetime)
	made.Link = LinkURL(url, token)
	return made, err
}

// LinkURL is the address of a link below url.
func LinkURL(url, token string) string {
	return strings.TrimRight(url, "/") + "/admin/sign-in?token=" + token
}

func checkEmail(email string) error {
	address, err := mail.ParseAddress(email)
	if err != nil || address.Address != email || len(email) > maxEmail {
		return fmt.Errorf("the e-mail address %q is %w; give it bare, like ada@example.com", email, ErrInvalid)
	}
	return nil
}

// maxEmail is the longest address SMTP can carry (RFC 5321, 4.5.3.1.3).
const maxEmail = 254

func checkRole(role Role) error {
	switch role {
	case Owner, Finance, Support:
		return nil
	}
	return fmt.Errorf("the role %q is %w; the roles are %s, %s and %s", role, ErrInvalid, Owner, Finance, Support)
}

func findOrInsert(ctx context.Context, q *db.Queries, email string, role Role) (user db.User, isNew bool, err error) {
	user, err = q.UserByEmail(ctx, email)
	switch {
	case errors.Is(err, db.ErrNoRows):
		id, err := q.InsertUser(ctx, email, string(role), db.Now())
		if err != nil {
			return user, true, fmt.Errorf("add user %s: %w", email, err)
		}
		user, err = q.UserByID(ctx, id)
		return user, true, err
	case err != nil:
		return user, false, err
	case user.Role != string(role):
		return user, false, fmt.Errorf("%w, with the role %s; ask for that role to get a new link, a role is not changed this way", ErrExists, user.Role)
	case !user.DisabledAt.IsZero():
		return user, false, fmt.Errorf("%w, and it is disabled; an owner can enable it under People", ErrExists)
	}
	return user, false, nil
}

// FirstOwnerLink is a link with which the first owner signs up, within 30 minutes, or "" if there are
// users already. A new one ends the earlier ones.
func FirstOwnerLink(ctx context.Context, d *db.DB, url string) (link string, err error) {
	err = d.Tx(ctx, func(q *db.Queries) error {
		n, err := q.CountUsers(ctx)
		if err != nil || n > 0 {
			return err
		}
		if err := q.DeleteUnusedLinks(ctx, db.ID(0)); err != nil {
			return err
		}
		token, err := newLink(ctx, q, 0, invite, firstOwnerLifetime)
		link = LinkURL(url, token)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("make the link for the first owner: %w", err)
	}
	return link, nil
}

// NewReset makes the token of a link with which the user of an e-mail address chooses another password,
// once, within 30 minutes; it goes to that address and nowhere else. ErrLink if there is nobody with this
// address who could sign in, or if one was made in the last 10 minutes: nobody's mailbox is filled by who
// knows their address. Second factors stay.
func NewReset(ctx context.Context, q *db.Queries, email string) (user db.User, token string, err error) {
	user, err = q.UserByEmail(ctx, email)
	if errors.Is(err, db.ErrNoRows) {
		return user, "", ErrLink
	}
	if err != nil {
		return user, "", fmt.Errorf("look up who forgot a password: %w", err)
	}
	lately, err := q.CountResetLinks(ctx, db.ID(user.ID), db.At(time.Now().Add(-resetEvery)))
	if err != nil {
		return user, "", fmt.Errorf("count the links of user %d: %w", user.ID, err)
	}
	if user.PasswordHash == "" || !user.DisabledAt.IsZero() || lately > 0 {
		return user, "", ErrLink
	}
	if err := q.DeleteUnusedResets(ctx, db.ID(user.ID)); err != nil {
		return user, "", fmt.Errorf("drop earlier links: %w", err)
	}
	token, err = newLink(ctx, q, user.ID, reset, resetLifetime)
	return user, token, err
}

// MayReset counts who asks for mails. It is false if an address asks all the time.
func (g *Gate) MayReset(address string) bool {
	_, ok := g.tries.begin(byReset(address))
	return ok
}

// newLink stores a link of a user, or with 0 of the first owner.
func newLink(ctx context.Context, q *db.Queries, user int64, kind string, lifetime time.Duration) (token string, err error) {
	now := time.Now()
	if err := q.DeleteExpiredLinks(ctx, db.At(now)); err != nil {
		return "", fmt.Errorf("drop expired links: %w", err)
	}
	token = rand.Text()
	err = q.InsertSignInLink(ctx, db.InsertSignInLinkParams{TokenHash: hash(token), UserID: db.ID(user), Kind: kind,
		CreatedAt: db.At(now), ExpiresAt: db.At(now.Add(lifetime))})
	if err != nil {
		return "", fmt.Errorf("store a link: %w", err)
	}
	return token, nil
}

// Link is a link that can be used. The zero value is that of the first owner, who says the e-mail address.
type Link struct {
	Email string
	Role  Role
}

// FindLink gives the link of a token, or ErrLink. Whoever tries many that are none gets ErrTooMany.
func (g *Gate) FindLink(ctx context.Context, q *db.Queries, token, address string) (Link, error) {
	try, ok := g.tries.begin(byAddress(address))
	if !ok {
		return Link{}, ErrTooMany
	}
	row, err := findLink(ctx, q, token)
	if !errors.Is(err, ErrLink) {
		g.tries.forgive(try)
	}
	return Link{row.Email, Role(row.Role)}, err
}

func findLink(ctx context.Context, q *db.Queries, token string) (db.SignInLinkByHashRow, error) {
	row, err := q.SignInLinkByHash(ctx, hash(token), db.Now())
	if errors.Is(err, db.ErrNoRows) {
		return row, ErrLink
	}
	if err != nil {
		return row, fmt.Errorf("look up a link: %w", err)
	}
	return row, nil
}

// UsedLink is what a link has done.
type UsedLink struct {
	User           db.User
	First          bool // they had no password before
	DroppedFactors bool // besides the password
}

// UseLink gives a password, as HashPassword made it, to the user of a link, who may then be signed in.
// email counts for the first owner only. Every session and every other link of the user ends, and no link
// works twice: ErrLink, also for the slower of two first owners.
func UseLink(ctx context.Context, q *db.Queries, token, email, passwordHash string) (used UsedLink, err error) {
	link, err := findLink(ctx, q, token)
	if err != nil {
		return used, err
	}
	if err := q.UseSignInLink(ctx, db.Now(), hash(token)); err != nil {
		return used, fmt.Errorf("use a link: %w", err)
	}
	id := link.UserID.Int64
	if !link.UserID.Valid {
		if id, err = insertFirstOwner(ctx, q, email); err != nil {
			return used, err
		}
	}
	before, err := q.UserByID(ctx, id)
	if err != nil {
		return used, fmt.Errorf("read user %d: %w", id, err)
	}
	used.First = before.PasswordHash == ""
	if err := SetPassword(ctx, q, id, passwordHash); err != nil {
		return used, err
	}
	if link.Kind == restart {
		factors, err := FactorsOf(ctx, q, id)
		if err != nil {
			return used, err
		}
		used.DroppedFactors = factors.Any()
		if _, err := DropFactors(ctx, q, id); err != nil {
			return used, err
		}
	}
	if err := EndSessions(ctx, q, id); err != nil {
		return used, err
	}
	if used.User, err = q.UserByID(ctx, id); err != nil {
		return used, fmt.Errorf("read user %d: %w", id, err)
	}
	return used, nil
}

// SetPassword gives a user another password, as HashPassword made it. Links from before end; for sessions
// there is KeepSession.
func SetPassword(ctx context.Context, q *db.Queries, id int64, passwordHash string) error {
	if err := q.SetUserPassword(ctx, passwordHash, id); err != nil {
		return fmt.Errorf("set the password of user %d: %w", id, err)
	}
	if err := q.DeleteUnusedLinks(ctx, db.ID(id)); err != nil {
		return fmt.Errorf("drop the links of user %d: %w", id, err)
	}
	return nil
}

func insertFirstOwner(ctx context.Context, q *db.Queries, email string) (int64, error) {
	if n, err := q.CountUsers(ctx); err != nil || n > 0 {
		return 0, errors.Join(ErrLink, err)
	}
	if err := checkEmail(email); err != nil {
		return 0, err
	}
	id, err := q.InsertUser(ctx, email, string(Owner), db.Now())
	if err != nil {
		return 0, fmt.Errorf("add the first owner: %w", err)
	}
	return id, nil
}
