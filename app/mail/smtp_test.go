package mail

import (
	"fmt"
	"strings"
	"testing"
)

func TestParseSMTP(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, url, from string
		server          string // where it goes, "" if the setting is refused
		hint            string // in the error
	}{
		{"STARTTLS", "smtp://ada:hunter2@mail.example.com:587", "a@example.com", "mail.example.com:587", ""},
		{"STARTTLS, usual port", "smtp://ada:hunter2@mail.example.com", "a@example.com", "mail.example.com:587", ""},
		{"TLS, usual port", "smtps://ada:hunter2@mail.example.com/", "Bursar <a@example.com>", "mail.example.com:465", ""},
		{"a user that is an address", "smtps://ada%40example.com:hunter2@mail.example.com", "a@example.com", "mail.example.com:465", ""},
		{"without sign-in", "smtp://mail.example.com:25", "a@example.com", "mail.example.com:25", ""},
		{"off on this machine", "smtp://127.0.0.1:1025?tls=off", "a@example.com", "127.0.0.1:1025", ""},
		{"optional on this machine, IPv6", "smtp://[::1]:25?tls=optional", "a@example.com", "[::1]:25", ""},

		{"empty", "", "a@example.com", "", "must begin with smtp://"},
		{"another scheme", "http://ada:hunter2@example.com", "a@example.com", "", "must begin with smtp://"},
		{"no scheme", "ada:hunter2@example.com:587", "a@example.com", "", "must begin with smtp://"},
		{"no host", "smtp://ada:hunter2@:587", "a@example.com", "", "smtp://user:password@host:587"},
		{"/ in the password", "smtp://ada:hunter2/x@example.com:587", "a@example.com", "", "percent-encoded"},
		{"# in the password", "smtp://ada:4711#hunter2@example.com:587", "a@example.com", "", "percent-encoded"},
		{"? in the password", "smtp://ada:4711?hunter2@example.com:587", "a@example.com", "", "only option"},
		{"% in the password", "smtp://ada:hunter2%zz@example.com:587", "a@example.com", "", "percent-encoded"},
		{"a control character", "smtp://ada:hunter2@example.com\n:587", "a@example.com", "", "percent-encoded"},
		{"user without password", "smtp://ada@example.com", "a@example.com", "", "both a user and a password"},
		{"a port that is none", "smtp://ada:hunter2@example.com:70000", "a@example.com", "", "1 to 65535"},
		{"smtp on 465", "smtp://ada:hunter2@example.com:465", "a@example.com", "", "smtps://"},
		{"smtps on 587", "smtps://ada:hunter2@example.com:587", "a@example.com", "", "smtp://"},
		{"off for a server elsewhere", "smtp://ada:hunter2@example.com?tls=off", "a@example.com", "", "this machine"},
		{"optional for a server elsewhere", "smtp://10.0.0.7?tls=optional", "a@example.com", "", "this machine"},
		{"off with smtps", "smtps://localhost?tls=off", "a@example.com", "", "always TLS"},
		{"tls that is neither", "smtp://localhost?tls=hunter2", "a@example.com", "", "off or optional"},
		{"an unknown option", "smtp://localhost?hunter2=1", "a@example.com", "", "only option"},
		{"no sender", "smtp://ada:hunter2@example.com", "", "", "BURSAR_MAIL_FROM"},
		{"a sender without domain", "smtp://ada:hunter2@example.com", "bursar", "", "bursar@example.com"},
		{"a sender with a line break", "smtp://ada:hunter2@example.com", "a@example.com\r\nBcc: b@example.com", "", "BURSAR_MAIL_FROM"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s, err := ParseSMTP(row.url, row.from)
			if row.server != "" {
				if err != nil || s.String() != row.server {
					t.Fatalf("it goes to %s, %v", s, err)
				}
				if printed := fmt.Sprintf("%v %+v %s", s, s, s); strings.Contains(printed, "hunter2") {
					t.Errorf("it prints its password: %s", printed)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), row.hint) {
				t.Fatalf("the error is %v, want a hint like %q", err, row.hint)
			}
			if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "4711") {
				t.Errorf("the error tells the password: %v", err)
			}
		})
	}
}
