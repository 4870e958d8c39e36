package server

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"bursar/app/billing"
	"bursar/app/demo"
)

func TestBadInputIsRefusedAndLeavesNothing(t *testing.T) {
	t.Parallel()
	f := start(t, secret, oldSecret)
	good := event("evt_1")
	now := time.Now()
	deep := strings.Repeat(`{"a":`, 20_000) + "1" + strings.Repeat("}", 20_000)
	large := `{"id":"evt_1","type":"x","pad":"` + strings.Repeat("x", maxEvent) + `"}`
	signed := func(body string) [2]string { return [2]string{body, sign(body, secret)} }
	for _, row := range []struct {
		name    string
		send    [2]string // body and Stripe-Signature
		status  int
		outcome string
	}{
		{"one byte changed", [2]string{strings.Replace(good, "cus_1", "cus_2", 1), sign(good, secret)}, 400, badSignature},
		{"one byte more", [2]string{good + " ", sign(good, secret)}, 400, badSignature},
		{"no signature", [2]string{good, ""}, 400, badSignature},
		{"a garbled signature", [2]string{good, "t=,v1=zz,,,=="}, 400, badSignature},
		{"no time in the signature", [2]string{good, regexp.MustCompile(`t=\d+,`).ReplaceAllString(sign(good, secret), "")}, 400, badSignature},
		{"only the old scheme v0", [2]string{good, strings.Replace(sign(good, secret), "v1=", "v0=", 1)}, 400, badSignature},
		{"signed with another secret", [2]string{good, sign(good, "whsec_else")}, 400, badSignature},
		{"signed with an empty secret", [2]string{good, sign(good, "")}, 400, badSignature},
		{"signed 301 seconds ago", [2]string{good, demo.Sign([]byte(good), now.Add(-301*time.Second), secret)}, 400, badTimestamp},
		{"signed in the future", [2]string{good, demo.Sign([]byte(good), now.Add(time.Hour), secret)}, 400, badTimestamp},
		{"null", signed("null"), 400, badBody},
		{"an empty object", signed("{}"), 400, badBody},
		{"a list", signed("[]"), 400, badBody},
		{"nothing", signed(""), 400, badBody},
		{"garbage", signed("\x00\x01PK<script>"), 400, badBody},
		{"half an event", signed(good[:len(good)/2]), 400, badBody},
		{"20,000 levels deep", signed(deep), 400, badBody},
		{"not UTF-8", signed(strings.Replace(good, "Ada", "A\xff", 1)), 400, badBody},
		{"no id", signed(strings.Replace(good, `"id":"evt_1",`, "", 1)), 400, badBody},
		{"an id that is SQL", signed(strings.Replace(good, "evt_1", "evt_1'; DROP TABLE events; --", 1)), 400, badBody},
		{"no type", signed(strings.Replace(good, `"type":"customer.updated",`, "", 1)), 400, badBody},
		{"over 1 MiB", signed(large), 413, bodyTooLarge},
	} {
		t.Run(row.name, func(t *testing.T) {
			f.t = t
			f.wantRefused(row.status, row.outcome, func() (*http.Response, string) { return f.deliver(row.send[0], row.send[1]) })
		})
	}
}

// wantRefused checks an answer that acknowledges nothing, and that nothing came of the request but one
// more in the counter of its outcome.
func (f *fixture) wantRefused(status int, outcome string, deliver func() (*http.Response, string)) {
	f.t.Helper()
	want := f.outcomes()
	want[outcome]++
	res, body := deliver()
	if res.StatusCode != status {
		f.t.Errorf("the answer is %d %q, want %d", res.StatusCode, body, status)
	}
	if unsafe := regexp.MustCompile(`(?i)sql|\.db|\.go|goroutine|panic|1\.2\.3|whsec|/tmp|cus_`); len(body) > 200 || unsafe.MatchString(body) {
		f.t.Errorf("the body tells too much: %q", body)
	}
	if got := res.Header.Get("Content-Type"); got != "text/plain; charset=utf-8" {
		f.t.Errorf("the content type is %s", got)
	}
	if got := f.outcomes(); !maps.Equal(got, want) {
		f.t.Errorf("the counters are %v, want %v", got, want)
	}
	if events, jobs := f.rows(); events != 0 || jobs != 0 {
		f.t.Errorf("%d events and %d jobs were stored", events, jobs)
	}
	if strings.Contains(f.log.String(), "panicked") {
		f.t.Error(f.log)
	}
}

