package app_test

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"bursar/app/demo"
)

// canaries are secrets that are planted in everything that comes in; none of them may come out again.
var canaries = map[string]string{
	"signing secret":           "whsec_CanarySigning0123456789",
	"Stripe key":               "rk_test_CanaryStripe0123456789",
	"password of the mail box": "CanaryMail/Password",
	"password of a person":     "canary password of the owner",
	"wrong password":           "canary wrong password",
	"wrong API key":            "bsk_canarywrongkeycanarywrongkeyca",
	"session of a stranger":    "CANARYSESSIONCANARYSESSION",
	"one-time token":           "CANARYTOKENCANARYTOKENCA",
	"another key of an answer": "sk_live_CanaryOfAnAnswer0123",
	"card of an answer":        "4000 0025 0000 3155",
	"card of an event":         "5555555555554444",
	"header of a request":      "canary-authorization-value",
}

// TestNoSecretComesOut runs the whole of it with a Stripe and a mail server that repeat in their errors what they were
// sent, and then looks for the canaries in everything that was written or answered.
func TestNoSecretComesOut(t *testing.T) {
	t.Parallel()
	api := httptest.NewServer(http.HandlerFunc(repeatingStripe))
	t.Cleanup(api.Close)
	b := newBursar(t, "STRIPE_WEBHOOK_SECRET", canaries["signing secret"], "STRIPE_API_KEY", canaries["Stripe key"], "STRIPE_API_BASE", api.URL,
		"SMTP_URL", "smtp://bursar:"+url.QueryEscape(canaries["password of the mail box"])+"@"+repeatingMail(t)+"?tls=off",
		"BURSAR_MAIL_FROM", "bursar@example.com", "BURSAR_REPORT_TO", "ada@example.com")
	said := &printed{}
	home := b.start(said, "serve")
	visitor := &canaryVisitor{t: t, home: home, client: &http.Client{}}
	visitor.client.Jar, _ = cookiejar.New(nil)

	visitor.strangers()
	visitor.deliver(canaryEvent("evt_1"), canaries["signing secret"])
	visitor.deliver(canaryEvent("evt_2"), "whsec_of_somebody_else")
	link := regexp.MustCompile(`http\S+token=\S+`).FindString(said.String())
	visitor.becomeOwner(link)
	b.run("reconcile") // reads Stripe, and mails a report
	b.eventually("the errors of both systems are stored", func() bool {
		jobs := b.must("jobs") + b.must("mail", "list")
		return strings.Contains(jobs, "sync_customer") && strings.Contains(b.allJobs(), "refuses the API key") && strings.Contains(b.allJobs(), "535")
	})

	outputs := map[string]string{"the log": strings.ReplaceAll(said.String(), link, ""), "the jobs": b.allJobs(), "the mails": b.must("mail", "list") + b.must("mail", "show", "1")}
	visitor.crawl(outputs)
	key := strings.TrimSpace(b.must("apikey", "add", "canary"))
	for _, path := range []string{"/metrics", "/api/health", "/api/v1/customers?email=x@example.com", "/api/v1/users/x/access", "/api/v1/openapi.json"} {
		outputs[path] = visitor.ask("GET", path, http.Header{"Authorization": {"Bearer " + key}})
	}
	backup := filepath.Join(t.TempDir(), "backup.db")
	outputs["the command"] = b.must("backup", backup)
	secretKey, sealed, restored := b.restoreElsewhere(outputs)
	for _, file := range []string{b.settings["BURSAR_DB"], b.settings["BURSAR_DB"] + "-wal", backup, sealed, restored} {
		bytes, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		outputs["the bytes of "+filepath.Base(file)] = string(bytes)
	}
	if len(outputs) < 25 {
		t.Errorf("only %d outputs were looked at", len(outputs))
	}
	secrets := map[string]string{"secret key of backups": secretKey, "API key": key, "session": visitor.session(), "one-time link": link[strings.Index(link, "token=")+len("token="):]}
	for name, canary := range canaries {
		secrets[name] = canary
	}
	stored := regexp.MustCompile(`^the bytes of|^/admin/events/`) // an event is kept as it came, and shown as it is
	for where, text := range outputs {
		for name, secret := range secrets {
			if name == "card of an event" && stored.MatchString(where) {
				continue
			}
			if at := strings.Index(text, secret); at >= 0 {
				t.Errorf("%s holds the %s: …%s…", where, name, text[max(0, at-80):min(len(text), at+len(secret)+40)])
			}
		}
	}
}

// restoreElsewhere makes an encrypted backup and restores it on another machine.
func (b *bursar) restoreElsewhere(outputs map[string]string) (secretKey, sealed, restored string) {
	b.t.Helper()
	keyFile, sealed := filepath.Join(b.t.TempDir(), "backup.key"), filepath.Join(b.t.TempDir(), "backup.age")
	outputs["the command for a key"] = b.must("backup", "--new-key", keyFile)
	text, err := os.ReadFile(keyFile)
	if err != nil {
		b.t.Fatal(err)
	}
	secretKey = regexp.MustCompile("AGE-SECRET-KEY-1[A-Z0-9]+").FindString(string(text))
	there := newBursar(b.t)
	for name, value := range b.settings {
		there.settings[name] = value
	}
	there.settings["BURSAR_BACKUP_TO"] = regexp.MustCompile("age1[a-z0-9]+").FindString(outputs["the command for a key"])
	outputs["the command that encrypts"] = there.must("backup", sealed)
	restored = filepath.Join(b.t.TempDir(), "restored.db")
	there.settings["BURSAR_DB"] = restored
	_, out, errs := there.run("restore", sealed, "--key", keyFile)
	outputs["the command that restores"] = out + errs
	_, out, errs = there.run("restore", sealed, "--replace", "--key", sealed)
	outputs["the command that cannot restore"] = out + errs
	return secretKey, sealed, restored
}

