package alert

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gosmtp "github.com/emersion/go-smtp"
	"github.com/jhillyerd/enmime/v2"

	"bursar/app/db"
	"bursar/app/mail"
	"bursar/app/queue"
	"bursar/app/remote"
)

var update = flag.Bool("update", false, "write the golden files in testdata")

// postbox is a mail server on loopback.
type postbox struct {
	mu    sync.Mutex
	mails []*enmime.Envelope
}

type session struct{ *postbox }

func (session) Mail(string, *gosmtp.MailOptions) error { return nil }
func (session) Rcpt(string, *gosmtp.RcptOptions) error { return nil }
func (session) Reset()                                 {}
func (session) Logout() error                          { return nil }
func (s session) Data(r io.Reader) error {
	e, err := enmime.ReadEnvelope(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mails = append(s.mails, e)
	return err
}

func newPostbox(t *testing.T) (*postbox, *mail.SMTP) {
	t.Helper()
	p := &postbox{}
	srv := gosmtp.NewServer(gosmtp.BackendFunc(func(*gosmtp.Conn) (gosmtp.Session, error) { return session{p}, nil }))
	srv.Domain, srv.ErrorLog = "localhost", log.New(io.Discard, "", 0)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
	setting, err := mail.ParseSMTP("smtp://"+l.Addr().String()+"?tls=off", "Bursar <bursar@example.com>")
	check(t, err)
	return p, &setting
}

func (p *postbox) all() []*enmime.Envelope {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.mails)
}

// listener is an HTTP server on loopback that keeps what it is told.
type listener struct {
	mu    sync.Mutex
	asked []string // method and path
	texts []string
	code  int
}

func newListener(t *testing.T) (*listener, string, *http.Client) {
	t.Helper()
	l := &listener{code: 200}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var message struct{ Text string }
		json.Unmarshal(body, &message)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.asked = append(l.asked, r.Method+" "+r.URL.String())
		if l.code == 200 && message.Text != "" {
			l.texts = append(l.texts, message.Text)
		}
		w.Header().Set("Retry-After", "30")
		w.WriteHeader(l.code)
		io.WriteString(w, "a secret of the inside")
	}))
	t.Cleanup(srv.Close)
	u, err := url.Parse(srv.URL)
	check(t, err)
	return l, srv.URL, remote.NewClient(remote.Options{Allow: []string{u.Host}})
}

// fire makes an alert open, and hands it to the channels.
func (w *Watch) fire(t *testing.T) {
	t.Helper()
	deadJobs(t, w.DB, 2, "sync_contact")
	check(t, w.Evaluate(t.Context()))
	exec(t, w.DB, "UPDATE alerts SET since_at = since_at - 60000")
	check(t, w.Evaluate(t.Context()))
}

func TestBothChannelsAreTold(t *testing.T) {
	t.Parallel()
	box, setting := newPostbox(t)
	slack, hook, client := newListener(t)
	w := newWatch(t)
	w.SMTP, w.Slack = setting, &Slack{URL: hook + "/services/T0/B0/secret", Client: client}
	sender := &mail.Sender{DB: w.DB, SMTP: *setting}
	queue.Handle(w.Worker, queue.Options{System: "mail"}, sender.Send)
	w.fire(t)
	check(t, w.Worker.WorkOff(t.Context()))

	mails := box.all()
	if len(mails) != 1 || len(slack.texts) != 1 {
		t.Fatalf("%d mails, %d texts in Slack; want one each", len(mails), len(slack.texts))
	}
	m := mails[0]
	if got := m.GetHeader("Subject"); got != "Bursar: Alert (high): Jobs gave up, 2 jobs" || m.GetHeader("To") != "<ada@example.com>" {
		t.Errorf("the mail is %q to %s", got, m.GetHeader("To"))
	}
	for _, want := range []string{"2 jobs", "2 of sync_contact", "HubSpot answered 400", "https://bursar.example.com/admin/jobs?state=discarded", "Since", "retry them"} {
		if !strings.Contains(m.Text, want) || !strings.Contains(m.HTML, strings.ReplaceAll(want, "&", "&amp;")) || want != "Since" && !strings.Contains(slack.texts[0], want) {
			t.Errorf("%q is not in all of\n%s\n%s\n%s", want, m.Text, m.HTML, slack.texts[0])
		}
	}
}

