package server

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"bursar/app/alert"
)

// probeType is an event that Bursar sends itself: Stripe has none of this type.
const probeType = "bursar.probe"

const probeTimeout = 10 * time.Second

// Probe sends a signed event through the door of the webhook, over the listener on address. It proves that the door
// is open, knows its secret, and can write; nothing of it is stored.
func (s *Server) Probe(ctx context.Context, address net.Addr) error {
	host, port, err := net.SplitHostPort(address.String())
	if err != nil {
		return fmt.Errorf("probe the webhook: %w", err)
	}
	if ip := net.ParseIP(host); ip.IsUnspecified() {
		host = "localhost"
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	now := time.Now()
	body := fmt.Sprintf(`{"id":"evt_probe%s","object":"event","type":%q,"api_version":"2023-10-16","created":%d,"livemode":false,"data":{"object":{"id":"probe","object":"probe"}}}`,
		rand.Text(), probeType, now.Unix())
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+net.JoinHostPort(host, port)+"/api/webhooks/stripe", strings.NewReader(body))
	if err != nil {
		return fmt.Errorf("probe the webhook: %w", err)
	}
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	r.Header.Set("Stripe-Signature", signature(s.Secrets[0], body, now))
	// A connection of its own each time: one that is kept proves nothing about the next visitor.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(r)
	if err != nil {
		return fmt.Errorf("probe the webhook: %w", err)
	}
	defer res.Body.Close()
	io.Copy(io.Discard, io.LimitReader(res.Body, 4<<10))
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("probe the webhook: it was answered %d", res.StatusCode)
	}
	return nil
}

// signature signs as Stripe does: https://docs.stripe.com/webhooks#verify-manually.
func signature(secret, body string, at time.Time) string {
	t := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	io.WriteString(mac, t+"."+body)
	return "t=" + t + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}

// answerProbe says whether an event could be stored now.
func (s *Server) answerProbe(ctx context.Context, w http.ResponseWriter) error {
	if res, ok := w.(*response); ok {
		res.probe = true
	}
	if err := s.DB.Ping(ctx); err != nil {
		return notStored(err)
	}
	return nil
}

// tallyAnswer counts how long an answer took, in the class of its route. Live pages end when they are closed, which
// says nothing.
func (s *Server) tallyAnswer(route string, took time.Duration) {
	class := ""
	switch method, path, _ := strings.Cut(route, " "); {
	case path == "/admin/live":
	case strings.HasPrefix(path, "/api/webhooks/"):
		class = alert.ClassWebhook
	case strings.HasPrefix(path, "/api/v1/"):
		class = alert.ClassAPI
	case strings.HasPrefix(path, "/admin/sign-in"), strings.HasPrefix(path, "/admin/welcome"), strings.Contains(path, "export"), route == "POST "+alertsPath:
		class = alert.ClassSlow
	case strings.HasPrefix(path, "/admin") && method == http.MethodGet:
		class = alert.ClassAdmin
	case strings.HasPrefix(path, "/admin"):
		class = alert.ClassAction
	}
	if class != "" {
		s.Tally.Took(class, took)
		s.metrics.answers.WithLabelValues(class).Observe(took.Seconds())
	}
}
