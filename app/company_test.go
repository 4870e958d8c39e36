package app_test

import (
	"database/sql"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"bursar/app/auth"
	"bursar/app/db/dbtest"
	"bursar/app/demo"
	"bursar/app/money"
	"bursar/app/stripe"
)

// postOffice is a mail server that keeps the subjects of what it takes, and may be away.
type postOffice struct {
	mu    sync.Mutex
	away  bool
	mails []string
}

func (p *postOffice) open(t *testing.T) (setting string) {
	t.Helper()
	srv := gosmtp.NewServer(gosmtp.BackendFunc(func(*gosmtp.Conn) (gosmtp.Session, error) { return p, nil }))
	srv.ErrorLog = log.New(io.Discard, "", 0)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
	return "smtp://" + l.Addr().String() + "?tls=off"
}

func (p *postOffice) setAway(is bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away = is
}

func (p *postOffice) got() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.mails)
}

func (p *postOffice) Mail(string, *gosmtp.MailOptions) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.away {
		return &gosmtp.SMTPError{Code: 451, Message: "later"}
	}
	return nil
}
func (p *postOffice) Rcpt(string, *gosmtp.RcptOptions) error { return nil }
func (p *postOffice) Reset()                                 {}
func (p *postOffice) Logout() error                          { return nil }
func (p *postOffice) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	_, subject, _ := strings.Cut(string(text), "Subject: ")
	subject, _, _ = strings.Cut(subject, "\r\n")
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mails = append(p.mails, subject)
	return err
}

// company is a shop on the simulated Stripe, whose refunds are counted as they are asked for.
type company struct {
	*demo.Stripe
	t       *testing.T
	url     string
	mu      sync.Mutex
	refunds int
	ids     map[string]string // of subscriptions, by e-mail
	charges map[string]string
}

func newCompany(t *testing.T) *company {
	c := &company{Stripe: demo.NewStripe(11, time.Now()), t: t, ids: map[string]string{}, charges: map[string]string{}}
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.URL.Path == "/v1/refunds" {
			c.mu.Lock()
			c.refunds++
			c.mu.Unlock()
		}
		c.ServeHTTP(w, r)
	}))
	t.Cleanup(api.Close)
	c.url = api.URL
	return c
}

func (c *company) buy(email string) {
	c.t.Helper()
	p, err := c.Buy(demo.BuyOptions{Email: email, Name: email, UserID: "user_" + email})
	c.check(err)
	c.ids[email], c.charges[email] = p.Subscription, p.Charge
}

func (c *company) check(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *company) asked() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.refunds
}

// column is what a query finds in the file, in order.
func (b *bursar) column(query string) (list []string) {
	b.t.Helper()
	file, err := sql.Open("sqlite", "file:"+b.settings["BURSAR_DB"]+"?mode=ro&_pragma=busy_timeout(5000)")
	if err != nil {
		b.t.Fatal(err)
	}
	defer file.Close()
	rows, err := file.QueryContext(b.t.Context(), query)
	if err != nil {
		b.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var value string
		if err := rows.Scan(&value); err != nil {
			b.t.Fatal(err)
		}
		list = append(list, value)
	}
	return list
}

func (b *bursar) settled() bool {
	return len(b.column("SELECT kind FROM jobs WHERE state IN ('available', 'running', 'retryable') AND scheduled_at <= unixepoch('subsec') * 1000 AND kind <> 'follow_connectors'")) == 0
}

// askForRefund is what the page of a customer does.
func (b *bursar) askForRefund(c *company, email string) {
	b.t.Helper()
	d := dbtest.At(b.t, b.settings["BURSAR_DB"])
	ctx := b.t.Context()
	owner, err := d.Read().UserByEmail(ctx, "owner@example.com")
	c.check(err)
	charge := c.charges[email]
	caps, err := money.ParseCaps(money.DefaultCaps)
	c.check(err)
	id, err := strconv.ParseInt(b.column("SELECT customer_id FROM charges WHERE id = '" + charge + "'")[0], 10, 64)
	c.check(err)
	m := &money.Money{DB: d, Caps: caps, Stripe: stripe.NewActions(b.settings["STRIPE_ACTIONS_KEY"], c.url)}
	_, _, err = m.Ask(ctx, money.Request{Kind: money.Refund, Customer: id, Target: charge, Amount: 500, Reason: "asked for", Token: "form " + email,
		User: auth.User{ID: owner.ID, Email: owner.Email, Role: auth.Owner}})
	c.check(err)
	c.check(d.Close())
}
