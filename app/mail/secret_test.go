package mail

import (
	"errors"
	"strings"
	"testing"
)

func TestASecretIsInTheMailOnly(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		err   error // of opening the seal
		fault faults
		state string
		kept  bool // the sealed secret is
	}{
		{"sent", nil, faults{}, Sent, false},
		{"refused", nil, faults{onData: refusal(550, "no")}, Failed, false},
		{"the server is busy", nil, faults{onData: refusal(451, "later")}, Waiting, true},
		{"the key is gone", errors.New("sealed with another key"), faults{}, Failed, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			d, s := newDB(t), newServer(t, row.fault)
			m := Message{Key: "reset/1", To: []string{"ada@example.com"}, Subject: "Reset",
				Text: "Go to https://b.example/" + Hidden + "\n", HTML: `<a href="https://b.example/` + Hidden + `">here</a>`, Secret: []byte("sealed TOKEN")}
			put(t, d, m, true)
			if got := read(t, d, m.Key); string(got.Secret) != "sealed TOKEN" {
				t.Fatalf("stored is %q", got.Secret)
			}
			sender := &Sender{DB: d, SMTP: s.signedIn(t), Open: func(sealed []byte, about string) (string, error) {
				if string(sealed) != "sealed TOKEN" || about != SecretOf("reset/1") {
					t.Errorf("asked to open %q of %q", sealed, about)
				}
				return "TOKEN", row.err
			}}
			sender.Send(t.Context(), SendArgs{ID: read(t, d, m.Key).ID})
			got := read(t, d, m.Key)
			if got.State != row.state || (len(got.Secret) > 0) != row.kept || strings.Contains(got.Text+got.HTML+got.Error, "TOKEN") {
				t.Errorf("it is %s with the secret %q and the error %s: %s", got.State, got.Secret, got.Error, got.Text)
			}
			if row.state != Sent {
				return
			}
			sent := s.parsed(t)
			if want := "https://b.example/TOKEN"; !strings.Contains(sent.Text, want) || !strings.Contains(sent.HTML, want) || strings.Contains(sent.Text+sent.HTML, Hidden) {
				t.Errorf("the mail says %s %s", sent.Text, sent.HTML)
			}
		})
	}
}
