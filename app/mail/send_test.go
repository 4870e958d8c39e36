package mail

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"bursar/app/db"
	"bursar/app/db/dbtest"
	"bursar/app/queue"
)

func newDB(t *testing.T) *db.DB {
	t.Helper()
	d := dbtest.New(t)
	return d
}

func put(t *testing.T, d *db.DB, m Message, send bool) {
	t.Helper()
	if err := d.Tx(t.Context(), func(q *db.Queries) error { return Put(t.Context(), q, m, send) }); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, d *db.DB, key string) db.Mail {
	t.Helper()
	m, err := d.Read().MailByKey(t.Context(), key)
	if err != nil {
		t.Fatalf("mail %s: %v", key, err)
	}
	return m
}

// jobs are all jobs there are, by state.
func jobs(t *testing.T, d *db.DB) map[string]int64 {
	t.Helper()
	counts, err := d.Read().CountJobs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	byState := map[string]int64{}
	for _, c := range counts {
		byState[c.State] = c.N
	}
	return byState
}

// work runs what is due, as serve would.
func work(t *testing.T, d *db.DB, setting SMTP) {
	t.Helper()
	w := queue.NewWorker(d, slog.New(slog.NewTextHandler(io.Discard, nil)))
	sender := &Sender{DB: d, SMTP: setting}
	queue.Handle(w, queue.Options{System: "mail"}, sender.Send)
	if err := w.WorkOff(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func hello(key string) Message {
	return Message{Key: key, To: []string{"ada@example.com", "bob@example.com"}, Subject: "All 3 customers agree – überall",
		Text: "Good morning.\n.\nA line that is only a dot stands above.\n", HTML: "<p>Good <b>morning</b> ☀</p>"}
}

func TestAMailArrivesWholeOverSTARTTLSWithSignIn(t *testing.T) {
	t.Parallel()
	d, s := newDB(t), newServer(t, faults{})
	put(t, d, hello("report/2026-03-04"), true)
	work(t, d, s.signedIn(t))

	e := s.parsed(t)
	got := s.mails()[0]
	if got.from != "bursar@example.com" || !slices.Equal(got.to, []string{"ada@example.com", "bob@example.com"}) {
		t.Errorf("the envelope is from %q to %q", got.from, got.to)
	}
	for header, want := range map[string]string{
		"Subject": "All 3 customers agree – überall", "From": `"Bursar" <bursar@example.com>`,
		"To": "<ada@example.com>, <bob@example.com>", "Auto-Submitted": "auto-generated", "Mime-Version": "1.0",
	} {
		if got := e.GetHeader(header); got != want {
			t.Errorf("%s is %q, want %q", header, got, want)
		}
	}
	if got := strings.ReplaceAll(e.Text, "\r\n", "\n"); got != hello("").Text {
		t.Errorf("the text part is %q", got)
	}
	if e.HTML != hello("").HTML {
		t.Errorf("the HTML part is %q", e.HTML)
	}
	if kind, _, _ := strings.Cut(e.Root.ContentType, ";"); kind != "multipart/alternative" {
		t.Errorf("the mail is %s", kind)
	}
	m := read(t, d, "report/2026-03-04")
	if date, err := e.Date(); err != nil || !date.Equal(m.CreatedAt.Truncate(time.Second)) {
		t.Errorf("Date is %v (%v), want the time it was stored", date, err)
	}
	if m.State != Sent || m.SentAt.IsZero() || m.Error != "" {
		t.Errorf("the outbox says %s at %v, error %q", m.State, m.SentAt, m.Error)
	}
}

func TestServersOfOtherKinds(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name                    string
		faults                  faults
		scheme, userinfo, query string
	}{
		{"TLS from the first byte", faults{implicitTLS: true}, "smtps", "ada:s3cret%2F%23%40@", ""},
		{"no TLS on this machine, no sign-in", faults{noTLS: true}, "smtp", "", "?tls=off"},
		{"no TLS on this machine, with sign-in", faults{noTLS: true}, "smtp", "ada:s3cret%2F%23%40@", "?tls=off"},
		{"TLS optional, and not offered", faults{noTLS: true}, "smtp", "", "?tls=optional"},
		{"TLS optional, and offered", faults{}, "smtp", "ada:s3cret%2F%23%40@", "?tls=optional"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			d, s := newDB(t), newServer(t, row.faults)
			setting := s.smtp(t, row.scheme, row.userinfo, row.query)
			if err := setting.Check(t.Context()); err != nil {
				t.Errorf("Check: %v", err)
			}
			put(t, d, hello("k"), true)
			work(t, d, setting)
			s.parsed(t)
			if m := read(t, d, "k"); m.State != Sent {
				t.Errorf("state %s, error %q", m.State, m.Error)
			}
		})
	}
}

