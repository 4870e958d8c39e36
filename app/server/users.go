package server

import (
	"context"
	"errors"
	"net/http"
	"time"

	"bursar/app/customer"
	"bursar/app/db"
)

// userFields is what the product tells of its user. What is left out stays as it is.
type userFields struct {
	Email       *string `json:"email"`
	Name        *string `json:"name"`
	AnonymousID *string `json:"anonymous_id"`
}

func (f userFields) check() error {
	if f.Email != nil {
		if err := checkEmail(*f.Email); err != nil {
			return err
		}
	}
	if f.Name != nil {
		if err := checkText("name", *f.Name); err != nil {
			return err
		}
	}
	if f.AnonymousID != nil {
		return checkText("anonymous_id", *f.AnonymousID)
	}
	return nil
}

// putUser answers PUT /api/v1/users/{user_id}: the product tells of a sign-up, or of a change. Name and
// e-mail of a Stripe customer count for more.
func (s *Server) putUser(w http.ResponseWriter, r *http.Request) error {
	user := r.PathValue("user_id")
	if err := checkText("user_id", user); err != nil {
		return err
	}
	var fields userFields
	if err := decode(w, r, &fields); err != nil {
		return err
	}
	if err := fields.check(); err != nil {
		return err
	}
	id, status := int64(0), http.StatusOK
	err := s.DB.Tx(r.Context(), func(q *db.Queries) (err error) {
		if _, err := q.LinkOf(r.Context(), "user", user); errors.Is(err, db.ErrNoRows) {
			status = http.StatusCreated
			if err := refuseErased(r.Context(), q, user); err != nil {
				return err
			}
		}
		id, err = s.storeUser(r.Context(), q, user, fields)
		return err
	})
	var refused *HTTPError
	if errors.As(err, &refused) {
		return err
	}
	if err != nil {
		return notStored(err)
	}
	c, err := s.customer(r.Context(), id)
	if err != nil {
		return err
	}
	return writeJSON(w, status, c)
}

// refuseErased keeps the product's own list from bringing back somebody who was erased.
func refuseErased(ctx context.Context, q *db.Queries, user string) error {
	at, err := customer.ErasedAt(ctx, q, customer.UserName, user)
	if err != nil || at.IsZero() {
		return err
	}
	return &HTTPError{Code: http.StatusGone, Msg: "this user was erased on " + at.UTC().Format("2 January 2006") +
		"; take them out of your list, or, if they are a user again, run: bursar erase --readmit USER_ID"}
}

func (s *Server) storeUser(ctx context.Context, q *db.Queries, user string, fields userFields) (int64, error) {
	anonymous := ""
	if fields.AnonymousID != nil {
		anonymous = *fields.AnonymousID
	}
	id, err := customer.BindUser(ctx, q, user, anonymous)
	if err != nil {
		return 0, err
	}
	return id, s.Billing.Change(ctx, q, id, func() error {
		record, err := q.CustomerByID(ctx, id)
		if err != nil {
			return err
		}
		next := db.UpdateCustomerIdentityParams{ID: id, Name: record.Name, Email: record.Email, Now: db.Now()}
		if fields.Name != nil {
			next.Name = *fields.Name
		}
		if fields.Email != nil {
			next.Email = *fields.Email
		}
		return q.UpdateCustomerIdentity(ctx, next)
	})
}

// accessAnswer says what a user may use.
type accessAnswer struct {
	Access string     `json:"access"`
	Plan   string     `json:"plan"`
	Status string     `json:"status"`
	Reason string     `json:"reason"`
	Until  *time.Time `json:"until"`
	AsOf   *time.Time `json:"as_of"`
	Source string     `json:"source"`
}

// userAccess answers GET /api/v1/users/{user_id}/access. A user nobody told of is a 404 and not "none": a
// misspelt id must not look like somebody who did not pay.
func (s *Server) userAccess(w http.ResponseWriter, r *http.Request) error {
	id, err := s.DB.Read().LinkOf(r.Context(), "user", r.PathValue("user_id"))
	if errors.Is(err, db.ErrNoRows) {
		return &HTTPError{Code: http.StatusNotFound, Msg: "this user is not known; PUT /api/v1/users/{user_id} first"}
	}
	if err != nil {
		return err
	}
	facts, err := customer.Load(r.Context(), s.DB.Read(), id)
	if err != nil {
		return err
	}
	record := facts.RecordAt(time.Now())
	return writeJSON(w, http.StatusOK, accessAnswer{record.Access, record.Plan, record.Status, record.AccessReason,
		timeOrNull(record.AccessUntilAt.Time), timeOrNull(record.AsOfAt.Time), record.Source})
}
