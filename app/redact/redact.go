// Package redact takes secrets out of texts before they are written to the log, the jobs, the outbox or a terminal.
// Code does not put them there; this is for what others put there: error bodies that repeat a key, URLs in errors.
package redact

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// shortest is how long a configured secret must be to be looked for: a shorter one would be found in every other text.
const shortest = 6

// Redactor knows the configured secrets besides what is a secret by its form. The zero value knows the forms only.
type Redactor struct{ secrets []string }

// New makes a Redactor that also takes out these values. Of a URL it is the password, or the path where there is none.
func New(secrets ...string) Redactor {
	var r Redactor
	add := func(s string) {
		if len(s) >= shortest && !slices.Contains(r.secrets, s) {
			r.secrets = append(r.secrets, s)
		}
	}
	for _, s := range secrets {
		u, err := url.Parse(s)
		if err != nil || u.Host == "" {
			add(s)
			continue
		}
		if password, ok := u.User.Password(); ok {
			add(password)
			_, escaped, _ := strings.Cut(u.User.String(), ":")
			add(escaped)
			continue
		}
		add(u.RequestURI())
	}
	// The longest first: another may be a part of it.
	slices.SortFunc(r.secrets, func(a, b string) int { return len(b) - len(a) })
	return r
}

// form is a pattern and what is put in its place.
type form struct {
	pattern *regexp.Regexp
	by      string
}

// forms are what is a secret wherever it stands. What it was is still said, for whoever looks for a fault.
var forms = []form{
	{regexp.MustCompile(`(?i)(\b(?:set-)?cookie\\?"?[ \t]*[:=][ \t]*)[^\r\n]+`), "${1}[cookie]"},
	{regexp.MustCompile(`(?i)(\b(?:proxy-)?authorization\\?"?[ \t]*[:=][ \t]*\[?\\?"?)(?:[a-z]+[ \t]+)?[^\s"',;\]]+`), "${1}[credentials]"},
	{regexp.MustCompile(`(?i)\b(bearer|basic)[ \t]+[a-z0-9._~+/=-]{8,}`), "$1 [credentials]"},
	{regexp.MustCompile(`\b(sk|rk|ek|whsec|bsk|pat|xox[a-z])([_-])[A-Za-z0-9_+/=*-]{6,}`), "$1$2[key]"},
	{regexp.MustCompile(`(?i)\b(age-secret-key-(?:pq-)?1)[a-z0-9]{6,}`), "${1}[key]"},
	{regexp.MustCompile(`(?i)(\b[a-z][a-z0-9+.-]*://[^\s/:@"']*):[^\s/@"']+@`), "$1:[password]@"},
	{regexp.MustCompile(`(?i)(://hooks\.[a-z0-9.-]+/)[^\s"'<>]+`), "${1}[path]"},
	{regexp.MustCompile(`(?i)([?&;](?:[a-z_.-]*(?:token|secret|password|passwd|signature|credential)|sig|code|(?:api_?)?key)=)[^&#\s"'<>]+`), "${1}[token]"},
	{regexp.MustCompile(`(\bv[01]=)[0-9a-fA-F]{32,}`), "${1}[signature]"},
}

// digits may be a card number: 13 to 19 of them, alone or in groups (ISO/IEC 7812).
var digits = regexp.MustCompile(`\b[2-6]\d(?:[ -]?\d){11,17}\b`)

// Text is s without secrets.
func (r Redactor) Text(s string) string {
	for _, secret := range r.secrets {
		s = strings.ReplaceAll(s, secret, "[secret]")
	}
	for _, f := range forms {
		s = f.pattern.ReplaceAllString(s, f.by)
	}
	return digits.ReplaceAllStringFunc(s, func(number string) string {
		if isCard(number) {
			return "[card]"
		}
		return number
	})
}

// isCard checks the last digit as cards have it (Luhn), which nine of ten other numbers do not.
func isCard(number string) bool {
	sum, double := 0, false
	for _, c := range slices.Backward([]byte(number)) {
		if c < '0' || c > '9' {
			continue
		}
		d := int(c - '0')
		if double {
			d *= 2
			if d > 9 {
				d -= 9
			}
		}
		sum, double = sum+d, !double
	}
	return sum%10 == 0
}

// Error is err with a text without secrets; errors.Is and errors.As find in it what they found before.
func (r Redactor) Error(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	if clean := r.Text(text); clean != text {
		return &cleanError{clean, err}
	}
	return err
}

type cleanError struct {
	text string
	err  error
}

func (e *cleanError) Error() string { return e.text }
func (e *cleanError) Unwrap() error { return e.err }
