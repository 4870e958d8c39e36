package server

import (
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strings"

	"github.com/boombuler/barcode/qr"

	"bursar/app/auth"
	"bursar/app/db"
	"bursar/app/mail"
)

// maxKeyName is in characters.
const maxKeyName = 60

// appPage sets up an authenticator app. What it shows comes back with the form, sealed: nothing is stored
// before the first code.
type appPage struct {
	page
	auth.TOTP
	Offer string // the sealed secret
	QR    template.HTML
	Error string
}

// Groups is the secret as people type it.
func (p appPage) Groups() string {
	var b strings.Builder
	for i, c := range p.Secret {
		if i > 0 && i%4 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(c)
	}
	return b.String()
}

// appPage answers GET /admin/account/app.
func (s *Server) appPage(w http.ResponseWriter, r *http.Request) error {
	return s.showApp(w, r, http.StatusOK, s.gate.NewTOTP(userOf(r)), "")
}

func (s *Server) showApp(w http.ResponseWriter, r *http.Request, status int, t auth.TOTP, wrong string) error {
	picture, err := qrSVG(t.URL)
	if err != nil {
		return err
	}
	return s.render(w, status, "account-app", appPage{s.page(w, r, "Set up an authenticator app"), t,
		base64.StdEncoding.EncodeToString(t.Sealed), picture, wrong})
}

// qrSVG draws a QR code, with the quiet zone of four modules that scanners need. It is in the page itself,
// so that the secret is in no address.
func qrSVG(text string) (template.HTML, error) {
	code, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		return "", fmt.Errorf("draw a QR code: %w", err)
	}
	size := code.Bounds().Dx()
	var path strings.Builder
	for y := range size {
		for x := range size {
			if red, _, _, _ := code.At(x, y).RGBA(); red == 0 {
				fmt.Fprintf(&path, "M%d %dh1v1h-1z", x+4, y+4)
			}
		}
	}
	return template.HTML(fmt.Sprintf(`<svg class="qr" role="img" aria-label="QR code of the secret below" viewBox="0 0 %d %[1]d" shape-rendering="crispEdges"><path fill="#fff" d="M0 0h%[1]dv%[1]dH0z"/><path fill="#000" d="%s"/></svg>`,
		size+8, path.String())), nil
}

// addApp answers POST /admin/account/app with the first code.
func (s *Server) addApp(w http.ResponseWriter, r *http.Request) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	sealed, err := base64.StdEncoding.DecodeString(r.PostFormValue("offer"))
	if err != nil {
		return badRequest("the form is not the one of this page; open it again")
	}
	offer, err := s.gate.OfferedTOTP(userOf(r), sealed)
	if err != nil {
		return badRequest("the form is not the one of this page; open it again")
	}
	var codes []string
	err = s.keepSession(w, r, "factor.add", "authenticator app", "an authenticator app was set up for your account", func(q *db.Queries) (err error) {
		code := strings.ReplaceAll(r.PostFormValue("code"), " ", "")
		codes, err = s.gate.AddTOTP(r.Context(), q, userOf(r).ID, offer, code, s.address(r))
		return err
	})
	if text, status := wrongFactor(err); text != "" {
		if status != http.StatusTooManyRequests {
			status = http.StatusUnprocessableEntity
		}
		return s.showApp(w, r, status, offer, text)
	}
	if errors.Is(err, auth.ErrExists) {
		return s.seeOther(w, r, "/admin/account", notice{Bad: true, Text: "There is an authenticator app already. Remove it first."})
	}
	return s.factorAdded(w, r, err, codes, "The authenticator app is set up. You are signed out everywhere else.")
}

// factorAdded shows recovery codes to who had none.
func (s *Server) factorAdded(w http.ResponseWriter, r *http.Request, err error, codes []string, text string) error {
	switch {
	case err != nil:
		return err
	case len(codes) == 0:
		return s.seeOther(w, r, "/admin/account", notice{Text: text})
	}
	return s.render(w, http.StatusOK, "account-codes", codesPage{s.page(w, r, "Recovery codes"), codes, text})
}

type removePage struct {
	page
	auth.Factors
	What, Name, Path string
}

// Last says that nothing but the password would be left.
func (p removePage) Last() bool {
	return p.Passkeys == 0 && p.What == "authenticator app" || !p.App && p.Passkeys == 1 && p.What == "passkey"
}

func (s *Server) showRemove(w http.ResponseWriter, r *http.Request, what, name string) error {
	factors, err := auth.FactorsOf(r.Context(), s.DB.Read(), userOf(r).ID)
	if err != nil {
		return err
	}
	return s.render(w, http.StatusOK, "account-remove", removePage{s.page(w, r, "Remove your "+what), factors, what, name, r.URL.Path})
}

const noApp = "there is no authenticator app"

// removeAppPage answers GET /admin/account/app/remove.
func (s *Server) removeAppPage(w http.ResponseWriter, r *http.Request) error {
	return s.showRemove(w, r, "authenticator app", "")
}