func TestTheWebhookIsNotForOtherMethodsAndTypes(t *testing.T) {
	t.Parallel()
	f := start(t, secret)
	for _, row := range []struct {
		method, path, kind string
		status             int
		outcome            string
	}{
		{"GET", webhookPath, "application/json", 405, badMethod},
		{"PUT", webhookPath, "application/json", 405, badMethod},
		{"DELETE", webhookPath + "/", "application/json", 405, badMethod},
		{"OPTIONS", webhookPath, "application/json", 405, badMethod},
		{"POST", webhookPath, "text/plain", 415, badBody},
		{"POST", webhookPath, "multipart/form-data; boundary=x", 415, badBody},
	} {
		t.Run(row.method+" "+row.path+" "+row.kind, func(t *testing.T) {
			f.t = t
			f.wantRefused(row.status, row.outcome, func() (*http.Response, string) {
				body := event("evt_1")
				res, text := send(t, request(t, row.method, f.url+row.path, body, "Content-Type", row.kind, "Stripe-Signature", sign(body, secret)))
				if allow := res.Header.Get("Allow"); row.status == 405 && allow != "POST" {
					t.Errorf("Allow is %q", allow)
				}
				return res, text
			})
		})
	}
}

func TestALargeBodyIsNotRead(t *testing.T) {
	t.Parallel()
	f := start(t, secret)
	// Not a byte of the body is sent: only a server that does not wait for it can answer.
	res := f.raw(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", webhookPath, maxEvent+1))
	if res.StatusCode != 413 || !res.Close {
		t.Errorf("the answer is %d, and the connection stays open: %t", res.StatusCode, !res.Close)
	}
	// Without a length it is read up to the limit.
	body := strings.Repeat("x", maxEvent+1)
	r := request(t, "POST", f.url+webhookPath, body, "Content-Type", "application/json", "Stripe-Signature", sign(body, secret))
	r.ContentLength = -1
	if res, _ := send(t, r); res.StatusCode != 413 {
		t.Errorf("the answer to a body of unknown length is %d", res.StatusCode)
	}
	if got := f.outcomes(); got[bodyTooLarge] != 2 {
		t.Errorf("the counters are %v", got)
	}
}

// raw writes a request to a connection of its own, and reads the answer.
func (f *fixture) raw(text string) *http.Response {
	f.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
	check(f.t, err)
	f.t.Cleanup(func() { conn.Close() })
	check(f.t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = conn.Write([]byte(text))
	check(f.t, err)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	check(f.t, err)
	return res
}

func TestABodyThatDoesNotComeIsGivenUp(t *testing.T) {
	t.Parallel()
	f := start(t, secret)
	began := time.Now()
	res := f.raw(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{", webhookPath))
	if took := time.Since(began); res.StatusCode != 408 || took < 4*time.Second {
		t.Errorf("the answer is %d after %s", res.StatusCode, took)
	}
}

func TestAnEventOfTheLargestSizeIsStored(t *testing.T) {
	t.Parallel()
	f := start(t, secret)
	body := event("evt_1")
	body += strings.Repeat(" ", maxEvent-len(body))
	if res, text := f.deliver(body, sign(body, secret)); res.StatusCode != 200 || text != "ok\n" {
		t.Errorf("the answer is %d %q", res.StatusCode, text)
	}
	row, err := f.DB.Read().EventByID(t.Context(), "evt_1")
	check(t, err)
	if string(row.Payload) != body {
		t.Errorf("%d bytes were stored of %d", len(row.Payload), len(body))
	}
}

func TestWhatCannotBeStoredIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		spoil func(t *testing.T, f *fixture) (mend func())
	}{
		{"the file was moved away", func(t *testing.T, f *fixture) func() {
			check(t, os.Rename(f.DB.Path(), f.DB.Path()+".away"))
			return func() { check(t, os.Rename(f.DB.Path()+".away", f.DB.Path())) }
		}},
		{"another process holds the write lock", func(t *testing.T, f *fixture) func() {
			other, err := sql.Open("sqlite", f.DB.Path())
			check(t, err)
			t.Cleanup(func() { other.Close() })
			conn, err := other.Conn(t.Context())
			check(t, err)
			_, err = conn.ExecContext(t.Context(), "BEGIN IMMEDIATE")
			check(t, err)
			return func() {
				_, err := conn.ExecContext(t.Context(), "ROLLBACK")
				check(t, err)
			}
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			f := start(t, secret)
			f.rows() // opens a connection that reads
			mend := row.spoil(t, f)
			body := event("evt_1")
			f.wantRefused(503, unavailable, func() (*http.Response, string) {
				defer mend()
				res, text := f.deliver(body, sign(body, secret))
				if res.Header.Get("Retry-After") == "" {
					t.Error("there is no Retry-After")
				}
				return res, text
			})

			if res, text := f.deliver(body, sign(body, secret)); res.StatusCode != 200 {
				t.Errorf("sent again it is %d %q", res.StatusCode, text)
			}
			if events, jobs := f.rows(); events != 1 || jobs != 1 {
				t.Errorf("%d events and %d jobs are stored", events, jobs)
			}
		})
	}
}

func TestACallerWhoLeftIsNotTold200(t *testing.T) {
	t.Parallel()
	f := start(t, secret)
	body := event("evt_1")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(ctx, "POST", webhookPath, strings.NewReader(body))
	r.Header.Set("Stripe-Signature", sign(body, secret))
	f.Handler().ServeHTTP(w, r)
	if w.Code != statusGone || w.Body.Len() != 0 {
		t.Errorf("the answer is %d %q", w.Code, w.Body)
	}
	if events, jobs := f.rows(); events != 0 || jobs != 0 {
		t.Errorf("%d events and %d jobs were stored", events, jobs)
	}
}

func TestManyDeliveriesOfOneEventAreOne(t *testing.T) {
	t.Parallel()
	f := start(t, secret)
	body := event("evt_1")
	signature := sign(body, secret)
	statuses := make([]int, 50)
	var wg sync.WaitGroup
	for i := range statuses {
		wg.Go(func() {
			r, err := http.NewRequest("POST", f.url+webhookPath, strings.NewReader(body))
			if err != nil {
				return
			}
			r.Header.Set("Stripe-Signature", signature)
			if res, err := http.DefaultClient.Do(r); err == nil {
				statuses[i] = res.StatusCode
				res.Body.Close()
			}
		})
	}
	wg.Wait()
	for i, status := range statuses {
		if status != 200 {
			t.Errorf("delivery %d was answered %d", i, status)
		}
	}
	if events, jobs := f.rows(); events != 1 || jobs != 1 {
		t.Errorf("%d events and %d jobs were stored", events, jobs)
	}
	if got, want := f.outcomes(), (map[string]int{stored: 1, duplicate: 49}); !maps.Equal(got, want) {
		t.Errorf("the counters are %v, want %v", got, want)
	}
}

func TestManyEventsKeepTheirBodies(t *testing.T) {
	t.Parallel()
	f := start(t, secret)
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			body := event(fmt.Sprintf("evt_%d", i))
			w := httptest.NewRecorder()
			r := httptest.NewRequest("POST", webhookPath, strings.NewReader(body))
			r.Header.Set("Stripe-Signature", sign(body, secret))
			f.Handler().ServeHTTP(w, r)
		})
	}
	wg.Wait()
	for i := range 100 {
		id := fmt.Sprintf("evt_%d", i)
		row, err := f.DB.Read().EventByID(t.Context(), id)
		if err != nil || !strings.HasPrefix(string(row.Payload), `{"id":"`+id+`"`) {
			t.Errorf("%s holds %.30s: %v", id, row.Payload, err)
		}
	}
}

