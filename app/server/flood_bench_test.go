package server

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v76/webhook"
)

const (
	floodRate  = 2000 // forged requests a second
	floodTime  = time.Minute
	floodConns = 64
)

// BenchmarkFlood sends forged events for a minute, and signed ones beside them: first only forged ones, which must leave the file
// as it is, byte for byte; then both, to see how long the signed ones take. The load comes from the same machine:
//
//	make flood
func BenchmarkFlood(b *testing.B) {
	s := benchServer(b)
	d := s.DB
	ts := httptest.NewServer(s.Handler())
	defer ts.Close()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2 * floodConns}}
	defer client.CloseIdleConnections()
	for b.Loop() {
		before := fileBytes(b, d.Path())
		ctx, stop := context.WithTimeout(b.Context(), floodTime/6)
		forged := flood(ctx, client, ts.URL)
		stop()
		if after := fileBytes(b, d.Path()); !bytes.Equal(before, after) {
			b.Errorf("%d forged events changed the file", forged)
		}
		ctx, stop = context.WithTimeout(b.Context(), floodTime)
		var forger sync.WaitGroup
		forger.Go(func() { forged = flood(ctx, client, ts.URL) })
		took := deliverSigned(ctx, b, client, ts.URL)
		stop()
		forger.Wait()
		slices.Sort(took)
		b.ReportMetric(float64(forged)/floodTime.Seconds(), "forged/s")
		b.ReportMetric(float64(len(took)), "signed")
		b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
		b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95-ms")
		b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "max-ms")
		if p95 := took[len(took)*95/100]; p95 > 300*time.Millisecond {
			b.Errorf("95 of 100 signed events take up to %s", p95)
		}
	}
}

func fileBytes(b *testing.B, path string) []byte {
	var all []byte
	for _, file := range []string{path, path + "-wal"} {
		text, err := os.ReadFile(file)
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, text...)
	}
	return all
}

// flood sends forged events until ctx ends, and says how many were refused.
func flood(ctx context.Context, client *http.Client, url string) int64 {
	var refused atomic.Int64
	var forgers sync.WaitGroup
	for range floodConns {
		forgers.Go(func() {
			tick := time.NewTicker(time.Second * floodConns / floodRate)
			defer tick.Stop()
			for ctx.Err() == nil {
				<-tick.C
				if deliver(ctx, client, url, benchEvent(1), "t=1,v1="+strings.Repeat("0", 64)) == http.StatusBadRequest {
					refused.Add(1)
				}
			}
		})
	}
	forgers.Wait()
	return refused.Load()
}

// deliverSigned sends 20 signed events a second, and says how long each took to be acknowledged.
func deliverSigned(ctx context.Context, b *testing.B, client *http.Client, url string) (took []time.Duration) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for n := int64(1000); ctx.Err() == nil; n++ {
		<-tick.C
		body := benchEvent(n)
		header := webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{Payload: body, Secret: benchSecret}).Header
		start := time.Now()
		if status := deliver(context.WithoutCancel(ctx), client, url, body, header); status != http.StatusOK {
			b.Errorf("a signed event is answered %d", status)
		}
		took = append(took, time.Since(start))
	}
	return took
}

func deliver(ctx context.Context, client *http.Client, url string, body []byte, signature string) int {
	r, err := http.NewRequestWithContext(ctx, "POST", url+"/api/webhooks/stripe", bytes.NewReader(body))
	if err != nil {
		return 0
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Stripe-Signature", signature)
	res, err := client.Do(r)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	io.Copy(io.Discard, res.Body)
	return res.StatusCode
}
