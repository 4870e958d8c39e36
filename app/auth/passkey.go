package auth

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"bursar/app/db"
)

const maxPasskeys = 20

// newWebAuthn is the ceremonies for a public address. A browser makes no passkeys for a bare number
// (https://www.w3.org/TR/webauthn-3/#relying-party-identifier): then it is nil.
func newWebAuthn(address string) (*webauthn.WebAuthn, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("passkeys: %w", err)
	}
	if _, err := netip.ParseAddr(u.Hostname()); err == nil || u.Hostname() == "" {
		return nil, nil
	}
	key := true
	return webauthn.New(&webauthn.Config{RPID: u.Hostname(), RPDisplayName: "Bursar", RPOrigins: []string{u.Scheme + "://" + u.Host},
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{RequireResidentKey: &key,
			ResidentKey: protocol.ResidentKeyRequirementRequired, UserVerification: protocol.VerificationRequired}})
}

// Passkeys says whether there can be any: not if the public address is a bare number.
func (g *Gate) Passkeys() bool { return g.web != nil }

// keyHolder is a user as the ceremonies know them.
type keyHolder struct {
	user db.User
	keys []webauthn.Credential
}

func (h keyHolder) WebAuthnID() []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(h.user.ID))
}
func (h keyHolder) WebAuthnName() string                       { return h.user.Email }
func (h keyHolder) WebAuthnDisplayName() string                { return h.user.Email }
func (h keyHolder) WebAuthnCredentials() []webauthn.Credential { return h.keys }

func findKeyHolder(ctx context.Context, q *db.Queries, user int64) (keyHolder, error) {
	h := keyHolder{}
	var err error
	if h.user, err = q.UserByID(ctx, user); err != nil {
		return h, fmt.Errorf("read user %d: %w", user, err)
	}
	rows, err := q.PasskeysOf(ctx, user)
	if err != nil {
		return h, fmt.Errorf("list the passkeys of user %d: %w", user, err)
	}
	for _, row := range rows {
		var key webauthn.Credential
		if err := json.Unmarshal([]byte(row.Credential), &key); err != nil {
			return h, fmt.Errorf("read passkey %d: %w", row.ID, err)
		}
		h.keys = append(h.keys, key)
	}
	return h, nil
}

// BeginPasskey asks a browser to make a passkey: options are for navigator.credentials.create, the token
// for AddPasskey.
func (g *Gate) BeginPasskey(ctx context.Context, q *db.Queries, user int64) (options any, token string, err error) {
	h, err := findKeyHolder(ctx, q, user)
	if err != nil {
		return nil, "", err
	}
	if g.web == nil || len(h.keys) >= maxPasskeys {
		return nil, "", fmt.Errorf("another passkey is %w", ErrInvalid)
	}
	creation, data, err := g.web.BeginRegistration(h, webauthn.WithExclusions(webauthn.Credentials(h.keys).CredentialDescriptors()))
	if err != nil {
		return nil, "", fmt.Errorf("begin a passkey of user %d: %w", user, err)
	}
	token, err = g.ceremonies.put(*data)
	return creation.Response, token, err
}

// AddPasskey stores the passkey that a browser made. codes are recovery codes, if the user had none. ErrPasskey
// if what the browser says is not the answer to what it was asked.
func (g *Gate) AddPasskey(ctx context.Context, q *db.Queries, user int64, token, name string, answer []byte) (codes []string, err error) {
	data, ok := g.ceremonies.take(token)
	if !ok || g.web == nil {
		return nil, fmt.Errorf("%w: it was begun more than 5 minutes ago", ErrPasskey)
	}
	h, err := findKeyHolder(ctx, q, user)
	if err != nil {
		return nil, err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return nil, passkeyError(err)
	}
	key, err := g.web.CreateCredential(h, data, parsed)
	if err != nil {
		return nil, passkeyError(err)
	}
	text, err := json.Marshal(key)
	if err != nil {
		return nil, fmt.Errorf("store a passkey of user %d: %w", user, err)
	}
	err = q.InsertPasskey(ctx, db.InsertPasskeyParams{UserID: user, Name: name, CredentialID: key.ID, Credential: string(text), CreatedAt: db.Now()})
	if err != nil {
		return nil, fmt.Errorf("store a passkey of user %d: %w", user, err)
	}
	return firstCodes(ctx, q, user)
}

