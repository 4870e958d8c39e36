package alert

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"bursar/app/remote"
)

// Heartbeat is a dead-man's switch outside: it raises the alarm when it hears nothing, as a process that died can not
// do itself. The URL and what is appended to it are healthchecks.io's (https://healthchecks.io/docs/signaling_failures/).
type Heartbeat struct {
	URL    string       // a secret
	Client *http.Client // from package remote
}

const (
	workerBehind    = 5 * time.Minute // a worker with no slot free may be busy for a while
	schedulesBehind = 2 * time.Minute
	lookBehind      = 3 * time.Minute
)

// KeepBeating says every minute whether all parts are alive, until ctx ends. Without an address it does nothing.
func (w *Watch) KeepBeating(ctx context.Context) error {
	if w.Heartbeat == nil {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C: // not at once: nothing has begun then
		}
		if err := w.Heartbeat.say(ctx, len(w.Dead()) == 0); err != nil && ctx.Err() == nil {
			w.Log.Warn("heartbeat", "error", err)
		}
	}
}

func (h *Heartbeat) say(ctx context.Context, well bool) error {
	to, err := url.Parse(h.URL)
	if err != nil {
		return fmt.Errorf("BURSAR_HEARTBEAT_URL is not a URL")
	}
	if !well {
		to = to.JoinPath("fail")
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, to.String(), nil)
	if err != nil {
		return fmt.Errorf("BURSAR_HEARTBEAT_URL is not a URL")
	}
	res, err := h.Client.Do(r)
	if err != nil {
		return fmt.Errorf("call the heartbeat: %w", remote.Reason(err))
	}
	defer res.Body.Close()
	io.Copy(io.Discard, io.LimitReader(res.Body, 4<<10))
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("the heartbeat was answered %d", res.StatusCode)
	}
	return nil
}

// Dead are the parts that give no sign of life: worker, schedules, writer or alerts. The reasons are for people.
func (w *Watch) Dead() (reasons []string) {
	now := time.Now()
	if w.Worker != nil && behind(now, w.Worker.Pulse.At(), workerBehind) {
		reasons = append(reasons, "the worker does not look for jobs")
	}
	if w.Schedules != nil && behind(now, w.Schedules.At(), schedulesBehind) {
		reasons = append(reasons, "the schedules do not tick")
	}
	w.mu.Lock()
	at := w.alive
	w.mu.Unlock()
	if behind(now, at, lookBehind) {
		reasons = append(reasons, "nothing was stored or looked at for "+spell(now.Sub(at)))
	}
	return reasons
}

// behind takes what has not begun for alive: it begins a moment after the process.
func behind(now, at time.Time, most time.Duration) bool { return !at.IsZero() && now.Sub(at) > most }
