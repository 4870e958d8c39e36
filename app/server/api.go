package server

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/mail"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	maxAPIBody = 64 << 10 // bytes
	maxText    = 255      // characters of an id, a name, a subject
)

// openAPIDocument describes the product API. A test compares it with the routes and with real answers.
//
//go:embed openapi.json
var openAPIDocument []byte

func (s *Server) openAPI(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/json")
	_, err := w.Write(openAPIDocument)
	return err
}

// decode reads a JSON object into v. What it does not know it refuses: a misspelt field would be lost silently.
func decode(w http.ResponseWriter, r *http.Request, v any) error {
	var body bytes.Buffer
	if err := readBody(w, r, maxAPIBody, &body); err != nil {
		return err
	}
	if !utf8.Valid(body.Bytes()) {
		return badRequest("the body is not UTF-8")
	}
	d := json.NewDecoder(&body)
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return &HTTPError{Code: http.StatusBadRequest, Msg: describeJSON(err), Err: err}
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return badRequest("there is something after the JSON object")
	}
	return nil
}

// describeJSON says to the caller what is wrong with a body, with the field where that is known.
func describeJSON(err error) string {
	var mismatch *json.UnmarshalTypeError
	if errors.As(err, &mismatch) {
		if mismatch.Field == "" {
			return "the body is not a JSON object"
		}
		return fmt.Sprintf("the field %q cannot be a %s", mismatch.Field, mismatch.Value)
	}
	// encoding/json has no type for it: https://go.dev/issue/29035
	if field, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return "there is no field " + field
	}
	return "the body is not JSON"
}

func writeJSON(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, err = w.Write(append(body, '\n'))
	return err
}

// checkText refuses what is too long or holds characters that cannot be seen.
func checkText(field, text string) error {
	if utf8.RuneCountInString(text) > maxText {
		return badRequest(fmt.Sprintf("%s has more than %d characters", field, maxText))
	}
	if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return badRequest(field + " has characters that cannot be printed")
	}
	return nil
}

func checkEmail(email string) error {
	if err := checkText("email", email); err != nil {
		return err
	}
	if a, err := mail.ParseAddress(email); err != nil || a.Address != email {
		return badRequest("email is not an address like ada@example.com")
	}
	return nil
}

// timeOrNull is a time in JSON, null if it is not known.
func timeOrNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
