package reconcile_test

import (
	"runtime"
	"testing"
	"time"

	"bursar/app/reconcile"
)

// BenchmarkReconcile10k is a run over ten thousand customers, with Stripe and without. The simulation is
// in the same process: part of the heap is its.
func BenchmarkReconcile10k(b *testing.B) {
	c := newCompany(b, hourAgo())
	_, err := c.Populate(10_000)
	check(b, err)
	c.adopt()
	client := c.Reconciler.Stripe
	for _, row := range []struct {
		name   string
		stripe bool
	}{{"stripe", true}, {"here", false}} {
		b.Run(row.name, func(b *testing.B) {
			c.Reconciler.Stripe = nil
			if row.stripe {
				c.Reconciler.Stripe = client
			}
			calls := c.calls()
			peak := heapPeak()
			for b.Loop() {
				run := c.compare(reconcile.Reconcile{})
				if run.State != "complete" || run.Customers != 10_000 || len(c.open()) != 0 {
					b.Fatalf("a %s run over %d customers: %s %v", run.State, run.Customers, run.Error, c.open())
				}
			}
			b.ReportMetric(peak(), "MB-heap-growth")
			b.ReportMetric(float64(c.calls()-calls)/float64(b.N), "stripe-calls/op")
		})
	}
}

func (c *company) calls() (n int) {
	for _, route := range c.Calls() {
		n += route
	}
	return n
}

// heapPeak watches the heap until the function it returns is called, which says by how much it grew.
func heapPeak() func() float64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	before := m.HeapAlloc
	done, peak := make(chan struct{}), make(chan uint64)
	go func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		most := before
		for {
			select {
			case <-tick.C:
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapAlloc)
			case <-done:
				peak <- most
				return
			}
		}
	}()
	return func() float64 {
		close(done)
		return float64(<-peak-before) / 1e6
	}
}
