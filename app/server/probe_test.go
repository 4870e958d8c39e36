package server

import (
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"bursar/app/alert"
	"bursar/app/db"
	"bursar/app/demo"
)

func (f *fixture) address() net.Addr {
	f.t.Helper()
	a, err := net.ResolveTCPAddr("tcp", strings.TrimPrefix(f.url, "http://"))
	check(f.t, err)
	return a
}

// counted are the deliveries of the last quarter of an hour as the alerts see them, and the answers of a class.
func (f *fixture) counted(class string) (deliveries map[string]int64, answers int64) {
	f.t.Helper()
	check(f.t, f.Tally.Flush(f.t.Context(), f.DB))
	rows, err := f.DB.Read().CountDeliveries(f.t.Context(), db.At(time.Now().Add(-15*time.Minute)))
	check(f.t, err)
	deliveries = map[string]int64{}
	for _, r := range rows {
		deliveries[r.Outcome] = r.N
	}
	buckets, err := f.DB.Read().LatencyBuckets(f.t.Context(), class, db.At(time.Now().Add(-15*time.Minute)))
	check(f.t, err)
	for _, b := range buckets {
		answers += b.N
	}
	return deliveries, answers
}

func TestTheProbeGoesThroughTheDoorAndLeavesNothing(t *testing.T) {
	t.Parallel()
	f := start(t, secret)
	check(t, f.Probe(t.Context(), f.address()))
	if events, jobs := f.rows(); events != 0 || jobs != 0 {
		t.Errorf("%d events and %d jobs", events, jobs)
	}
	if d, n := f.counted(alert.ClassWebhook); len(d) != 0 || n != 0 {
		t.Errorf("it was counted: %v, %d answers", d, n)
	}
	if got := f.outcomes(); got[probed] != 1 || len(got) != 1 {
		t.Errorf("the counters are %v", got)
	}
	check(t, os.Rename(f.DB.Path(), f.DB.Path()+".away"))
	if err := f.Probe(t.Context(), f.address()); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("without the file: %v", err)
	}
	check(t, os.Rename(f.DB.Path()+".away", f.DB.Path()))
	if err := f.Probe(t.Context(), &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}); err == nil {
		t.Error("nobody listens, and the probe came through")
	}
}

func TestAProbeNeedsASignature(t *testing.T) {
	t.Parallel()
	f := start(t, secret)
	body := strings.Replace(event("evt_1"), "customer.updated", probeType, 1)
	if res, _ := f.deliver(body, sign(body, "whsec_else")); res.StatusCode != 400 {
		t.Errorf("forged: %d", res.StatusCode)
	}
	if got := f.outcomes(); got[badSignature] != 1 {
		t.Errorf("the counters are %v", got)
	}
}

func TestWhatComesToTheDoorIsCounted(t *testing.T) {
	t.Parallel()
	f := start(t, secret)
	body := event("evt_1")
	f.deliver(body, sign(body, secret))
	f.deliver(body, sign(body, secret))
	f.deliver(body, sign(body, "whsec_else"))
	f.deliver(body, demo.Sign([]byte(body), time.Now().Add(-2*time.Hour), secret))
	if ahead, _ := f.Tally.Skew(); ahead.Abs() > time.Minute {
		t.Errorf("one old signature makes the clock wrong by %v", ahead)
	}
	check(t, os.Rename(f.DB.Path(), f.DB.Path()+".away"))
	lost := event("evt_2")
	f.deliver(lost, sign(lost, secret))
	check(t, os.Rename(f.DB.Path()+".away", f.DB.Path()))
	d, n := f.counted(alert.ClassWebhook)
	if d[stored] != 1 || d[duplicate] != 1 || d[badSignature] != 1 || d[badTimestamp] != 1 || d[unavailable] != 1 || n != 5 {
		t.Errorf("counted %v, %d answers", d, n)
	}
	failed, err := f.DB.Read().UnhealedDeliveries(t.Context(), db.At(time.Now().Add(-time.Minute)))
	check(t, err)
	if len(failed) != 1 || failed[0].EventID != "evt_2" || failed[0].Type != "customer.updated" {
		t.Errorf("failed: %+v", failed)
	}
	f.deliver(lost, sign(lost, secret))
	if failed, err = f.DB.Read().UnhealedDeliveries(t.Context(), db.At(time.Now().Add(-time.Minute))); err != nil || len(failed) != 0 {
		t.Errorf("healed by the next try: %+v, %v", failed, err)
	}
}
