package stripe

import (
	"encoding/hex"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v76/webhook"
)

// sign makes a Stripe-Signature header with one signature of the scheme for each secret.
func sign(body string, at time.Time, scheme string, secrets ...string) string {
	header := fmt.Sprintf("t=%d", at.Unix())
	for _, secret := range secrets {
		header += "," + scheme + "=" + hex.EncodeToString(webhook.ComputeSignature(at, []byte(body), secret))
	}
	return header
}

func TestParseEvent(t *testing.T) {
	t.Parallel()
	const body = `{"id":"evt_1","type":"invoice.paid"}`
	now := time.Unix(1700000000, 500_000_000)
	second := time.Unix(now.Unix(), 0)
	good := sign(body, second, "v1", "whsec_now")
	current := []string{"whsec_now", "whsec_before"}
	tests := []struct {
		name    string
		body    string
		header  string
		secrets []string
		want    error
	}{
		{"signed with the current secret", body, good, current, nil},
		{"signed with the previous secret", body, sign(body, second, "v1", "whsec_before"), current, nil},
		{"signed with both", body, sign(body, second, "v1", "whsec_now", "whsec_before"), current, nil},
		{"the second of two signatures", body, sign(body, second, "v1", "whsec_other", "whsec_now"), current, nil},
		{"an empty secret beside a good one", body, good, []string{"", "whsec_now"}, nil},
		{"299 seconds old", body, sign(body, second.Add(-299*time.Second), "v1", "whsec_now"), current, nil},
		{"300 seconds ahead", body, sign(body, second.Add(300*time.Second), "v1", "whsec_now"), current, nil},

		{"another secret", body, sign(body, second, "v1", "whsec_other"), current, ErrSignature},
		{"an empty secret", body, sign(body, second, "v1", ""), []string{""}, ErrSignature},
		{"an empty secret beside a real one", body, sign(body, second, "v1", ""), []string{"", "whsec_now"}, ErrSignature},
		{"no secrets", body, good, nil, ErrSignature},
		{"tampered body", `{"id":"evt_2","type":"invoice.paid"}`, good, current, ErrSignature},
		{"body with a line break more", body + "\n", good, current, ErrSignature},
		{"no header", body, "", current, ErrSignature},
		{"garbled header", body, "hello", current, ErrSignature},
		{"v0 only", body, sign(body, second, "v0", "whsec_now"), current, ErrSignature},
		{"no time", body, good[len("t=1700000000,"):], current, ErrSignature},
		{"another time", body, "t=1700000001" + good[len("t=1700000000"):], current, ErrSignature},
		{"time that is no number", body, "t=now" + good[len("t=1700000000"):], current, ErrSignature},
		{"old and signed with another secret", body, sign(body, time.Unix(1, 0), "v1", "whsec_other"), current, ErrSignature},

		{"301 seconds old", body, sign(body, second.Add(-301*time.Second), "v1", "whsec_now"), current, ErrTimestamp},
		{"302 seconds ahead", body, sign(body, second.Add(302*time.Second), "v1", "whsec_now"), current, ErrTimestamp},
		{"ten years ahead", body, sign(body, second.AddDate(10, 0, 0), "v1", "whsec_now"), current, ErrTimestamp},
		{"the first second there is", body, sign(body, time.Unix(-1<<63, 0), "v1", "whsec_now"), current, ErrTimestamp},

		{"signed null", "null", sign("null", second, "v1", "whsec_now"), current, ErrBody},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ev, err := ParseEvent([]byte(tt.body), tt.header, tt.secrets, now)
			if !errors.Is(err, tt.want) {
				t.Fatalf("error %v, want %v", err, tt.want)
			}
			if err == nil && ev.ID != "evt_1" {
				t.Errorf("event %+v", ev)
			}
		})
	}
}

func BenchmarkParseEvent(b *testing.B) {
	body := updatedBody(b)
	now := time.Unix(1700000000, 0)
	header := sign(string(body), now, "v1", "whsec_now")
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseEvent(body, header, []string{"whsec_now"}, now); err != nil {
			b.Fatal(err)
		}
	}
}
