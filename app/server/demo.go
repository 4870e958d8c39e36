package server

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"bursar/app/auth"
	"bursar/app/db"
)

// Demo is the panel of bursar demo: buttons that make things happen outside of Bursar.
type Demo struct {
	// Groups are the buttons as they are now.
	Groups func() []DemoGroup
	// Press does what the button with this name is for, and says in a sentence or two what that was and
	// what to watch for.
	Press func(ctx context.Context, name string) (said string, err error)
	// Deeds are what happened outside lately, the newest first.
	Deeds func() []DemoDeed
}

// DemoGroup is a few buttons with a heading.
type DemoGroup struct {
	Title   string
	Actions []DemoAction
}

// DemoAction is a button. Name is what it posts.
type DemoAction struct {
	Name, Label, Text string
	More              bool // in a list under the buttons of its group
}

// More are the actions of a group that are in a list.
func (g DemoGroup) More() (more []DemoAction) {
	for _, a := range g.Actions {
		if a.More {
			more = append(more, a)
		}
	}
	return more
}

// DemoDeed is something that happened outside of Bursar.
type DemoDeed struct {
	At       time.Time
	Text     string
	Customer string // cus_… of whom it is about, "" if nobody
	Pressed  bool   // by a button; else it happened by itself
	Lost     bool   // its webhooks were lost
	ByHand   bool   // somebody changed the contact in the CRM
}

// DemoEmail is the address of the person of a role that a visitor of the demo can be.
func DemoEmail(role auth.Role) string { return string(role) + "@demo.test" }

// DemoRoles are whom a visitor of the demo can be.
func (page) DemoRoles() []auth.Role { return auth.Roles() }

// AddDemoUsers adds a person of each role. Nobody knows a password of theirs.
func AddDemoUsers(ctx context.Context, d *db.DB, passwordHash string) error {
	return d.Tx(ctx, func(q *db.Queries) error {
		for _, role := range auth.Roles() {
			id, err := q.InsertUser(ctx, DemoEmail(role), string(role), db.Now())
			if err != nil {
				return fmt.Errorf("add the %s of the demo: %w", role, err)
			}
			if err := q.SetUserPassword(ctx, passwordHash, id); err != nil {
				return fmt.Errorf("add the %s of the demo: %w", role, err)
			}
		}
		return nil
	})
}

// enterDemo signs a visitor in as the owner, without asking. It must be somebody on this machine who calls
// it by a name of this machine: another site that points its own name here gets no session.
func (s *Server) enterDemo(w http.ResponseWriter, r *http.Request) (auth.User, error) {
	if !isLocal(r) || !isLoopback(r.Host) {
		return auth.User{}, auth.ErrNoSession
	}
	return s.becomeDemoUser(w, r, auth.Owner)
}

func isLoopback(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	return err == nil && (host == "localhost" || net.ParseIP(host).IsLoopback())
}

// becomeDemoUser begins a session as the person of a role, and ends the one there was.
func (s *Server) becomeDemoUser(w http.ResponseWriter, r *http.Request, role auth.Role) (auth.User, error) {
	ctx := r.Context()
	var user db.User
	var token string
	err := s.DB.Tx(ctx, func(q *db.Queries) (err error) {
		if err := auth.EndSession(ctx, q, s.sessionToken(r)); err != nil {
			return err
		}
		if user, err = q.UserByEmail(ctx, DemoEmail(role)); err != nil {
			return fmt.Errorf("find the %s of the demo: %w", role, err)
		}
		token, err = auth.StartSession(ctx, q, user, s.origin(r))
		return err
	})
	if err != nil {
		return auth.User{}, err
	}
	http.SetCookie(w, s.cookie(sessionCookie, token, 0))
	return auth.User{ID: user.ID, Email: user.Email, Role: auth.Role(user.Role)}, nil
}

// visitor is a user of the demo, who has nothing to confirm with: it shows what money needs all the same.
func visitor(user auth.User) auth.User {
	user.ConfirmedAt, user.SecondFactor = time.Now(), true
	return user
}