func refusal(code int, words string) *gosmtp.SMTPError {
	return &gosmtp.SMTPError{Code: code, EnhancedCode: gosmtp.NoEnhancedCode, Message: words}
}

func TestWhatBecomesOfAMailThatIsNotTaken(t *testing.T) {
	t.Parallel()
	both := func(e *gosmtp.SMTPError) map[string]*gosmtp.SMTPError {
		return map[string]*gosmtp.SMTPError{"ada@example.com": e, "bob@example.com": e}
	}
	for _, row := range []struct {
		name   string
		faults faults
		state  string // of the mail
		job    string
		open   bool // the circuit of the mail server, at once
		words  string
	}{
		{"450 for a recipient: tried again", faults{onRcpt: both(refusal(450, "greylisted"))}, Waiting, queue.Retryable, false, `450 "greylisted"`},
		{"450 for one of two: nobody gets it twice", faults{onRcpt: map[string]*gosmtp.SMTPError{"bob@example.com": refusal(450, "later")}}, Waiting, queue.Retryable, false, `bob@example.com: 450 "later"`},
		{"452 for the contents: tried again", faults{onData: refusal(452, "disk full")}, Waiting, queue.Retryable, false, `452 "disk full"`},
		{"421 for the sender: tried again", faults{onMail: refusal(421, "shutting down")}, Waiting, queue.Retryable, false, `421 "shutting down"`},
		{"550 for every recipient: failed", faults{onRcpt: both(refusal(550, "no such user"))}, Failed, queue.Discarded, false, `550 "no such user"`},
		{"550 for the sender: failed", faults{onMail: refusal(550, "sender not verified")}, Failed, queue.Discarded, false, `550 "sender not verified"`},
		{"554 for the contents: failed", faults{onData: refusal(554, "looks like spam")}, Failed, queue.Discarded, false, `554 "looks like spam"`},
		{"535: the mail waits for a better password", faults{badPassword: refusal(535, "bad credentials")}, Waiting, queue.Retryable, true, `535 "bad credentials"`},
		{"454 while signing in: tried again", faults{badPassword: refusal(454, "try later")}, Waiting, queue.Retryable, false, `454 "try later"`},
		{"no STARTTLS where it is needed: nothing is said in the clear", faults{noTLS: true}, Waiting, queue.Retryable, false, "STARTTLS"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			d, s := newDB(t), newServer(t, row.faults)
			put(t, d, hello("k"), true)
			work(t, d, s.signedIn(t))

			m := read(t, d, "k")
			if m.State != row.state || !m.SentAt.IsZero() || !strings.Contains(m.Error, row.words) {
				t.Errorf("the mail is %s with error %q, want %s with %q", m.State, m.Error, row.state, row.words)
			}
			if strings.Contains(m.Error, testPassword) {
				t.Errorf("the error tells the password: %q", m.Error)
			}
			if got := jobs(t, d); got[row.job] != 1 {
				t.Errorf("the jobs are %v, want one %s", got, row.job)
			}
			until, _, err := queue.OpenUntil(t.Context(), d.Read(), "mail")
			if err != nil || until.IsZero() == row.open {
				t.Errorf("the mail server is left alone until %v (%v), want that: %t", until, err, row.open)
			}
			if n := len(s.mails()); n != 0 {
				t.Errorf("%d mails arrived", n)
			}
		})
	}
}

func TestARefusedRecipientDoesNotKeepTheMailFromTheOthers(t *testing.T) {
	t.Parallel()
	d, s := newDB(t), newServer(t, faults{onRcpt: map[string]*gosmtp.SMTPError{"ada@example.com": refusal(550, "left the company")}})
	put(t, d, hello("k"), true)
	work(t, d, s.signedIn(t))
	s.parsed(t)
	if to := s.mails()[0].to; !slices.Equal(to, []string{"bob@example.com"}) {
		t.Errorf("it went to %q", to)
	}
	if m := read(t, d, "k"); m.State != Sent || !strings.Contains(m.Error, `ada@example.com: 550 "left the company"`) {
		t.Errorf("the mail is %s with error %q", m.State, m.Error)
	}
}

