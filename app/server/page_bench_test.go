package server

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"bursar/app/auth"
	"bursar/app/billing"
	"bursar/app/db"
	"bursar/app/support"
)

// BenchmarkPages measures pages over a file of 100,000 customers, 200,000 subscriptions and 1,000,000
// events. The file is kept in the temporary directory for the next run; the first one takes a few minutes.
//
//	go test -run='^$' -bench=Pages -benchtime=200x ./app/server
func BenchmarkPages(b *testing.B) {
	open := benchPages(b)
	for _, page := range []struct {
		name string
		path func(i int) string
	}{
		{"today", func(int) string { return "/admin" }},
		{"customers", func(int) string { return "/admin/customers" }},
		{"customers/search-a-name", func(i int) string {
			return "/admin/customers?q=" + []string{"lovel", "ada+hop", "grace", "Turing+7"}[i%4]
		}},
		{"customers/search-an-address", func(i int) string { return fmt.Sprintf("/admin/customers?q=ada.hopper%d", i) }},
		{"customers/search-in-all", func(int) string { return "/admin/customers?q=example.com" }},
		{"customers/search-nobody", func(int) string { return "/admin/customers?q=no.such.body" }},
		{"customers/search-and-filter", func(int) string { return "/admin/customers?q=example.com&plan=Enterprise&access=pending" }},
		{"customers/search-an-id", func(i int) string { return fmt.Sprintf("/admin/customers?q=cus_%d", i%benchCustomers) }},
		{"customers/two-letters", func(int) string { return "/admin/customers?q=ad" }},
		{"customers/access", func(int) string { return "/admin/customers?access=grace" }},
		{"customers/access-and-plan", func(int) string { return "/admin/customers?access=pending&plan=Enterprise" }},
		{"customers/deep", func(i int) string { return fmt.Sprintf("/admin/customers?before=%d", 50_000-i) }},
		{"customer", func(i int) string { return fmt.Sprintf("/admin/customers/%d", i*7919%benchCustomers+1) }},
		{"customer/busy", func(int) string { return "/admin/customers/1" }},
	} {
		b.Run(page.name, func(b *testing.B) {
			var took []time.Duration
			for i := 0; b.Loop(); i++ {
				start := time.Now()
				open(b, page.path(i))
				took = append(took, time.Since(start))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[(len(took)*95+99)/100-1].Microseconds())/1000, "p95-ms")
		})
	}
}

