package server

import (
	"fmt"
	"strings"
	"testing"

	"bursar/app/auth"
	"bursar/app/db"
	"bursar/app/mail"
)

func TestTheOutbox(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	_, body := a.get(auth.Finance, "/admin/outbox")
	shows(t, "empty", body, "No mail yet")
	check(t, a.DB.Tx(t.Context(), func(q *db.Queries) error {
		for i, html := range []string{`<p style="color:red">Hello</p><script>alert(1)</script>`, ""} {
			m := mail.Message{Key: fmt.Sprint(i), To: []string{"ada@example.com"}, Subject: "Subject " + hostile, Text: "As text " + hostile, HTML: html}
			if err := mail.Put(t.Context(), q, m, i == 0); err != nil {
				return err
			}
		}
		return nil
	}))
	a.exec(`UPDATE mails SET state = 'failed', error = '550 no such user' WHERE id = 1`)
	_, body = a.get(auth.Finance, "/admin/outbox")
	shows(t, "full", body, "ada@example.com", "failed", "550 no such user", "kept", "!<script>alert", "&lt;script&gt;")
	_, body = a.get(auth.Finance, "/admin/outbox/1")
	shows(t, "a mail", body, "the mail server refused it", `<iframe class="mail" sandbox="" title="The mail" src="/admin/outbox/1/html">`, "As text &lt;script&gt;", "!<script>alert")
	_, body = a.get(auth.Finance, "/admin/outbox/2")
	shows(t, "a mail of text alone", body, "As text &lt;script&gt;", "!<iframe")
	for _, path := range []string{"/admin/outbox", "/admin/outbox/1", "/admin/outbox/1/html"} {
		if status, _ := a.get(auth.Support, path); status != 403 {
			t.Errorf("support may read %s: %d", path, status)
		}
	}
	for _, path := range []string{"/admin/outbox/9", "/admin/outbox/x", "/admin/outbox/9/html", "/admin/outbox/2/html"} {
		if status, _ := a.get(auth.Finance, path); status != 404 {
			t.Errorf("%s is %d", path, status)
		}
	}
}

// TestAMailCanDoNothingInItsFrame: a mail holds what strangers wrote.
func TestAMailCanDoNothingInItsFrame(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	a.exec(`INSERT INTO mails (key, recipients, subject, text, html, state, created_at) VALUES ('k', '', 's', 't', '<p style="color:red">Hello</p>', 'kept', 1)`)
	res, body := a.do(a.browsers[auth.Finance], request(t, "GET", a.url+"/admin/outbox/1/html", ""))
	if res.StatusCode != 200 || body != `<p style="color:red">Hello</p>` || res.Header.Get("Content-Type") != "text/html; charset=utf-8" || res.Header.Get("X-Frame-Options") != "" {
		t.Errorf("it is %d %v %s", res.StatusCode, res.Header, body)
	}
	policy := map[string]bool{}
	for part := range strings.SplitSeq(res.Header.Get("Content-Security-Policy"), "; ") {
		policy[part] = true
	}
	for _, part := range []string{"default-src 'none'", "style-src 'unsafe-inline'", "frame-ancestors 'self'", "form-action 'none'", "base-uri 'none'", "sandbox"} {
		if !policy[part] {
			t.Errorf("the policy %v lacks %s", policy, part)
		}
	}
	if len(policy) != 6 {
		t.Errorf("the policy has more: %v", policy)
	}
}
