package server

import (
	"database/sql"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"bursar/app/auth"
	"bursar/app/billing"
	"bursar/app/crm"
	"bursar/app/db"
	"bursar/app/db/dbtest"
	"bursar/app/mail"
	"bursar/app/queue"
	"bursar/app/support"
)

// adminTest is a server with its pages, and a browser for each role that is signed in already. Nobody is
// the role "".
type adminTest struct {
	*fixture
	browsers map[auth.Role]*http.Client
}

// newAdmin starts a server on loopback over an empty file, with one person of each role:
// owner@example.com, finance@example.com and support@example.com.
func newAdmin(t *testing.T) *adminTest {
	t.Helper()
	files := os.DirFS("../..")
	d := dbtest.New(t)
	ts := httptest.NewUnstartedServer(nil)
	f := &fixture{t: t, log: &buffer{}, url: "http://" + ts.Listener.Addr().String()}
	log := slog.New(slog.NewJSONHandler(f.log, nil))
	b := &billing.Billing{DB: d}
	desk := support.Builtin{DB: d}
	mails, err := mail.ParseTemplates(files)
	check(t, err)
	key, err := auth.NewKey(nil)
	check(t, err)
	f.Server, err = New(Config{Key: key, Mails: mails, DB: d, Billing: b, Desk: desk, Secrets: []string{secret}, Version: "1.2.3-test", Log: log,
		Files: files, Location: time.UTC, URL: f.url})
	check(t, err)
	f.worker = queue.NewWorker(d, log)
	b.Handle(f.worker)
	support.Handle(f.worker, desk)
	crm.Handle(f.worker, d, crm.Builtin{DB: d})
	ts.Config = f.HTTPServer("")
	ts.Start()
	t.Cleanup(ts.Close)
	a := &adminTest{fixture: f, browsers: map[auth.Role]*http.Client{"": newBrowser(t)}}
	for _, role := range auth.Roles() {
		a.browsers[role] = a.browserOf(a.addUser(string(role)+"@example.com", role))
	}
	return a
}

// newBrowser keeps cookies and shows redirects.
func newBrowser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	check(t, err)
	return &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// addUser adds somebody whose password is goodPassword; checking it costs little.
func (a *adminTest) addUser(email string, role auth.Role) (user db.User) {
	a.t.Helper()
	ctx := a.t.Context()
	check(a.t, a.DB.Tx(ctx, func(q *db.Queries) error {
		id, err := q.InsertUser(ctx, email, string(role), db.Now())
		if err != nil {
			return err
		}
		if err := q.SetUserPassword(ctx, goodPasswordHash, id); err != nil {
			return err
		}
		user, err = q.UserByID(ctx, id)
		return err
	}))
	return user
}

// invite makes a link for somebody, as the command on the machine does.
func (a *adminTest) invite(email string, role auth.Role) (link string) {
	a.t.Helper()
	check(a.t, a.DB.Tx(a.t.Context(), func(q *db.Queries) error {
		made, err := auth.AddUser(a.t.Context(), q, email, role, a.URL)
		link = made.Link
		return err
	}))
	return link
}

// browserOf is a browser in which a user is signed in.
func (a *adminTest) browserOf(user db.User) *http.Client {
	a.t.Helper()
	ctx := a.t.Context()
	var token string
	check(a.t, a.DB.Tx(ctx, func(q *db.Queries) (err error) {
		token, err = auth.StartSession(ctx, q, user, auth.Origin{})
		return err
	}))
	b := newBrowser(a.t)
	home, err := url.Parse(a.url)
	check(a.t, err)
	b.Jar.SetCookies(home, []*http.Cookie{a.cookie(sessionCookie, token, 0)})
	return b
}

// do sends a request in somebody's browser, as a browser on our own pages does.
func (a *adminTest) do(browser *http.Client, r *http.Request) (*http.Response, string) {
	a.t.Helper()
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	res, err := browser.Do(r)
	check(a.t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	check(a.t, err)
	return res, string(body)
}

// get opens a page.
func (a *adminTest) get(role auth.Role, path string) (status int, body string) {
	a.t.Helper()
	res, body := a.do(a.browsers[role], request(a.t, "GET", a.url+path, ""))
	return res.StatusCode, body
}

// post sends a form and does not follow the redirect.
func (a *adminTest) post(role auth.Role, path string, form url.Values) (status int, body string) {
	a.t.Helper()
	res, body := a.do(a.browsers[role], formRequest(a.t, a.url+path, form))
	return res.StatusCode, body
}

// submit sends a form and shows the page that it leads to, with its notice.
func (a *adminTest) submit(role auth.Role, path string, form url.Values) (body string) {
	a.t.Helper()
	res, body := a.do(a.browsers[role], formRequest(a.t, a.url+path, form))
	if res.StatusCode != http.StatusSeeOther {
		a.t.Fatalf("POST %s by %s: %d %s", path, role, res.StatusCode, body)
	}
	status, body := a.get(role, res.Header.Get("Location"))
	if status != http.StatusOK {
		a.t.Fatalf("POST %s by %s leads to %s: %d %s", path, role, res.Header.Get("Location"), status, body)
	}
	return body
}

func formRequest(t *testing.T, url string, form url.Values) *http.Request {
	t.Helper()
	return request(t, "POST", url, form.Encode(), "Content-Type", "application/x-www-form-urlencoded")
}

// audits are the newest rows of the audit as "actor action target outcome", newest first.
func (a *adminTest) audits(most int64) (rows []string) {
	a.t.Helper()
	list, err := a.DB.Read().ListAudit(a.t.Context(), db.ListAuditParams{BeforeID: 1 << 62, Count: most})
	check(a.t, err)
	for _, e := range list {
		rows = append(rows, strings.Join([]string{e.Actor, e.Action, e.Target, e.Outcome}, " "))
	}
	return rows
}

// insert queues a job.
func (a *adminTest) insert(job queue.Args) {
	a.t.Helper()
	check(a.t, a.DB.Tx(a.t.Context(), func(q *db.Queries) error { return queue.Insert(a.t.Context(), q, job) }))
}

// exec changes the file beside the program.
func (a *adminTest) exec(statements ...string) {
	a.t.Helper()
	raw, err := sql.Open("sqlite", a.DB.Path())
	check(a.t, err)
	defer raw.Close()
	for _, text := range statements {
		_, err := raw.ExecContext(a.t.Context(), text)
		check(a.t, err)
	}
}

// queryRow reads a row of the file beside the program.
func (a *adminTest) queryRow(text string, into ...any) {
	a.t.Helper()
	raw, err := sql.Open("sqlite", a.DB.Path())
	check(a.t, err)
	defer raw.Close()
	check(a.t, raw.QueryRowContext(a.t.Context(), text).Scan(into...))
}