// removeApp answers POST /admin/account/app/remove.
func (s *Server) removeApp(w http.ResponseWriter, r *http.Request) error {
	err := s.keepSession(w, r, "factor.remove", "authenticator app", "your authenticator app was removed", func(q *db.Queries) error {
		return auth.DropTOTP(r.Context(), q, userOf(r).ID)
	})
	if err != nil {
		return found(err, noApp)
	}
	return s.seeOther(w, r, "/admin/account", notice{Text: "The authenticator app is removed. You are signed out everywhere else."})
}

type passkeyPage struct {
	page
	Name, Error string
}

// passkeyPage answers GET /admin/account/passkeys/new.
func (s *Server) passkeyPage(w http.ResponseWriter, r *http.Request) error {
	return s.showPasskey(w, r, http.StatusOK, "")
}

func (s *Server) showPasskey(w http.ResponseWriter, r *http.Request, status int, wrong string) error {
	return s.render(w, status, "account-passkey", passkeyPage{s.page(w, r, "Add a passkey"), browserWords(r.UserAgent()), wrong})
}

// passkeyOptions answers POST /admin/account/passkeys/options with what the browser needs to make one.
func (s *Server) passkeyOptions(w http.ResponseWriter, r *http.Request) error {
	options, token, err := s.gate.BeginPasskey(r.Context(), s.DB.Read(), userOf(r).ID)
	if err != nil {
		return refused(err)
	}
	return s.writeOptions(w, options, token)
}

// addPasskey answers POST /admin/account/passkeys.
func (s *Server) addPasskey(w http.ResponseWriter, r *http.Request) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	name := keyName(r)
	var codes []string
	err := s.keepSession(w, r, "factor.add", "passkey "+name, "a passkey was added to your account: "+name, func(q *db.Queries) (err error) {
		codes, err = s.gate.AddPasskey(r.Context(), q, userOf(r).ID, s.cookieValue(r, passkeyCookie), name, []byte(r.PostFormValue("answer")))
		return err
	})
	if errors.Is(err, auth.ErrPasskey) {
		return s.showPasskey(w, r, http.StatusUnprocessableEntity, "The browser's passkey was not accepted. Try again.")
	}
	return s.factorAdded(w, r, err, codes, "The passkey is added. You are signed out everywhere else.")
}

func keyName(r *http.Request) string {
	name := mail.Line(r.PostFormValue("name"), maxKeyName)
	if name == "" {
		return "Passkey"
	}
	return name
}

const noPasskey = "you have no such passkey"

// renamePasskey answers POST /admin/account/passkeys/{id}/name.
func (s *Server) renamePasskey(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, noPasskey)
	if err != nil {
		return err
	}
	if err := readForm(w, r); err != nil {
		return err
	}
	err = s.DB.Tx(r.Context(), func(q *db.Queries) error {
		n, err := q.RenamePasskey(r.Context(), keyName(r), id, userOf(r).ID)
		if err != nil {
			return fmt.Errorf("rename passkey %d: %w", id, err)
		}
		if n == 0 {
			return db.ErrNoRows
		}
		return s.audit(r.Context(), q, r, "factor.rename", userOf(r).Email, "passkey "+keyName(r))
	})
	if err != nil {
		return found(err, noPasskey)
	}
	return s.seeOther(w, r, "/admin/account", notice{Text: "The passkey has another name."})
}

// removePasskeyPage answers GET /admin/account/passkeys/{id}/remove.
func (s *Server) removePasskeyPage(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, noPasskey)
	if err != nil {
		return err
	}
	keys, err := s.DB.Read().PasskeysOf(r.Context(), userOf(r).ID)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if key.ID == id {
			return s.showRemove(w, r, "passkey", key.Name)
		}
	}
	return notFound(noPasskey)
}

// removePasskey answers POST /admin/account/passkeys/{id}/remove.
func (s *Server) removePasskey(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, noPasskey)
	if err != nil {
		return err
	}
	err = s.keepSession(w, r, "factor.remove", fmt.Sprintf("passkey %d", id), "a passkey was removed from your account", func(q *db.Queries) error {
		return auth.DropPasskey(r.Context(), q, userOf(r).ID, id)
	})
	if err != nil {
		return found(err, noPasskey)
	}
	return s.seeOther(w, r, "/admin/account", notice{Text: "The passkey is removed. You are signed out everywhere else."})
}

type codesPage struct {
	page
	Codes []string // shown once
	Said  string
}

// codesPage answers GET /admin/account/codes.
func (s *Server) codesPage(w http.ResponseWriter, r *http.Request) error {
	return s.render(w, http.StatusOK, "account-codes", codesPage{page: s.page(w, r, "New recovery codes")})
}

// newCodes answers POST /admin/account/codes. The codes are in the answer and nowhere else.
func (s *Server) newCodes(w http.ResponseWriter, r *http.Request) error {
	if !userOf(r).SecondFactor {
		return s.seeOther(w, r, "/admin/account", notice{Bad: true, Text: "Recovery codes stand in for a second factor. Set up one first."})
	}
	var codes []string
	err := s.keepSession(w, r, "factor.codes", "", "new recovery codes were made for your account, and those from before work no more", func(q *db.Queries) (err error) {
		codes, err = auth.NewRecoveryCodes(r.Context(), q, userOf(r).ID)
		return err
	})
	return s.factorAdded(w, r, err, codes, "These codes replace the ones from before, which work no more.")
}