func TestABrokenChannelDoesNotStopTheOther(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		code  int
		state string
		open  bool // Slack is left alone at once
	}{
		{429, queue.Retryable, true}, {500, queue.Retryable, false}, {404, queue.Retryable, true}, {410, queue.Retryable, true}, {302, queue.Retryable, true}, {400, queue.Discarded, false},
	} {
		t.Run(fmt.Sprint(row.code), func(t *testing.T) {
			t.Parallel()
			box, setting := newPostbox(t)
			slack, hook, client := newListener(t)
			slack.code = row.code
			w := newWatch(t)
			w.SMTP, w.Slack = setting, &Slack{URL: hook, Client: client}
			sender := &mail.Sender{DB: w.DB, SMTP: *setting}
			queue.Handle(w.Worker, queue.Options{System: "mail"}, sender.Send)
			w.fire(t)
			check(t, w.Worker.WorkOff(t.Context()))
			if n := len(box.all()); n != 1 {
				t.Errorf("%d mails", n)
			}
			job, err := w.DB.Read().JobByKindAndKey(t.Context(), "send_slack", "1")
			check(t, err)
			if job.State != row.state || strings.Contains(job.Errors, "inside") || strings.Contains(job.Errors, hook) {
				t.Errorf("the job is %s with %s", job.State, job.Errors)
			}
			until, _, err := queue.OpenUntil(t.Context(), w.DB.Read(), "slack")
			if err != nil || until.IsZero() == row.open {
				t.Errorf("Slack is left alone until %v (%v)", until, err)
			}
		})
	}
}

func TestSlackAtAnInternalAddressIsNotAsked(t *testing.T) {
	t.Parallel()
	slack, hook, _ := newListener(t)
	s := Slack{URL: strings.Replace(hook, "http:", "https:", 1), Client: remote.NewClient(remote.Options{})}
	err := s.Post(t.Context(), "hi")
	if !errors.Is(err, remote.ErrInternal) || len(slack.asked) != 0 || strings.Contains(answerClass(err), "127") {
		t.Errorf("%v, asked %q", err, slack.asked)
	}
}

func TestForeignTextSaysNothingButItself(t *testing.T) {
	t.Parallel()
	text := slackText([]Item{{Kind: opened, Level: "high", Title: "x", Value: "1", Cause: "<!channel> <https://evil.example|click> *bold* & `code`\n<@U1>", Link: "https://b.example/a?b=c&d=e|f>"}}, 0)
	if strings.Contains(text, "<!") || strings.Contains(text, "<@") || strings.Contains(text, "<https://evil") || strings.Contains(text, "*bold*") || strings.Contains(text, "`") {
		t.Error(text)
	}
	if !strings.HasSuffix(text, "<https://b.example/a?b=c&amp;d=e%7Cf%3E|Open>") || !strings.Contains(text, "&lt;!channel&gt;") {
		t.Error(text)
	}
}

func TestTheDatabaseIsToldOfPastItself(t *testing.T) {
	t.Parallel()
	box, setting := newPostbox(t)
	slack, hook, client := newListener(t)
	w := newWatch(t)
	w.SMTP, w.Slack = setting, &Slack{URL: hook, Client: client}
	check(t, w.Evaluate(t.Context()))
	w.Tally.Delivery(Unavailable)
	w.Tally.Failed("evt_1", "invoice.paid")
	check(t, os.Rename(w.DB.Path(), w.DB.Path()+".away"))
	for range 3 {
		if err := w.Evaluate(t.Context()); !errors.Is(err, db.ErrReplaced) {
			t.Fatal(err)
		}
		w.setDown(outage{since: w.down.since.Add(-time.Minute), told: w.down.told})
	}
	if len(box.all()) != 1 || len(slack.texts) != 1 || !strings.Contains(slack.texts[0], "The database cannot be written") || w.Count() != 1 || w.Tally.UnstoredSince().IsZero() {
		t.Errorf("%d mails, Slack %q, %d call, counts unstored since %v", len(box.all()), slack.texts, w.Count(), w.Tally.UnstoredSince())
	}
	check(t, os.Rename(w.DB.Path()+".away", w.DB.Path()))
	check(t, w.Evaluate(t.Context()))
	if got := told(t, w.DB); len(got) != 1 || !strings.HasPrefix(got[0], "Over after 3 min: The database cannot be written") {
		t.Errorf("told %q", got)
	}
	if m := w.measured(t, "webhook"); m.Level != Critical || !w.Tally.UnstoredSince().IsZero() {
		t.Errorf("what failed meanwhile is lost: %+v", m)
	}
}

