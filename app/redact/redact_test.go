package redact_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"bursar/app/redact"
)

func TestSecretsByTheirForm(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, text, want string }{
		{"a secret key", "Invalid API Key provided: sk_live_51Habcdefghijkl", "Invalid API Key provided: sk_[key]"},
		{"a key that is masked in the middle", "Invalid API Key provided: rk_live_****************abcd", "Invalid API Key provided: rk_[key]"},
		{"a restricted key in JSON", `{"key":"rk_test_51Habcdefghijkl"}`, `{"key":"rk_[key]"}`},
		{"a signing secret", "signed with whsec_abc/def+ghi= wrongly", "signed with whsec_[key] wrongly"},
		{"our own key", "bsk_abcdefghijklmnop234567", "bsk_[key]"},
		{"a secret key of age", "malformed AGE-SECRET-KEY-1QQPQYPQYPQYPQ at line 3", "malformed AGE-SECRET-KEY-1[key] at line 3"},
		{"a token of HubSpot", "pat-na1-12345678-1234-1234", "pat-[key]"},
		{"a token of Slack", "xoxb-123456789-abcdefg", "xoxb-[key]"},
		{"a header of bearer", "Authorization: Bearer abcdefgh.ijkl", "Authorization: [credentials]"},
		{"a header of basic", "authorization: Basic dXNlcjpwYXNz", "authorization: [credentials]"},
		{"a header as Go prints it", `map[Authorization:[Bearer abcdefgh] Accept:[*/*]]`, `map[Authorization:[[credentials]] Accept:[*/*]]`},
		{"a header in JSON", `{"Authorization":"Bearer abcdefgh","a":1}`, `{"Authorization":"[credentials]","a":1}`},
		{"bearer alone", "the token Bearer abcdefghijk is wrong", "the token Bearer [credentials] is wrong"},
		{"a cookie", "Cookie: __Host-bursar=abc; other=def", "Cookie: [cookie]"},
		{"a cookie that is set", "Set-Cookie: bursar=abc; HttpOnly\nnext line", "Set-Cookie: [cookie]\nnext line"},
		{"a password in a URL", "dial smtp://user:pa%2Fss@mail.example.com:587", "dial smtp://user:[password]@mail.example.com:587"},
		{"a hook", "Post https://hooks.slack.com/services/T0/B0/abcdef: timeout", "Post https://hooks.slack.com/[path] timeout"},
		{"a one-time link", "GET /admin/sign-in?token=ABCDEF&next=/admin", "GET /admin/sign-in?token=[token]&next=/admin"},
		{"a key in a query", "https://api.example.com/v1?api_key=abc123", "https://api.example.com/v1?api_key=[token]"},
		{"a signature of Stripe", "t=123,v1=" + strings.Repeat("ab", 32), "t=123,v1=[signature]"},
		{"a card", "card 4242424242424242 was declined", "card [card] was declined"},
		{"a card in groups", "card 4242 4242 4242 4242.", "card [card]."},
		{"a card of 15 with dashes", "3782-822463-10005", "[card]"},

		{"a number that is no card", "order 4242424242424241", "order 4242424242424241"},
		{"a time in milliseconds", "at 1763855932123", "at 1763855932123"},
		{"ids of Stripe", "cus_NffrFeUfNV2Hib sub_1MowQVLkdIwHu7ix evt_1NG8Du2eZvKYlo2C", "cus_NffrFeUfNV2Hib sub_1MowQVLkdIwHu7ix evt_1NG8Du2eZvKYlo2C"},
		{"a word that begins like a key", "task_force and risk_assessment", "task_force and risk_assessment"},
		{"a plain URL", "https://dashboard.stripe.com/test/customers?page=2", "https://dashboard.stripe.com/test/customers?page=2"},
		{"nothing", "", ""},
	} {
		if got := (redact.Redactor{}).Text(row.text); got != row.want {
			t.Errorf("%s:\n got %s\nwant %s", row.name, got, row.want)
		}
	}
}

func TestConfiguredSecrets(t *testing.T) {
	t.Parallel()
	r := redact.New("plaintoken", "plaintoken-longer", "smtp://me:hunter%2F2x@mail.example.com", "https://chat.example.com/hook/abc", "", "ab")
	for text, want := range map[string]string{
		"the token plaintoken is unknown":        "the token [secret] is unknown",
		"plaintoken-longer":                      "[secret]",
		"535 hunter/2x is not your password":     "535 [secret] is not your password",
		"hunter%2F2x":                            "[secret]",
		"Post https://chat.example.com/hook/abc": "Post https://chat.example.com[secret]",
		"mail.example.com and about":             "mail.example.com and about",
	} {
		if got := r.Text(text); got != want {
			t.Errorf("%q: %q, not %q", text, got, want)
		}
	}
}

func TestErrorsStayWhatTheyAre(t *testing.T) {
	t.Parallel()
	err := (redact.Redactor{}).Error(fmt.Errorf("open sk_live_abcdefgh: %w", fs.ErrNotExist))
	if !errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), "abcdefgh") {
		t.Errorf("%v", err)
	}
	if plain := errors.New("plain"); (redact.Redactor{}).Error(plain) != plain || (redact.Redactor{}).Error(nil) != nil {
		t.Error("an error without a secret is another one")
	}
}

type secretive struct{ Key string }

type lazy struct{}

func (lazy) LogValue() slog.Value { return slog.StringValue("sk_live_CANARY00") }

func TestTheLogHoldsNoSecrets(t *testing.T) {
	t.Parallel()
	const canary = "CANARY00"
	var out bytes.Buffer
	log := slog.New(redact.Handler{Redactor: redact.New("exact-" + canary), Next: slog.NewTextHandler(&out, nil)})
	key := "sk_live_" + canary
	log.Error("message "+key, "text", key, "error", errors.New(key), "bytes", []byte(key), "struct", secretive{key}, "pointer", &secretive{key},
		"header", http.Header{"Authorization": {"Bearer " + canary}, "Cookie": {"a=" + canary}}, "list", []string{key}, "lazy", lazy{},
		slog.Group("group", "inner", key, slog.Group("deep", "deeper", key)), "exact", "exact-"+canary)
	log.With("with", key).WithGroup("g").Info("x", "password", canary, "session_token", canary, "Authorization", canary)
	slog.NewLogLogger(log.Handler(), slog.LevelWarn).Printf("http: %s", key)
	if text := out.String(); strings.Contains(text, canary) || strings.Count(text, "\n") != 3 {
		t.Errorf("%s", text)
	}
}

func TestTheLogKeepsWhatIsNoSecret(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := slog.New(redact.Handler{Next: slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelWarn})})
	log.Info("not shown")
	log.Warn("job failed", "job", 12, "key", "cus_1", "ms", 1.5, "error", errors.New("boom"))
	_, line, _ := strings.Cut(out.String(), " ")
	if want := "level=WARN msg=\"job failed\" job=12 key=cus_1 ms=1.5 error=boom\n"; line != want {
		t.Errorf("%s", line)
	}
}
