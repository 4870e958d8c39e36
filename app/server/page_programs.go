package server

import (
	"fmt"
	"net/http"

	"bursar/app/auth"
	"bursar/app/db"
	"bursar/app/mail"
)

// programRoutes are those about API keys. They are made on the command line only: a page would show them
// to whoever looks over a shoulder.
func (s *Server) programRoutes() []Route {
	return []Route{
		{"GET", "/admin/programs/{id}/revoke", may(auth.ManagePeople), s.confirmRevoke},
		{"POST", "/admin/programs/{id}/revoke", may(auth.ManagePeople), s.revokeKey},
	}
}

// program is an API key as pages show it.
type program struct{ db.ApiKey }

// State is active, expired or revoked.
func (p program) State() string { return auth.KeyState(p.ApiKey) }

// May is the scope in words.
func (p program) May() string {
	if auth.Scope(p.Scope).May(auth.ScopeWrite) {
		return "read and write"
	}
	return "read"
}

const noKey = "there is no API key with this number"

type revokePage struct {
	page
	Key program
}

// confirmRevoke answers GET /admin/programs/{id}/revoke.
func (s *Server) confirmRevoke(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, noKey)
	if err != nil {
		return err
	}
	key, err := s.DB.Read().APIKeyByID(r.Context(), id)
	if err != nil {
		return found(err, noKey)
	}
	if !key.RevokedAt.IsZero() {
		return s.seeOther(w, r, "/admin/people", notice{Text: "This key is revoked already."})
	}
	return s.render(w, http.StatusOK, "revoke", revokePage{s.page(w, r, "Revoke the key of "+mail.Line(key.Name, maxName)), program{key}})
}

// revokeKey answers POST /admin/programs/{id}/revoke.
func (s *Server) revokeKey(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, noKey)
	if err != nil {
		return err
	}
	var key db.ApiKey
	err = s.DB.Tx(r.Context(), func(q *db.Queries) error {
		if key, err = auth.RevokeAPIKey(r.Context(), q, id); err != nil || !key.RevokedAt.IsZero() {
			return err
		}
		return s.audit(r.Context(), q, r, "apikeys.revoke", auth.KeyTarget(id), key.Name)
	})
	if err != nil {
		return found(err, noKey)
	}
	return s.seeOther(w, r, "/admin/people", notice{Text: fmt.Sprintf("The key of %s is revoked.", mail.Line(key.Name, maxName))})
}
