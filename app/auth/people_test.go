package auth_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bursar/app/auth"
	"bursar/app/db"
)

func TestTheLastOwnerStays(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		other func(t *testing.T, d *db.DB)
		ok    bool
	}{
		{"nobody else", func(*testing.T, *db.DB) {}, false},
		{"another owner", func(t *testing.T, d *db.DB) { addUser(t, d, "eve@example.com", auth.Owner) }, true},
		{"somebody of finance", func(t *testing.T, d *db.DB) { addUser(t, d, "eve@example.com", auth.Finance) }, false},
		{"an owner who has not chosen a password yet", func(t *testing.T, d *db.DB) {
			_, err := auth.AddUserIn(t.Context(), d, "eve@example.com", auth.Owner, "https://b.example")
			check(t, err)
		}, false},
		{"an owner who is disabled", func(t *testing.T, d *db.DB) {
			eve := addUser(t, d, "eve@example.com", auth.Owner)
			check(t, d.Tx(t.Context(), func(q *db.Queries) error { _, err := auth.Disable(t.Context(), q, eve.ID); return err }))
		}, false},
	} {
		for name, do := range map[string]func(*db.Queries, int64) error{
			"demote": func(q *db.Queries, id int64) error {
				_, err := auth.SetRole(t.Context(), q, id, auth.Support)
				return err
			},
			"disable": func(q *db.Queries, id int64) error { _, err := auth.Disable(t.Context(), q, id); return err },
		} {
			t.Run(name+", "+row.name, func(t *testing.T) {
				t.Parallel()
				d := newDB(t)
				ada := addUser(t, d, "ada@example.com", auth.Owner)
				row.other(t, d)
				err := d.Tx(t.Context(), func(q *db.Queries) error { return do(q, ada.ID) })
				if row.ok != (err == nil) || !row.ok && !errors.Is(err, auth.ErrLastOwner) {
					t.Errorf("the error is %v", err)
				}
			})
		}
	}
}

func TestTwoOwnersCannotDemoteEachOtherAtOnce(t *testing.T) {
	t.Parallel()
	d := newDB(t)
	var all sync.WaitGroup
	errs := make(chan error, 2)
	for _, id := range []int64{addUser(t, d, "ada@example.com", auth.Owner).ID, addUser(t, d, "eve@example.com", auth.Owner).ID} {
		all.Go(func() {
			errs <- d.Tx(t.Context(), func(q *db.Queries) error {
				_, err := auth.SetRole(t.Context(), q, id, auth.Support)
				return err
			})
		})
	}
	all.Wait()
	one, two := <-errs, <-errs
	if (one == nil) == (two == nil) || !errors.Is(errors.Join(one, two), auth.ErrLastOwner) {
		t.Errorf("the errors are %v and %v", one, two)
	}
	var owners int
	query(t, d, "SELECT count(*) FROM users WHERE role = 'owner'", &owners)
	if owners != 1 {
		t.Errorf("%d owners are left", owners)
	}
}

func TestWhoIsEnabledAgainHasTheirPasswordAndNothingElse(t *testing.T) {
	t.Parallel()
	d := newDB(t)
	ada := addUser(t, d, "ada@example.com", auth.Support)
	session := startSession(t, d, ada)
	link, err := auth.AddUserIn(t.Context(), d, "ada@example.com", auth.Support, "https://b.example")
	check(t, err)
	check(t, d.Tx(t.Context(), func(q *db.Queries) error { _, err := auth.Disable(t.Context(), q, ada.ID); return err }))
	check(t, d.Tx(t.Context(), func(q *db.Queries) error { _, err := auth.Enable(t.Context(), q, ada.ID); return err }))
	if got := guess(t, newGate(t), d, "ada@example.com", password, here); got != "right" {
		t.Errorf("the password is %s", got)
	}
	if isSignedIn(t, d, session) {
		t.Error("the session from before goes on")
	}
	if _, err := use(t, d, link, ""); !errors.Is(err, auth.ErrLink) {
		t.Errorf("a link from before: %v", err)
	}
}

// use chooses a password with a link and gives who got it.
func use(t *testing.T, d *db.DB, link, email string) (user db.User, err error) {
	t.Helper()
	_, token, _ := strings.Cut(link, "token=")
	err = d.Tx(t.Context(), func(q *db.Queries) (err error) {
		used, err := auth.UseLink(t.Context(), q, token, email, "a hash")
		user = used.User
		return err
	})
	return user, err
}

func TestTheFirstOwner(t *testing.T) {
	t.Parallel()
	d := newDB(t)
	older, err := auth.FirstOwnerLink(t.Context(), d, "https://b.example/")
	check(t, err)
	link, err := auth.FirstOwnerLink(t.Context(), d, "https://b.example/")
	check(t, err)
	if !strings.HasPrefix(link, "https://b.example/admin/sign-in?token=") || len(link) < len("https://b.example/admin/sign-in?token=")+26 {
		t.Errorf("the link is %s", link)
	}
	if _, err := use(t, d, older, "eve@example.com"); !errors.Is(err, auth.ErrLink) {
		t.Errorf("the link before: %v", err)
	}
	if _, err := use(t, d, link, "no address"); !errors.Is(err, auth.ErrInvalid) {
		t.Errorf("no address: %v", err)
	}
	if user, err := use(t, d, link, "ada@example.com"); err != nil || user.Role != "owner" || user.Email != "ada@example.com" {
		t.Errorf("the first owner is %+v, %v", user, err)
	}
	if _, err := use(t, d, link, "eve@example.com"); !errors.Is(err, auth.ErrLink) {
		t.Errorf("the link again: %v", err)
	}
	if link, err := auth.FirstOwnerLink(t.Context(), d, "https://b.example"); link != "" || err != nil {
		t.Errorf("when there is an owner: %q, %v", link, err)
	}
}

