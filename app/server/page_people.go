package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"bursar/app/auth"
	"bursar/app/db"
)

type peoplePage struct {
	page
	People   []person
	Programs []program
	Roles    []auth.Role
	Link     string // to hand over, shown once
	For      string // whose it is
	Error    string
	Email    string // typed into the form
	Role     auth.Role
}

// person is a user as the list shows them.
type person struct {
	db.User
	State  string // active, invited or disabled
	Self   bool
	Factor bool // they have a second factor
	Seen   time.Time
}

func (s *Server) peoplePage(w http.ResponseWriter, r *http.Request) error {
	return s.showPeople(w, r, http.StatusOK, peoplePage{Role: auth.Support})
}

func (s *Server) showPeople(w http.ResponseWriter, r *http.Request, status int, p peoplePage) error {
	users, err := s.DB.Read().ListPeople(r.Context())
	if err != nil {
		return fmt.Errorf("list people: %w", err)
	}
	keys, err := s.DB.Read().ListAPIKeys(r.Context())
	if err != nil {
		return fmt.Errorf("list API keys: %w", err)
	}
	for _, key := range keys {
		p.Programs = append(p.Programs, program{key})
	}
	p.page, p.Roles = s.page(w, r, "People"), auth.Roles()
	for _, row := range users {
		one := person{User: row.User, State: "active", Self: row.User.ID == userOf(r).ID, Factor: row.SecondFactor > 0}
		switch {
		case !row.User.DisabledAt.IsZero():
			one.State = "disabled"
		case row.User.PasswordHash == "":
			one.State = "invited"
		}
		if row.LastSeenMs > 0 {
			one.Seen = time.UnixMilli(row.LastSeenMs)
		}
		p.People = append(p.People, one)
	}
	return s.render(w, status, "people", p)
}

// invite adds somebody, or makes a new link for them. The link is in the answer to the POST and nowhere
// else: not in a cookie, and not in a mail that others may read in the outbox.
func (s *Server) invite(w http.ResponseWriter, r *http.Request) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	p := peoplePage{Email: strings.TrimSpace(r.PostFormValue("email")), Role: auth.Role(r.PostFormValue("role"))}
	var made auth.Invitation
	err := s.DB.Tx(r.Context(), func(q *db.Queries) (err error) {
		if made, err = auth.Invite(r.Context(), q, p.Email, p.Role, s.URL); err != nil {
			return err
		}
		if err := s.audit(r.Context(), q, r, "people.invite", p.Email, string(p.Role)); err != nil {
			return err
		}
		return s.accounts().Invited(r.Context(), q, made.User, made.New, s.changeBy(r, ""))
	})
	if errors.Is(err, auth.ErrInvalid) || errors.Is(err, auth.ErrExists) {
		p.Error = sentence(err.Error())
		return s.showPeople(w, r, http.StatusUnprocessableEntity, p)
	}
	if err != nil {
		return err
	}
	return s.showPeople(w, r, http.StatusOK, peoplePage{Link: made.Link, For: p.Email, Role: auth.Support})
}

// changeRole takes the role from the query too, for the button that takes a change back.
func (s *Server) changeRole(w http.ResponseWriter, r *http.Request) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	role := auth.Role(r.FormValue("role"))
	return s.changePerson(w, r, "people.role", func(ctx context.Context, q *db.Queries, id int64) (change, error) {
		before, err := auth.SetRole(ctx, q, id, role)
		undo := action{"Undo", fmt.Sprintf("/admin/people/%d/role?role=%s", id, before.Role)}
		done := change{user: before, before: before.Role, after: string(role), notice: notice{Text: before.Email + " now has the role " + string(role) + " and signs in again.", Undo: &undo}}
		if role != auth.Role(before.Role) {
			done.what = fmt.Sprintf("your role is %s now, and was %s", role, before.Role)
		}
		return done, err
	})
}

