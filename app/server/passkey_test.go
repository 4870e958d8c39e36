package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"bursar/app/auth"
	"bursar/app/db"
)

const (
	keySite      = "https://bursar.example.com"
	userPresent  = 0x01
	userVerified = 0x04
	hasKey       = 0x40
)

// device is an authenticator with one passkey, as https://www.w3.org/TR/webauthn-3/#sctn-authenticator-data
// describes them. What it says can be made wrong.
type device struct {
	t       *testing.T
	key     *ecdsa.PrivateKey
	id      []byte
	handle  []byte // of its user
	site    string // the one it believes to be on
	flags   byte
	counter uint32
}

func newDevice(t *testing.T) *device {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	return &device{t: t, key: key, id: []byte(rand.Text()), site: keySite, flags: userPresent | userVerified}
}

type keyOptions struct {
	Challenge string
	RP        struct{ ID string }
	RPID      string
	User      struct{ ID string }
}

// authData is signed, and says for which site and how.
func (d *device) authData(rp string, flags byte) []byte {
	d.counter++
	sum := sha256.Sum256([]byte(rp))
	return binary.BigEndian.AppendUint32(append(sum[:], flags), d.counter)
}

func (d *device) clientData(kind, challenge string) []byte {
	text, err := json.Marshal(map[string]any{"type": kind, "challenge": challenge, "origin": d.site, "crossOrigin": false})
	check(d.t, err)
	return text
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (d *device) answer(response map[string]string) string {
	text, err := json.Marshal(map[string]any{"id": b64(d.id), "rawId": b64(d.id), "type": "public-key", "clientExtensionResults": map[string]any{}, "response": response})
	check(d.t, err)
	return string(text)
}

// create makes the passkey.
func (d *device) create(options string) string {
	d.t.Helper()
	var o keyOptions
	check(d.t, json.Unmarshal([]byte(options), &o))
	handle, err := base64.RawURLEncoding.DecodeString(o.User.ID)
	check(d.t, err)
	d.handle = handle
	public, err := d.key.PublicKey.Bytes() // 4, x, y
	check(d.t, err)
	cose, err := cbor.Marshal(map[int]any{1: 2, 3: -7, -1: 1, -2: public[1:33], -3: public[33:]})
	check(d.t, err)
	data := append(d.authData(o.RP.ID, d.flags|hasKey), make([]byte, 16)...)
	data = append(binary.BigEndian.AppendUint16(data, uint16(len(d.id))), d.id...)
	object, err := cbor.Marshal(map[string]any{"fmt": "none", "attStmt": map[string]any{}, "authData": append(data, cose...)})
	check(d.t, err)
	return d.answer(map[string]string{"clientDataJSON": b64(d.clientData("webauthn.create", o.Challenge)), "attestationObject": b64(object)})
}

// get uses the passkey.
func (d *device) get(options string) string {
	d.t.Helper()
	var o keyOptions
	check(d.t, json.Unmarshal([]byte(options), &o))
	data, client := d.authData(o.RPID, d.flags), d.clientData("webauthn.get", o.Challenge)
	sum := sha256.Sum256(client)
	sum = sha256.Sum256(append(slices.Clone(data), sum[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, d.key, sum[:])
	check(d.t, err)
	return d.answer(map[string]string{"clientDataJSON": b64(client), "authenticatorData": b64(data), "signature": b64(signature), "userHandle": b64(d.handle)})
}

// atAName gives the server a public address that passkeys can belong to.
func (a *adminTest) atAName() {
	a.t.Helper()
	gate, err := auth.NewGate(a.Key, keySite)
	check(a.t, err)
	a.gate = gate
}

// addPasskey makes a passkey for who is signed in.
func (a *adminTest) addPasskey(browser *http.Client) *device {
	a.t.Helper()
	d := newDevice(a.t)
	_, options := a.do(browser, request(a.t, "POST", a.url+"/admin/account/passkeys/options", ""))
	res, body := a.do(browser, formRequest(a.t, a.url+"/admin/account/passkeys", url.Values{"answer": {d.create(options)}, "name": {"my phone"}}))
	if res.StatusCode != http.StatusOK || !strings.Contains(body, `id="codes"`) {
		a.t.Fatalf("add a passkey: %d %s", res.StatusCode, body)
	}
	return d
}

// usePasskey answers a question with a device, on one of the pages that ask.
func (a *adminTest) usePasskey(browser *http.Client, d *device, path string) (status int, answer url.Values) {
	a.t.Helper()
	_, options := a.do(browser, request(a.t, "POST", a.url+"/admin/passkey", ""))
	answer = url.Values{"answer": {d.get(options)}, "next": {"/admin/jobs"}}
	res, _ := a.do(browser, formRequest(a.t, a.url+path, answer))
	return res.StatusCode, answer
}

func TestSigningInWithAPasskey(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		spoil func(a *adminTest, d *device)
		ok    bool
	}{
		{"as it should be", func(*adminTest, *device) {}, true},
		{"18: the device did not verify who holds it", func(_ *adminTest, d *device) { d.flags = userPresent }, false},
		{"nobody was there", func(_ *adminTest, d *device) { d.flags = userVerified }, false},
		{"a site that imitates ours", func(_ *adminTest, d *device) { d.site = "https://bursar.example.net" }, false},
		{"without https", func(_ *adminTest, d *device) { d.site = "http://bursar.example.com" }, false},
		{"another key", func(_ *adminTest, d *device) { d.key = newDevice(d.t).key }, false},
		{"a passkey nobody knows", func(_ *adminTest, d *device) { d.id = []byte("another") }, false},
		{"a user nobody knows", func(_ *adminTest, d *device) { d.handle = make([]byte, 8) }, false},
		{"a handle that is none", func(_ *adminTest, d *device) { d.handle = []byte("x") }, false},
		{"somebody else", func(a *adminTest, d *device) { d.handle[7] = byte(a.sessionOf(a.browsers[auth.Owner]).ID) }, false},
		{"a copy of the device", func(_ *adminTest, d *device) { d.counter = 0 }, false},
		{"removed", func(a *adminTest, _ *device) { a.exec("DELETE FROM passkeys") }, false},
		{"30: disabled", func(a *adminTest, _ *device) { a.exec("UPDATE users SET disabled_at = 1 WHERE role = 'finance'") }, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			a := newAdmin(t)
			a.atAName()
			d := a.addPasskey(a.browsers[auth.Finance])
			d.counter = 7
			if status, _ := a.usePasskey(newBrowser(t), d, "/admin/sign-in/passkey"); status != http.StatusSeeOther {
				t.Fatalf("the first time: %d", status)
			}
			row.spoil(a, d)
			browser := newBrowser(t)
			status, answer := a.usePasskey(browser, d, "/admin/sign-in/passkey")
			if row.ok != (status == http.StatusSeeOther) || !row.ok && status != http.StatusUnauthorized {
				t.Errorf("it gets %d", status)
			}
			if !row.ok {
				return
			}
			if user := a.sessionOf(browser); user.Email != "finance@example.com" || !user.Fresh() || !user.SecondFactor || !a.opens(browser) {
				t.Errorf("signed in is %+v", user)
			}
			if res, _ := a.do(newBrowser(t), formRequest(t, a.url+"/admin/sign-in/passkey", answer)); res.StatusCode != http.StatusUnauthorized {
				t.Errorf("the answer in another browser: %d", res.StatusCode)
			}
			if res, _ := a.do(browser, formRequest(t, a.url+"/admin/sign-in/passkey", answer)); res.StatusCode != http.StatusUnauthorized {
				t.Errorf("the answer again: %d", res.StatusCode)
			}
		})
	}
}

func TestConfirmingWithAPasskey(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	a.atAName()
	finance := a.browsers[auth.Finance]
	own, other := a.addPasskey(finance), a.addPasskey(a.browsers[auth.Owner])
	a.stale()
	if status, _ := a.usePasskey(finance, other, "/admin/confirm/passkey"); status != http.StatusUnprocessableEntity || a.sessionOf(finance).Fresh() {
		t.Errorf("31: somebody else's passkey: %d", status)
	}
	if status, _ := a.post(auth.Finance, "/admin/confirm", url.Values{"password": {goodPassword}}); status != http.StatusUnprocessableEntity || a.sessionOf(finance).Fresh() {
		t.Errorf("31: the password alone: %d", status)
	}
	if status, _ := a.usePasskey(finance, own, "/admin/confirm/passkey"); status != http.StatusSeeOther || !a.sessionOf(finance).Fresh() {
		t.Errorf("31: the own passkey: %d", status)
	}
}

func TestWithAPasskeyThePasswordAloneDoesNotSignIn(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	a.atAName()
	d := a.addPasskey(a.browsers[auth.Finance])
	browser := newBrowser(t)
	res, _ := a.signInAs(browser, "finance@example.com", goodPassword, "/admin/jobs")
	if !strings.HasPrefix(res.Header.Get("Location"), "/admin/sign-in/code?") || a.opens(browser) {
		t.Errorf("18: the password leads to %s", res.Header.Get("Location"))
	}
	if status, _ := a.usePasskey(browser, d, "/admin/sign-in/passkey"); status != http.StatusSeeOther || !a.opens(browser) {
		t.Errorf("18: and the passkey to %d", status)
	}
}

func TestAPasskeyIsAddedOnce(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	a.atAName()
	d := a.addPasskey(a.browsers[auth.Finance])
	_, options := a.do(a.browsers[auth.Finance], request(t, "POST", a.url+"/admin/account/passkeys/options", ""))
	if !strings.Contains(options, b64(d.id)) {
		t.Errorf("the browser is not told of the one there is: %s", options)
	}
	for _, row := range []struct {
		name  string
		spoil func(d *device)
	}{
		{"a site that imitates ours", func(d *device) { d.site = "https://bursar.example.net" }},
		{"18: the device does not verify who holds it", func(d *device) { d.flags = userPresent }},
	} {
		other := newDevice(t)
		row.spoil(other)
		_, options := a.do(a.browsers[auth.Finance], request(t, "POST", a.url+"/admin/account/passkeys/options", ""))
		if status, _ := a.post(auth.Finance, "/admin/account/passkeys", url.Values{"answer": {other.create(options)}}); status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d", row.name, status)
		}
	}
	finance := a.sessionOf(a.browsers[auth.Finance])
	var factors auth.Factors
	check(t, a.DB.Tx(t.Context(), func(q *db.Queries) (err error) {
		factors, err = auth.FactorsOf(t.Context(), q, finance.ID)
		return err
	}))
	if want := (auth.Factors{Passkeys: 1, Codes: 10}); factors != want {
		t.Errorf("they have %+v, want %+v", factors, want)
	}
}