// passkeyError keeps what the library says of an answer for the log.
func passkeyError(err error) error {
	var detail *protocol.Error
	if errors.As(err, &detail) {
		return fmt.Errorf("%w: %s: %s", ErrPasskey, detail.Details, detail.DevInfo)
	}
	return fmt.Errorf("%w: %w", ErrPasskey, err)
}

// DropPasskey takes a passkey from a user. db.ErrNoRows if it is not theirs.
func DropPasskey(ctx context.Context, q *db.Queries, user, id int64) error {
	n, err := q.DeletePasskey(ctx, id, user)
	if err != nil {
		return fmt.Errorf("drop passkey %d: %w", id, err)
	}
	if n == 0 {
		return db.ErrNoRows
	}
	return dropCodes(ctx, q, user)
}

// BeginPasskeyProof asks a browser for any passkey it has for Bursar: options are for
// navigator.credentials.get, the token for CheckPasskey. ErrTooMany if an address asks all the time.
func (g *Gate) BeginPasskeyProof(address string) (options any, token string, err error) {
	if g.web == nil {
		return nil, "", fmt.Errorf("a passkey is %w", ErrInvalid)
	}
	if _, ok := g.tries.begin(byCeremony(address)); !ok {
		return nil, "", ErrTooMany
	}
	assertion, data, err := g.web.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return nil, "", fmt.Errorf("ask for a passkey: %w", err)
	}
	token, err = g.ceremonies.put(*data)
	return assertion.Response, token, err
}

// CheckPasskey gives the user whose passkey signed what BeginPasskeyProof asked, for StartSession or for a
// confirmation. Nothing works twice. The device has verified its user, so this is two factors at once.
// ErrPasskey if it is not right, also if its counter shows that there is a copy of it.
func (g *Gate) CheckPasskey(ctx context.Context, q *db.Queries, token string, answer []byte) (db.User, error) {
	data, ok := g.ceremonies.take(token)
	if !ok || g.web == nil {
		return db.User{}, fmt.Errorf("%w: it was asked for more than 5 minutes ago", ErrPasskey)
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return db.User{}, passkeyError(err)
	}
	var h keyHolder
	find := func(_, handle []byte) (_ webauthn.User, err error) {
		if len(handle) != 8 {
			return nil, db.ErrNoRows
		}
		h, err = findKeyHolder(ctx, q, int64(binary.BigEndian.Uint64(handle)))
		return h, err
	}
	_, key, err := g.web.ValidatePasskeyLogin(find, data, parsed)
	switch {
	case err != nil:
		return db.User{}, passkeyError(err)
	case key.Authenticator.CloneWarning:
		return db.User{}, fmt.Errorf("%w: its counter went backwards, somebody may have a copy", ErrPasskey)
	case !h.user.DisabledAt.IsZero():
		return db.User{}, fmt.Errorf("%w: its user is disabled", ErrPasskey)
	}
	text, err := json.Marshal(key)
	if err != nil {
		return db.User{}, fmt.Errorf("store a passkey of user %d: %w", h.user.ID, err)
	}
	_, err = q.UsePasskey(ctx, db.UsePasskeyParams{Credential: string(text), Now: db.Now(), CredentialID: key.ID, UserID: h.user.ID})
	if err != nil {
		return db.User{}, fmt.Errorf("note the use of a passkey of user %d: %w", h.user.ID, err)
	}
	return h.user, nil
}