func TestTheHeartbeat(t *testing.T) {
	t.Parallel()
	there, address, client := newListener(t)
	w := newWatch(t)
	w.Heartbeat = &Heartbeat{URL: address + "/ping/uuid?rid=1", Client: client}
	check(t, w.Heartbeat.say(t.Context(), len(w.Dead()) == 0))
	w.Worker.Pulse.Mark()
	w.Schedules.Mark()
	check(t, w.Evaluate(t.Context()))
	check(t, w.Heartbeat.say(t.Context(), len(w.Dead()) == 0))
	w.alive = ago(4 * time.Minute)
	check(t, w.Heartbeat.say(t.Context(), len(w.Dead()) == 0))
	if want := []string{"GET /ping/uuid?rid=1", "GET /ping/uuid?rid=1", "GET /ping/uuid/fail?rid=1"}; !slices.Equal(there.asked, want) {
		t.Errorf("asked %q", there.asked)
	}
	there.code = 404
	if err := w.Heartbeat.say(t.Context(), true); err == nil || strings.Contains(err.Error(), "uuid") {
		t.Errorf("a refusal: %v", err)
	}
}

func TestATestMessage(t *testing.T) {
	t.Parallel()
	slack, hook, client := newListener(t)
	w := newWatch(t)
	if got := fmt.Sprint(w.Test(t.Context(), "ada@example.com")); got != "[{Mail false kept in the outbox: mail is not set up} {Slack false not set up: SLACK_WEBHOOK_URL}]" {
		t.Error(got)
	}
	w.Slack = &Slack{URL: hook, Client: client}
	if got := w.Test(t.Context(), "ada@example.com")[1]; !got.OK || len(slack.texts) != 1 {
		t.Errorf("%+v, Slack has %q", got, slack.texts)
	}
	slack.code = 403
	if got := w.Test(t.Context(), "ada@example.com")[1]; got.OK || got.How != "refused: the answer was of the class 4xx" {
		t.Errorf("%+v", got)
	}
}

func TestTheMailOfAlerts(t *testing.T) {
	t.Parallel()
	w := newWatch(t)
	w.Location = time.FixedZone("CET", 3600)
	at := time.Date(2026, 3, 4, 7, 30, 0, 0, time.UTC)
	since := db.At(at.Add(-62 * time.Minute))
	one := w.item(db.AlertNotice{Key: "checkout", Kind: opened, Level: int64(Critical), Value: "3 of 41 purchases (7.3 %); 95 % of 12 in 24 hours took 4 s or less",
		Cause: "Stripe → Bursar: not delivered (2); Bursar → access: delivered, and the job failed (1): HTTP 500 <b>Internal</b>.", SinceAt: since, CreatedAt: db.At(at)})
	two := w.item(db.AlertNotice{Key: "connector_crm", Kind: resolved, Level: int64(High), SinceAt: since, CreatedAt: db.At(at.Add(-20 * time.Minute))})
	three := w.item(db.AlertNotice{Key: "processing", Kind: still, Level: int64(High), Value: "0 gave up, 3 of 5 jobs wait for more than 15 minutes", SinceAt: since, CreatedAt: db.At(at)})
	four := w.item(db.AlertNotice{Key: "latency_admin", Kind: flapping, Level: int64(Low), Value: "≤ 1000 ms for 95 % of 80 answers", SinceAt: since, CreatedAt: db.At(at)})
	for name, items := range map[string][]Item{"one": {one}, "several": {one, two, three, four}} {
		more := 0
		if name == "several" {
			more = 7
		}
		m, err := w.letter(items, more, at)
		check(t, err)
		golden(t, name+".txt", "Subject: "+m.Subject+"\n\n"+m.Text)
		golden(t, name+".html", m.HTML)
		if strings.Contains(m.HTML, "<b>Internal") {
			t.Error("foreign text is not escaped")
		}
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		check(t, os.MkdirAll("testdata", 0o755))
		check(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	check(t, err)
	if !bytes.Equal(want, []byte(got)) {
		t.Errorf("%s differs; look at it, and run go test ./app/alert -update:\n%s", name, got)
	}
}