func TestASecretIsRolled(t *testing.T) {
	t.Parallel()
	f := start(t, secret)
	for i, row := range []struct {
		name    string
		secrets []string
		signer  []string
		want    int
	}{
		{"before", []string{oldSecret}, []string{oldSecret}, 200},
		{"both here, the old one signs", []string{secret, oldSecret}, []string{oldSecret}, 200},
		{"both here, the new one signs", []string{secret, oldSecret}, []string{secret}, 200},
		{"both here, both sign", []string{secret, oldSecret}, []string{oldSecret, secret}, 200},
		{"the new one here, both sign", []string{secret}, []string{oldSecret, secret}, 200},
		{"after", []string{secret}, []string{oldSecret}, 400},
		{"the new one signs too early", []string{oldSecret}, []string{secret}, 400},
	} {
		f.Secrets = row.secrets
		body := event(fmt.Sprintf("evt_%d", i))
		if res, text := f.deliver(body, sign(body, row.signer...)); res.StatusCode != row.want {
			t.Errorf("%s: the answer is %d %q, want %d", row.name, res.StatusCode, text, row.want)
		}
	}
}

func TestTheWebhookNeverRedirects(t *testing.T) {
	t.Parallel()
	f := start(t, secret)
	for i, path := range []string{webhookPath, webhookPath + "/"} {
		body := event(fmt.Sprintf("evt_%d", i))
		res, text := send(t, request(t, "POST", f.url+path, body, "Content-Type", "application/json", "Stripe-Signature", sign(body, secret)))
		if res.StatusCode != 200 {
			t.Errorf("%s: %d %q", path, res.StatusCode, text)
		}
	}
	if events, _ := f.rows(); events != 2 {
		t.Errorf("%d events were stored", events)
	}
}

