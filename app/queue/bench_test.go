package queue_test

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"bursar/app/db"
	"bursar/app/queue"
)

func BenchmarkInsert(b *testing.B) {
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprintf("%d callers", callers), func(b *testing.B) {
			d := newDB(b)
			var n atomic.Int64
			b.SetParallelism(max(callers/runtime.GOMAXPROCS(0), 1))
			if callers == 1 {
				for b.Loop() {
					insert(b, d, push{Contact: fmt.Sprint(n.Add(1))})
				}
			} else {
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						insert(b, d, push{Contact: fmt.Sprint(n.Add(1))})
					}
				})
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
		})
	}
}

func BenchmarkDrain(b *testing.B) {
	const backlog = 10_000
	for _, row := range []struct {
		name string
		held int // jobs in front, of a system that is left alone
	}{{"10,000 jobs", 0}, {"10,000 jobs behind as many that are held", backlog}} {
		b.Run(row.name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				d := newDB(b)
				done := make(chan struct{}, backlog)
				w := queue.NewWorker(d, slog.New(slog.DiscardHandler))
				queue.Handle(w, queue.Options{System: "crm"}, func(context.Context, push) error { return nil })
				queue.Handle(w, queue.Options{}, func(context.Context, ticket) error { done <- struct{}{}; return nil })
				fill(b, d, row.held, func(i int) queue.Args { return push{Contact: fmt.Sprint(i)} })
				fill(b, d, backlog, func(i int) queue.Args { return ticket{fmt.Sprint(i)} })
				tx(b, d, func(q *db.Queries) error {
					return q.SaveCircuit(b.Context(), db.SaveCircuitParams{System: "crm", UntilAt: db.At(time.Now().Add(time.Hour))})
				})
				ctx, stop := context.WithCancel(b.Context())
				ended := make(chan error, 1)
				b.StartTimer()
				go func() { ended <- w.Run(ctx) }()
				for range backlog {
					<-done
				}
				stop()
				if err := <-ended; err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(backlog*b.N)/b.Elapsed().Seconds(), "jobs/s")
		})
	}
}

func fill(b *testing.B, d *db.DB, n int, args func(i int) queue.Args) {
	list := make([]queue.Args, n)
	for i := range list {
		list[i] = args(i)
	}
	insert(b, d, list...)
}
