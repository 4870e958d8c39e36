package server

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v76/webhook"

	"bursar/app/billing"
	"bursar/app/db"
	"bursar/app/db/dbtest"
	"bursar/app/stripe"
	"bursar/app/support"
)

const benchSecret = "whsec_bench_0123456789abcdef"

// BenchmarkDoor measures durable acknowledgements of the webhook door over loopback HTTP beside what it
// is made of: the same door with nothing stored, with one transaction for each request, and the bare commits
// without HTTP. The load generator runs on the same machine, so compare ratios of one run:
//
//	go test -run='^$' -bench=Door -benchtime=20000x ./app/server
func BenchmarkDoor(b *testing.B) {
	for _, conns := range []int{1, 64, 256} {
		b.Run(fmt.Sprintf("conns=%d", conns), func(b *testing.B) {
			b.Run("door", func(b *testing.B) { overHTTP(b, conns, benchServer(b).Handler()) })
			b.Run("without-database", func(b *testing.B) {
				overHTTP(b, conns, otherDoor(b, func(context.Context, stripe.Event) error { return nil }))
			})
			b.Run("one-transaction-per-request", func(b *testing.B) { overHTTP(b, conns, otherDoor(b, plainTransactions(b))) })
			b.Run("bare-group-commits", func(b *testing.B) {
				bill := benchServer(b).Billing
				var n atomic.Int64
				atOnce(b, conns, func() func() error {
					return func() error {
						e, err := stripe.DecodeEvent(benchEvent(n.Add(1)))
						if err == nil {
							_, err = bill.Receive(context.Background(), e, billing.Webhook)
						}
						return err
					}
				})
			})
		})
	}
}

func benchServer(b *testing.B) *Server {
	b.Helper()
	d := dbtest.New(b)
	s, err := New(Config{DB: d, Billing: &billing.Billing{DB: d}, Desk: support.Builtin{DB: d}, Secrets: []string{benchSecret}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// otherDoor is the door, middleware and all, with another way to store events.
func otherDoor(b *testing.B, store func(context.Context, stripe.Event) error) http.Handler {
	s := benchServer(b)
	mux, err := s.newMux([]Route{{"POST", "/api/webhooks/stripe", Signed, func(w http.ResponseWriter, r *http.Request) error {
		body := s.borrow()
		defer s.giveBack(body)
		if err := readEvent(w, r, body); err != nil {
			return err
		}
		e, err := stripe.ParseEvent(body.Bytes(), r.Header.Get("Stripe-Signature"), s.Secrets, time.Now())
		if err == nil {
			err = store(r.Context(), e)
		}
		if err != nil {
			return err
		}
		s.metrics.webhooks.WithLabelValues(stored).Inc()
		s.Tally.Delivery(stored)
		_, err = io.WriteString(w, "ok\n")
		return err
	}}})
	if err != nil {
		b.Fatal(err)
	}
	s.mux = mux
	return s.Handler()
}

// plainTransactions is how one would write it first: a transaction with its own fsync for each request.
func plainTransactions(b *testing.B) func(context.Context, stripe.Event) error {
	path := dbtest.New(b).Path()
	conn, err := sql.Open("sqlite", "file:"+path+"?_txlock=immediate&_pragma=busy_timeout(5000)&_pragma=synchronous(FULL)")
	if err != nil {
		b.Fatal(err)
	}
	conn.SetMaxOpenConns(1)
	b.Cleanup(func() { conn.Close() })
	return func(ctx context.Context, e stripe.Event) error {
		tx, err := conn.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		q := db.New(tx)
		_, err = q.InsertEvent(ctx, db.InsertEventParams{ID: e.ID, Type: e.Type, Customer: e.Customer, Source: "webhook", CreatedAt: db.Now(), ReceivedAt: db.Now(), Payload: e.Payload})
		if err != nil {
			return err
		}
		if _, err = q.InsertJob(ctx, db.InsertJobParams{Kind: "sync_customer", Key: e.Customer, Args: "{}", MaxAttempts: 15, Now: db.Now(), ScheduledAt: db.Now()}); err != nil {
			return err
		}
		return tx.Commit()
	}
}

// benchEvent is an event of some 3 kB, the size of a real subscription update.
func benchEvent(n int64) []byte {
	return fmt.Appendf(nil, `{"id":"evt_bench_%d","object":"event","api_version":"2023-10-16","created":%d,"livemode":false,"type":"customer.subscription.updated","data":{"object":{"id":"sub_%d","object":"subscription","customer":"cus_%d","status":"active","description":"%s"}}}`,
		n, time.Now().Unix(), n, n%5000, strings.Repeat("a line of a subscription ", 115))
}

func overHTTP(b *testing.B, conns int, h http.Handler) {
	server := httptest.NewServer(h)
	defer server.Close()
	requests := make([][]byte, b.N)
	for i := range requests {
		body := benchEvent(int64(i))
		signed := webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{Payload: body, Secret: benchSecret, Timestamp: time.Now()})
		requests[i] = fmt.Appendf(nil, "POST /api/webhooks/stripe HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nStripe-Signature: %s\r\nContent-Length: %d\r\n\r\n%s", signed.Header, len(body), body)
	}
	var next atomic.Int64
	atOnce(b, conns, func() func() error {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { conn.Close() })
		answers := bufio.NewReader(conn)
		return func() error {
			if _, err := conn.Write(requests[next.Add(1)-1]); err != nil {
				return err
			}
			answer, err := http.ReadResponse(answers, nil)
			if err != nil {
				return err
			}
			defer answer.Body.Close()
			if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != http.StatusOK {
				return fmt.Errorf("status %d, %w", answer.StatusCode, err)
			}
			return nil
		}
	})
}

// atOnce does b.N things in so many goroutines and reports rate and latencies.
func atOnce(b *testing.B, goroutines int, prepare func() func() error) {
	var left atomic.Int64
	left.Store(int64(b.N))
	took := make([][]time.Duration, goroutines)
	var wg sync.WaitGroup
	do := make([]func() error, goroutines)
	for g := range do {
		do[g] = prepare()
	}
	b.ResetTimer()
	start := time.Now()
	for g := range goroutines {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				began := time.Now()
				if err := do[g](); err != nil {
					b.Error(err)
					return
				}
				took[g] = append(took[g], time.Since(began))
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	all := slices.Sorted(slices.Values(slices.Concat(took...)))
	b.ReportMetric(float64(len(all))/time.Since(start).Seconds(), "acks/s")
	b.ReportMetric(0, "ns/op")
	for _, p := range []int{50, 95, 99} {
		b.ReportMetric(float64(all[min(len(all)*p/100, len(all)-1)].Microseconds())/1000, fmt.Sprintf("p%d-ms", p))
	}
}