func TestAnEventOfTheOtherModeIsKeptAndIgnored(t *testing.T) {
	t.Parallel()
	f := start(t, secret)
	test := event("evt_1")
	live := strings.Replace(event("evt_2"), `"livemode":false`, `"livemode":true`, 1)
	for _, body := range []string{test, live} {
		if res, text := f.deliver(body, sign(body, secret)); res.StatusCode != 200 {
			t.Errorf("%d %q", res.StatusCode, text)
		}
	}
	if got, want := f.outcomes(), (map[string]int{stored: 1, ignored: 1}); !maps.Equal(got, want) {
		t.Errorf("the counters are %v, want %v", got, want)
	}
}

func TestWithoutASecretThereIsNoWebhook(t *testing.T) {
	t.Parallel()
	f := start(t)
	body := event("evt_1")
	if res, _ := f.deliver(body, sign(body, "")); res.StatusCode != 404 {
		t.Errorf("the answer is %d", res.StatusCode)
	}
	if _, err := New(Config{DB: f.DB, Log: f.Log, Secrets: []string{secret, ""}}); err == nil {
		t.Error("an empty secret is accepted")
	}
}

func TestAPanicIsOneFailedRequest(t *testing.T) {
	t.Parallel()
	f := start(t, secret)
	whole := f.Billing
	f.Billing = (*billing.Billing)(nil)
	body := event("evt_1")
	res, text := f.deliver(body, sign(body, secret))
	if res.StatusCode != 500 || strings.Contains(text, "nil pointer") || !strings.Contains(f.log.String(), "nil pointer") {
		t.Errorf("the answer is %d %q, the log %s", res.StatusCode, text, f.log)
	}
	f.Billing = whole
	if res, _ := f.deliver(body, sign(body, secret)); res.StatusCode != 200 {
		t.Errorf("the next one is answered %d", res.StatusCode)
	}
}
