package reconcile_test

import (
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"bursar/app/demo/crowd"
	"bursar/app/reconcile"
	"bursar/app/stripe"
)

// BenchmarkReconcile is a whole four-way run over many customers who agree. Stripe is a process of its own that
// makes up its lists, so that the processor time and the memory are Bursar's alone.
func BenchmarkReconcile(b *testing.B) {
	for _, n := range []int{1000, 10_000, 100_000, 1_000_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			if n > 100_000 && os.Getenv("BURSAR_BENCH_LONG") == "" {
				b.Skip("BURSAR_BENCH_LONG is not set")
			}
			began := time.Now().Add(-20 * 24 * time.Hour).Truncate(time.Second)
			c := newCompany(b, began)
			check(b, crowd.Fill(b.Context(), c.sql, n, began))
			standIn, err := crowd.Start(b.Context(), n, began)
			check(b, err)
			defer standIn.Stop()
			client := stripe.New("sk_test_1", standIn.URL)
			client.Pace(1000) // Stripe allows 25; the calls are counted
			c.Reconciler.Stripe = client
			debug.FreeOSMemory()
			check(b, os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)) // the peak counts from here
			run := func() {
				c.insert(reconcile.Reconcile{})
				check(b, c.Worker.WorkOff(b.Context()))
				run, err := c.DB.Read().LastRun(b.Context())
				check(b, err)
				if run.State != "complete" || run.Customers != int64(n) || run.Contacts != int64(n) || len(c.open()) != 0 {
					b.Fatalf("a %s run over %d customers and %d contacts: %s %.300s", run.State, run.Customers, run.Contacts, run.Error, c.firstFinding())
				}
			}
			cpu := ownCPU()
			run() // the first looks back five weeks at all payments; with many customers the nights after look at the new ones
			first, calls := ownCPU()-cpu, callsOf(b, standIn)
			cpu = ownCPU()
			for b.Loop() {
				run()
			}
			b.ReportMetric((ownCPU()-cpu)/float64(b.N), "cpu-s/op")
			b.ReportMetric(first, "first-cpu-s")
			b.ReportMetric(float64(calls), "first-calls")
			b.ReportMetric(peakRSS(b), "MB-peak")
			b.ReportMetric(float64(callsOf(b, standIn)-calls)/float64(b.N), "stripe-calls/op")
		})
	}
}

// TestStandIn is the process of crowd.Start; as a test it does nothing.
func TestStandIn(t *testing.T) {
	if is, err := crowd.Serve(); is {
		t.Fatal(err)
	}
	t.Skip("not a stand-in")
}

// ownCPU is the processor time of this process in seconds.
func ownCPU() float64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// peakRSS is the most memory this process had since its peak was reset, in MB.
func peakRSS(b *testing.B) float64 {
	status, err := os.ReadFile("/proc/self/status")
	check(b, err)
	for line := range strings.SplitSeq(string(status), "\n") {
		if kb, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, err := strconv.ParseFloat(strings.Fields(kb)[0], 64)
			check(b, err)
			return n / 1024
		}
	}
	return 0
}

func callsOf(b *testing.B, s *crowd.StandIn) int {
	n, err := s.Calls()
	check(b, err)
	return n
}

// firstFinding is one of those that are open, in words.
func (c *company) firstFinding() string {
	rows, err := c.DB.Read().OpenFindings(c.t.Context())
	check(c.t, err)
	for _, f := range rows {
		return fmt.Sprintf("%d open; %s %s: expected %s, found %s", len(rows), f.Kind, f.Subject, f.Expected, f.Actual)
	}
	return ""
}