// repeatingStripe refuses the key and repeats it, with more of what must not be repeated.
func repeatingStripe(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusUnauthorized)
	fmt.Fprintf(w, `{"error":{"type":"invalid_request_error","message":"Invalid key: %s, not %s, card %s, header Authorization: Bearer %s"}}`,
		strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), canaries["another key of an answer"], canaries["card of an answer"], canaries["header of a request"])
}

// repeatingMail is a mail server that refuses the password and repeats it.
func repeatingMail(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				io.WriteString(conn, "220 mail\r\n")
				for lines := bufio.NewScanner(conn); lines.Scan(); {
					answer := "250 ok"
					if strings.HasPrefix(lines.Text(), "EHLO") {
						answer = "250-mail\r\n250 AUTH PLAIN"
					}
					if raw, ok := strings.CutPrefix(lines.Text(), "AUTH PLAIN "); ok {
						plain, _ := base64.StdEncoding.DecodeString(raw)
						answer = "535 wrong: " + strings.ReplaceAll(string(plain), "\x00", " ")
					}
					io.WriteString(conn, answer+"\r\n")
				}
			}()
		}
	}()
	return l.Addr().String()
}

func canaryEvent(id string) []byte {
	return fmt.Appendf(nil, `{"id":%q,"object":"event","type":"customer.updated","api_version":"2023-10-16","created":%d,"livemode":false,
		"data":{"object":{"id":"cus_canary","object":"customer","name":"Ada","email":"ada@example.com","description":"card %s"}}}`,
		id, time.Now().Unix(), canaries["card of an event"])
}

// canaryVisitor is a browser that notes nothing by itself.
type canaryVisitor struct {
	t      *testing.T
	home   string
	client *http.Client
}

func (v *canaryVisitor) ask(method, path string, header http.Header) string {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), method, v.home+path, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	r.Header = header
	return v.send(v.client, r)
}

func (v *canaryVisitor) send(c *http.Client, r *http.Request) string {
	v.t.Helper()
	answer, err := c.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return fmt.Sprint(answer.Status, "\n", html.UnescapeString(string(body)))
}

// strangers try keys, cookies, tokens and passwords that are wrong.
func (v *canaryVisitor) strangers() {
	stranger := &canaryVisitor{v.t, v.home, &http.Client{}}
	stranger.ask("GET", "/api/v1/customers?email=x", http.Header{"Authorization": {"Bearer " + canaries["wrong API key"]}})
	stranger.ask("GET", "/admin", http.Header{"Cookie": {"bursar=" + canaries["session of a stranger"] + "; __Host-bursar=" + canaries["session of a stranger"]}})
	stranger.ask("GET", "/admin/sign-in?token="+canaries["one-time token"], http.Header{})
	stranger.ask("GET", "/metrics", http.Header{"Authorization": {canaries["header of a request"]}, "X-Forwarded-For": {"192.0.2.1"}})
	stranger.form("/admin/sign-in", url.Values{"email": {"ada@example.com"}, "password": {canaries["wrong password"]}})
	stranger.form("/admin/sign-in", url.Values{"email": {canaries["wrong password"]}, "password": {"x"}})
}

func (v *canaryVisitor) form(path string, form url.Values) string {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), "POST", v.home+path, strings.NewReader(form.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return v.send(v.client, r)
}

func (v *canaryVisitor) deliver(event []byte, secret string) {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), "POST", v.home+"/api/webhooks/stripe", strings.NewReader(string(event)))
	if err != nil {
		v.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Stripe-Signature", demo.Sign(event, time.Now(), secret))
	v.send(v.client, r)
}

func (v *canaryVisitor) becomeOwner(link string) {
	v.t.Helper()
	u, err := url.Parse(link)
	if err != nil {
		v.t.Fatal(err)
	}
	password := canaries["password of a person"]
	text := v.form("/admin/welcome", url.Values{"token": {u.Query().Get("token")}, "email": {"owner@example.com"}, "password": {password}, "again": {password}})
	if !strings.Contains(text, "Welcome. Next time sign in") {
		v.t.Fatalf("no owner:\n%s", text)
	}
}

func (v *canaryVisitor) session() string {
	u, _ := url.Parse(v.home)
	return v.client.Jar.Cookies(u)[0].Value
}

// crawl opens every page that a page links to.
func (v *canaryVisitor) crawl(outputs map[string]string) {
	v.t.Helper()
	todo := append([]string{"/admin/settings", "/admin/nothing"}, pages...)
	for len(todo) > 0 {
		path := todo[0]
		todo = todo[1:]
		if _, seen := outputs[path]; seen || path == "/admin/live" {
			continue
		}
		outputs[path] = v.ask("GET", path, http.Header{})
		for _, m := range regexp.MustCompile(`href="(/admin[^"#]*)`).FindAllStringSubmatch(outputs[path], -1) {
			todo = append(todo, m[1])
		}
	}
}

// allJobs is everything the command shows of every job.
func (b *bursar) allJobs() string {
	b.t.Helper()
	var all strings.Builder
	for _, m := range regexp.MustCompile(`(?m)^\s*(\d+)\s`).FindAllStringSubmatch(b.must("jobs"), -1) {
		all.WriteString(b.must("jobs", "show", m[1]))
	}
	return all.String()
}