func TestAFirstOwnersLinkIsWorthNothingOnceThereIsAUser(t *testing.T) {
	t.Parallel()
	d := newDB(t)
	link, err := auth.FirstOwnerLink(t.Context(), d, "https://b.example")
	check(t, err)
	addUser(t, d, "ada@example.com", auth.Owner) // on the command line meanwhile
	if _, err := use(t, d, link, "eve@example.com"); !errors.Is(err, auth.ErrLink) {
		t.Errorf("the error is %v", err)
	}
}

func TestTwoFirstOwnersAtOnceAreOne(t *testing.T) {
	t.Parallel()
	d := newDB(t)
	link, err := auth.FirstOwnerLink(t.Context(), d, "https://b.example")
	check(t, err)
	errs := make(chan error, 8)
	var all sync.WaitGroup
	for i := range cap(errs) {
		all.Go(func() {
			_, err := use(t, d, link, string(rune('a'+i))+"@example.com")
			errs <- err
		})
	}
	all.Wait()
	close(errs)
	won := 0
	for err := range errs {
		if err == nil {
			won++
		} else if !errors.Is(err, auth.ErrLink) {
			t.Error(err)
		}
	}
	var users int
	query(t, d, "SELECT count(*) FROM users", &users)
	if won != 1 || users != 1 {
		t.Errorf("%d became owner, there are %d users", won, users)
	}
}

func TestHowLongALinkLasts(t *testing.T) {
	t.Parallel()
	first := func(t *testing.T, d *db.DB) (string, error) {
		return auth.FirstOwnerLink(t.Context(), d, "https://b.example")
	}
	invited := func(t *testing.T, d *db.DB) (string, error) {
		return auth.AddUserIn(t.Context(), d, "ada@example.com", auth.Finance, "https://b.example")
	}
	for _, row := range []struct {
		name  string
		link  func(*testing.T, *db.DB) (string, error)
		after time.Duration
		ok    bool
	}{
		{"first owner, in time", first, 30*time.Minute - time.Second, true},
		{"first owner, too late", first, 30 * time.Minute, false},
		{"invited, in time", invited, 48*time.Hour - time.Second, true},
		{"invited, too late", invited, 48 * time.Hour, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := newDB(t)
				link, err := row.link(t, d)
				check(t, err)
				time.Sleep(row.after)
				_, token, _ := strings.Cut(link, "token=")
				_, found := newGate(t).FindLink(t.Context(), d.Read(), token, here)
				_, used := use(t, d, link, "ada@example.com")
				if row.ok != (found == nil) || row.ok != (used == nil) || !row.ok && !errors.Is(used, auth.ErrLink) {
					t.Errorf("looking at it: %v, using it: %v", found, used)
				}
			})
		})
	}
}

func TestAnInvitation(t *testing.T) {
	t.Parallel()
	d := newDB(t)
	older, err := auth.AddUserIn(t.Context(), d, "ada@example.com", auth.Finance, "https://b.example")
	check(t, err)
	link, err := auth.AddUserIn(t.Context(), d, "ada@example.com", auth.Finance, "https://b.example")
	check(t, err)
	if _, err := use(t, d, older, ""); !errors.Is(err, auth.ErrLink) {
		t.Errorf("the link before: %v", err)
	}
	_, token, _ := strings.Cut(link, "token=")
	if got, err := newGate(t).FindLink(t.Context(), d.Read(), token, here); err != nil || got != (auth.Link{Email: "ada@example.com", Role: auth.Finance}) {
		t.Errorf("the link is %+v, %v", got, err)
	}
	user, err := use(t, d, link, "eve@example.com")
	if err != nil || user.Email != "ada@example.com" || user.Role != "finance" {
		t.Errorf("who claims to be eve is %+v, %v", user, err)
	}
	if _, err := use(t, d, link, ""); !errors.Is(err, auth.ErrLink) {
		t.Errorf("the link again: %v", err)
	}
}

func TestWhoIsDisabledHasNoLink(t *testing.T) {
	t.Parallel()
	d := newDB(t)
	addUser(t, d, "ada@example.com", auth.Owner)
	eve := addUser(t, d, "eve@example.com", auth.Support)
	link, err := auth.AddUserIn(t.Context(), d, "eve@example.com", auth.Support, "https://b.example")
	check(t, err)
	check(t, d.Tx(t.Context(), func(q *db.Queries) error { _, err := auth.Disable(t.Context(), q, eve.ID); return err }))
	if _, err := use(t, d, link, ""); !errors.Is(err, auth.ErrLink) {
		t.Errorf("a link from before: %v", err)
	}
	if _, err := auth.AddUserIn(t.Context(), d, "eve@example.com", auth.Support, "https://b.example"); !errors.Is(err, auth.ErrExists) {
		t.Errorf("a new link: %v", err)
	}
}