func TestAServerThatIsAway(t *testing.T) {
	t.Parallel()
	refused := newServer(t, faults{})
	closedPort := refused.signedIn(t)
	closedPort.port = 1
	untrusted := refused.signedIn(t)
	untrusted.roots = nil

	hang := make(chan struct{})
	silent := newServer(t, faults{hang: hang})
	t.Cleanup(func() { close(hang) })
	timeout := silent.signedIn(t)
	timeout.timeout = 300 * time.Millisecond

	for _, row := range []struct {
		name    string
		setting SMTP
		words   string
	}{
		{"nobody listens", closedPort, "refused"},
		{"the certificate is not trusted", untrusted, "certificate"},
		{"it hangs until the time is up", timeout, "timeout"},
		{"it hangs up without an answer", newServer(t, faults{dropData: true}).signedIn(t), "EOF"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			d := newDB(t)
			put(t, d, hello("k"), true)
			work(t, d, row.setting)
			if m := read(t, d, "k"); m.State != Waiting || !strings.Contains(m.Error, row.words) {
				t.Errorf("the mail is %s with error %q, want it waiting and %q", m.State, m.Error, row.words)
			}
			if got := jobs(t, d); got[queue.Retryable] != 1 {
				t.Errorf("the jobs are %v, want one to be tried again", got)
			}
		})
	}
}

func TestTheEndOfTheJobEndsTheConversation(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	s := newServer(t, faults{hang: hang})
	t.Cleanup(func() { close(hang) })
	d := newDB(t)
	put(t, d, hello("k"), true)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	sender := Sender{DB: d, SMTP: s.signedIn(t)}
	if err := sender.Send(ctx, SendArgs{ID: read(t, d, "k").ID}); err == nil || ctx.Err() == nil {
		t.Fatalf("Send returned %v with the context at %v", err, ctx.Err())
	}
	if m := read(t, d, "k"); m.State != Waiting {
		t.Errorf("the mail is %s", m.State)
	}
}

func TestAMailSentTwiceIsRecognisablyTheSame(t *testing.T) {
	t.Parallel()
	d, s := newDB(t), newServer(t, faults{dropData: true}) // it takes the mail, we do not hear of it
	put(t, d, hello("k"), true)
	put(t, d, hello("another"), false)
	sender := Sender{DB: d, SMTP: s.signedIn(t)}
	for _, key := range []string{"k", "k", "another"} {
		if err := sender.Send(t.Context(), SendArgs{ID: read(t, d, key).ID}); err == nil {
			t.Fatal("Send heard of a delivery that nobody told it of")
		}
	}
	got := s.mails()
	if len(got) != 3 {
		t.Fatalf("%d mails arrived, want 3", len(got))
	}
	if !bytes.Equal(sortedHeaders(got[0].raw), sortedHeaders(got[1].raw)) {
		t.Errorf("the two copies differ:\n%s\n%s", got[0].raw, got[1].raw)
	}
	if bytes.Equal(messageID(got[0].raw), messageID(got[2].raw)) {
		t.Error("another mail has the same Message-ID")
	}
}

// sortedHeaders puts a mail's lines in order: the order of headers means nothing.
func sortedHeaders(raw []byte) []byte {
	lines := bytes.Split(raw, []byte("\r\n"))
	slices.SortFunc(lines, bytes.Compare)
	return bytes.Join(lines, []byte("\n"))
}

func messageID(raw []byte) []byte {
	for line := range bytes.SplitSeq(raw, []byte("\r\n")) {
		if bytes.HasPrefix(line, []byte("Message-ID: ")) {
			return line
		}
	}
	return nil
}

func TestASentMailIsNotSentAgain(t *testing.T) {
	t.Parallel()
	d, s := newDB(t), newServer(t, faults{})
	put(t, d, hello("k"), true)
	sender := Sender{DB: d, SMTP: s.signedIn(t)}
	for range 2 {
		if err := sender.Send(t.Context(), SendArgs{ID: read(t, d, "k").ID}); err != nil {
			t.Fatal(err)
		}
	}
	s.parsed(t)
}