// benchPages is a server over the big file, asked by its owner.
func benchPages(b *testing.B) func(b *testing.B, path string) {
	ctx := b.Context()
	path, schema := benchFile(b)
	d, err := db.Open(ctx, path, schema)
	must(b, err)
	b.Cleanup(func() { d.Close() })
	s, err := New(Config{DB: d, Billing: &billing.Billing{DB: d}, Desk: support.Builtin{DB: d}, Log: slog.New(slog.DiscardHandler),
		Files: os.DirFS("../.."), Location: time.UTC, URL: "http://localhost"})
	must(b, err)
	var token string
	must(b, d.Tx(ctx, func(q *db.Queries) error {
		user, err := q.UserByEmail(ctx, "owner@example.com")
		if err != nil {
			return err
		}
		token, err = auth.StartSession(ctx, q, user, auth.Origin{})
		return err
	}))
	cookie := s.cookie(sessionCookie, token, 0)
	return func(b *testing.B, path string) {
		r := httptest.NewRequestWithContext(ctx, "GET", path, nil)
		r.AddCookie(cookie)
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			b.Fatalf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

func must(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

const benchCustomers = 100_000

// benchFile is the big file, filled once for each schema.
func benchFile(b *testing.B) (path, schema string) {
	text, err := os.ReadFile("../../schema.sql")
	must(b, err)
	schema = string(text)
	sum := sha256.Sum256([]byte(schema + fmt.Sprint(benchFill)))
	path = filepath.Join(os.TempDir(), fmt.Sprintf("bursar-pages-%x.db", sum[:8]))
	if _, err := os.Stat(path); err == nil {
		return path, schema
	}
	half := path + ".half"
	for _, suffix := range []string{"", "-wal", "-shm"} {
		os.Remove(half + suffix) // of a run that was stopped
	}
	d, err := db.Open(context.Background(), half, schema)
	must(b, err)
	must(b, d.Close())
	conn, err := sql.Open("sqlite", "file:"+half+"?_pragma=synchronous(0)&_pragma=cache_size(-200000)")
	must(b, err)
	conn.SetMaxOpenConns(1)
	now := time.Now().UnixMilli()
	for _, statement := range benchFill {
		if _, err := conn.Exec(statement, sql.Named("now", now)); err != nil {
			b.Fatalf("%s: %v", statement, err)
		}
	}
	must(b, conn.Close())
	must(b, os.Rename(half, path))
	return path, schema
}

// benchFill are the rows: customer i has two subscriptions, ten events over two years, a contact and so on;
// customer 1 has 5,000 events more.
var benchFill = [...]string{
	`CREATE TEMP TABLE n AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000) SELECT i FROM n`,
	`INSERT INTO meta VALUES ('installed_at', CAST(@now - 63072000000 AS TEXT)), ('livemode', 'false')`,
	`INSERT INTO users (email, role, password_hash, created_at) VALUES ('owner@example.com', 'owner', 'none', @now)`,
	`INSERT INTO customers (id, name, email, plan, status, access, access_reason, last_paid_at, last_payment_status, last_payment_amount,
	   last_payment_currency, source, as_of_at, created_at, updated_at, synced_at)
	 SELECT i, json_extract('["Ada","Grace","Alan","Edsger","Barbara","Ken","Radia","Tony","Leslie","Frances"]', '$[' || (i % 10) || ']') || ' ' ||
	   json_extract('["Lovelace","Hopper","Turing","Dijkstra","Liskov","Thompson","Perlman","Hoare","Lamport","Allen"]', '$[' || (i / 10 % 10) || ']') || ' ' || i,
	   json_extract('["ada","grace","alan","edsger","barbara","ken","radia","tony","leslie","frances"]', '$[' || (i % 10) || ']') || '.' ||
	   json_extract('["lovelace","hopper","turing","dijkstra","liskov","thompson","perlman","hoare","lamport","allen"]', '$[' || (i / 10 % 10) || ']') || i || '@example.com',
	   CASE WHEN i % 200 = 0 THEN 'Enterprise' ELSE json_extract('["Starter","Team","Scale"]', '$[' || (i % 3) || ']') END,
	   'active', CASE WHEN i % 4 = 3 THEN 'none' WHEN i % 20 = 2 THEN 'grace' WHEN i % 1000 = 0 THEN 'pending' ELSE 'full' END, 'the subscription is active',
	   @now - i % 1000 * 86400000, 'paid', 4900, 'usd', 'api', @now - i * 1000, @now - (100000 - i) * 600000, @now, @now - i * 1000
	 FROM n WHERE i <= 100000`,
	`INSERT INTO links SELECT 'stripe', 'cus_' || i, i, @now FROM n WHERE i <= 100000`,
	`INSERT INTO links SELECT 'user', 'user-' || i, i, @now FROM n WHERE i <= 100000`,
	`INSERT INTO links SELECT 'crm', i, i, @now FROM n WHERE i <= 100000`,
	`INSERT INTO stripe_customers SELECT 'cus_' || id, id, name, email, 0, 'api', as_of_at, as_of_at, created_at, as_of_at, 0 FROM customers`,
	`INSERT INTO subscriptions SELECT 'sub_' || i, 'cus_' || (i + 1) / 2, (i + 1) / 2, iif(i % 2, 'active', 'canceled'), 'price_1', 'prod_1', 'Team', 1, 4900, 'usd',
	   'month', 1, 0, @now + 86400000, 0, 0, 0, 0, '', 0, @now - i * 1000 FROM n WHERE i <= 200000`,
	`INSERT INTO invoices SELECT 'in_' || i, 'cus_' || (i + 2) / 3, (i + 2) / 3, 'sub_' || i, 'ch_' || i, 'pi_' || i, 'F-' || i, 'paid', 'subscription_cycle', 4900, 4900, 'usd',
	   1, 0, '', 'https://invoice.stripe.com/i/' || i, 0, @now - i * 1000, @now - i * 1000 FROM n WHERE i <= 300000`,
	`INSERT INTO charges SELECT 'ch_' || i, 'cus_' || (i + 2) / 3, (i + 2) / 3, 'in_' || i, 'pi_' || i, 'succeeded', 4900, 0, 'usd', 0, '', '', '', @now - i * 1000 FROM n WHERE i <= 300000`,
	`INSERT INTO checkouts SELECT 'cs_' || i, 'cus_' || i, i, 'user-' || i, 'subscription', 'complete', 'paid', 0, 'sub_' || i * 2, 4900, 'usd',
	   @now - i * 600000, iif(i % 10000 = 7, 0, @now - i * 600000 + i % 5000), @now - i * 600000 FROM n WHERE i <= 100000`,
	`INSERT INTO events (id, type, api_version, livemode, object_type, object_id, customer, source, ignored, created_at, received_at, payload)
	 SELECT 'evt_' || i, json_extract('["customer.subscription.updated","invoice.paid","customer.updated","charge.succeeded"]', '$[' || (i % 4) || ']'), '2023-10-16', 0,
	   'subscription', 'sub_' || i % 200000, 'cus_' || (iif(i % 200 = 0, 1, i % 100000 + 1)), 'webhook', iif(i % 5000 = 0, 'it is of live mode and this file holds test mode', ''),
	   (@now - (1000000 - i) * 63000) / 1000 * 1000, @now - (1000000 - i) * 63000, CAST(printf('{"id":"evt_%d","pad":"%.400c"}', i, 'x') AS BLOB) FROM n`,
	`INSERT INTO timeline (customer_id, text, created_at) SELECT i % 100000 + 1, 'status: trialing → active; plan is Team', @now - i * 300 FROM n WHERE i <= 300000`,
	`INSERT INTO contacts SELECT id, id, name, email, 'customer', plan, iif(id % 50, status, 'trialing'), last_paid_at, created_at, updated_at FROM customers`,
	`INSERT INTO tickets (customer_id, cause, queue, priority, status, subject, created_at, updated_at)
	 SELECT i * 10, 'payment_failed:in_x' || i, 'billing', iif(i % 2, 'urgent', 'normal'), iif(i % 20, 'closed', 'open'), 'Payment failed: Ada', @now - i * 60000, @now FROM n WHERE i <= 10000`,
	`INSERT INTO jobs (kind, key, args, state, max_attempts, created_at, scheduled_at, attempted_at, finalized_at)
	 SELECT iif(i % 2, 'sync_customer', 'sync_contact'), iif(i % 2, 'cus_', '') || (i % 100000 + 1), '{}', 'completed', 15, @now - i * 4000, @now - i * 4000, @now - i * 4000, @now - i * 4000 + 300
	 FROM n WHERE i <= 150000`,
	`INSERT INTO jobs (kind, key, args, state, attempt, max_attempts, errors, created_at, scheduled_at, attempted_at, finalized_at)
	 SELECT 'sync_contact', i, '{}', iif(i % 3, 'discarded', 'retryable'), 15, 15, '[{"at":"2025-01-01T00:00:00Z","attempt":15,"error":"the CRM does not answer"}]',
	   @now - i * 4000, @now + i * 1000, @now, iif(i % 3, @now, 0) FROM n WHERE i <= 3000`,
	`INSERT INTO runs (id, state, stripe_compared, customers, started_at, finished_at) VALUES (1, 'complete', 1, 100000, @now - 3600000, @now - 3000000)`,
	`INSERT INTO findings (run_id, kind, subject, customer_id, expected, actual, repair, job_kind, job_key, state, first_at, last_at)
	 SELECT 1, iif(i % 5, 'contact_differs', 'subscription_differs'), i, i, 'status active', 'status trialing', 'job', 'sync_contact', i, 'open', @now - 3600000, @now - 3600000
	 FROM n WHERE i <= 5000`,
}