func (s *Server) disableUser(w http.ResponseWriter, r *http.Request) error {
	return s.changePerson(w, r, "people.disable", func(ctx context.Context, q *db.Queries, id int64) (change, error) {
		user, err := auth.Disable(ctx, q, id)
		undo := action{"Undo", fmt.Sprintf("/admin/people/%d/enable", id)}
		return change{user: user, what: "your account was disabled, and you cannot sign in any more", notice: notice{Text: user.Email + " is signed out and cannot sign in any more.", Undo: &undo}}, err
	})
}

func (s *Server) enableUser(w http.ResponseWriter, r *http.Request) error {
	return s.changePerson(w, r, "people.enable", func(ctx context.Context, q *db.Queries, id int64) (change, error) {
		user, err := auth.Enable(ctx, q, id)
		return change{user: user, what: "your account was enabled again", notice: notice{Text: user.Email + " can sign in again, with the password they had."}}, err
	})
}

type dropFactorsPage struct {
	page
	auth.Factors
	Who db.User
}

const nobody = "there is nobody with this number"

// confirmDropFactors answers GET /admin/people/{id}/factors: what would be gone, before it is.
func (s *Server) confirmDropFactors(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, nobody)
	if err != nil {
		return err
	}
	user, err := s.DB.Read().UserByID(r.Context(), id)
	if err != nil {
		return found(err, nobody)
	}
	factors, err := auth.FactorsOf(r.Context(), s.DB.Read(), id)
	if err != nil {
		return err
	}
	return s.render(w, http.StatusOK, "people-factors", dropFactorsPage{s.page(w, r, "Remove second factor"), factors, user})
}

func (s *Server) dropFactors(w http.ResponseWriter, r *http.Request) error {
	return s.changePerson(w, r, "people.factors", func(ctx context.Context, q *db.Queries, id int64) (change, error) {
		user, err := auth.DropFactors(ctx, q, id)
		return change{user: user, before: "a second factor", after: "the password alone", what: "your second factor was removed, and your password alone signs you in",
			notice: notice{Text: user.Email + " is signed out, and signs in with the password alone until they set up a second factor."}}, err
	})
}

// change is what became of somebody: for the audit, for the mail to them, and for the page.
type change struct {
	user          db.User // as they were
	before, after string
	what          string // of the mail; "" for none
	notice        notice
}

// changePerson does something to the person in the path, and writes down who did.
func (s *Server) changePerson(w http.ResponseWriter, r *http.Request, name string, fn func(context.Context, *db.Queries, int64) (change, error)) error {
	id, err := pathID(r, nobody)
	if err != nil {
		return err
	}
	var done change
	err = s.DB.Tx(r.Context(), func(q *db.Queries) (err error) {
		if done, err = fn(r.Context(), q, id); err != nil {
			return err
		}
		e := s.entry(r, name, done.user.Email, "")
		e.Before, e.After = done.before, done.after
		if err := auth.Audit(r.Context(), q, e); err != nil {
			return err
		}
		return s.tellOf(q, r, done)
	})
	switch {
	case errors.Is(err, auth.ErrLastOwner):
		return s.seeOther(w, r, "/admin/people", notice{Bad: true, Text: "Nothing was changed: " + done.user.Email + " is the last owner who can sign in. Make somebody else an owner first."})
	case errors.Is(err, auth.ErrInvalid):
		return &HTTPError{Code: http.StatusUnprocessableEntity, Msg: err.Error()}
	case err != nil:
		return found(err, nobody)
	}
	return s.seeOther(w, r, "/admin/people", done.notice)
}

// tellOf tells somebody what an owner changed, and the other owners that there is one more.
func (s *Server) tellOf(q *db.Queries, r *http.Request, c change) error {
	if c.what == "" {
		return nil
	}
	if err := s.accounts().Changed(r.Context(), q, c.user, s.changeBy(r, c.what)); err != nil {
		return err
	}
	if c.after != string(auth.Owner) {
		return nil
	}
	return s.accounts().NewOwner(r.Context(), q, c.user, s.changeBy(r, "there is a new owner: "+c.user.Email+", who was "+c.before))
}
