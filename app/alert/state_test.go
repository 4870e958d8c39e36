package alert

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"bursar/app/db"
)

// play runs one rule through scripted measurements, one a minute, and gives what people are told with the time
// since the beginning. A script is a list of parts like "bad 3m", "fine 2h", "unknown 5m"; "bad*2" is twice the
// number, "critical" a higher level, "hidden" bad with a cause elsewhere, and "mute 4h" acknowledges for that long.
func play(t *testing.T, level Level, script string) []string {
	t.Helper()
	begin := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	now := begin
	a := db.Alert{Key: "x", State: Unknown, Version: 1, SinceAt: db.At(now), Causes: "[]"}
	var flips []time.Time
	var said []string
	for part := range strings.SplitSeq(script, ", ") {
		what, length, _ := strings.Cut(part, " ")
		for_, err := time.ParseDuration(length)
		check(t, err)
		if what == "mute" {
			a.MutedUntilAt, a.MutedBy = db.At(now.Add(for_)), "ada@example.com"
			continue
		}
		for end := now.Add(for_); now.Before(end); now = now.Add(time.Minute) {
			v := view{rule: Rule{Key: "x", Level: level}, m: Measure{Verdict: Bad, Size: 1, Causes: []string{"a"}}, now: now}
			switch what {
			case "fine":
				v.m = Measure{Verdict: Fine}
			case "unknown":
				v.m = Measure{}
			case "bad*2":
				v.m.Size = 2
			case "bad*3":
				v.m.Size = 3
			case "another":
				v.m.Causes = []string{"b"}
			case "critical":
				v.m.Level = Critical
			case "hidden":
				v.root = "root"
			case "quiet":
				v.quiet = true
			case "bad":
			default:
				t.Fatalf("what is %q", what)
			}
			for _, at := range flips {
				if now.Sub(at) < flapWindow {
					v.flips++
				}
			}
			after, tell := v.step(a)
			if flip(a.State, after.State) {
				flips = append(flips, now)
			}
			a = after
			if tell != "" {
				said = append(said, fmt.Sprintf("%s %s", tell, now.Sub(begin)))
			}
		}
	}
	return said
}

func TestWhatPeopleAreTold(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, script string
		level        Level
		want         []string
	}{
		{"nothing of what is fine", "fine 72h", High, nil},
		{"nothing of what nobody knows", "unknown 72h", High, nil},
		{"nothing of what is bad once", "fine 5m, bad 1m, fine 1h", High, nil},
		{"bad twice: it opens", "fine 5m, bad 3m", High, []string{"opened 6m0s"}},
		{"then after an hour, 4 hours, a day, and daily", "bad 100h", High,
			[]string{"opened 1m0s", "still 1h0m0s", "still 4h0m0s", "still 24h0m0s", "still 48h0m0s", "still 72h0m0s", "still 96h0m0s"}},
		{"low ones once", "bad 100h", Low, []string{"opened 1m0s"}},
		{"over after ten clean minutes, told once", "bad 5m, fine 2h", High, []string{"opened 1m0s", "resolved 15m0s"}},
		{"bad again within ten minutes is the same trouble", "bad 5m, fine 9m, bad 5m, fine 2h", High, []string{"opened 1m0s", "resolved 29m0s"}},
		{"that nobody knows does not end it", "bad 5m, unknown 3h", High, []string{"opened 1m0s", "still 1h0m0s"}},
		{"not even while it clears", "bad 5m, fine 5m, unknown 5m, fine 20m", High, []string{"opened 1m0s", "resolved 25m0s"}},
		{"known again and bad", "unknown 5m, bad 2m", High, []string{"opened 6m0s"}},
		{"twice as many are worse", "bad 5m, bad*2 5m, bad*3 5m, bad 5m", High, []string{"opened 1m0s", "worse 5m0s"}},
		{"another cause is worse, once", "bad 5m, another 5m, bad 5m, another 5m", High, []string{"opened 1m0s", "worse 5m0s"}},
		{"a higher level is worse", "bad 5m, critical 5m, bad 5m, critical 5m", High, []string{"opened 1m0s", "worse 5m0s"}},
		{"acknowledged: silent until then", "bad 5m, mute 5h, bad 8h", High, []string{"opened 1m0s", "still 5h5m0s"}},
		{"acknowledged, and over", "bad 5m, mute 5h, bad 5m, fine 30m", High, []string{"opened 1m0s", "resolved 20m0s"}},
		{"acknowledged, and more of it", "bad 5m, mute 5h, bad*2 30m", High, []string{"opened 1m0s"}},
		{"acknowledged, and critical", "bad 5m, mute 5h, critical 30m", High, []string{"opened 1m0s", "worse 5m0s"}},
		{"what is acknowledged opens anew", "bad 5m, mute 100h, bad 5m, fine 30m, bad 5m", High, []string{"opened 1m0s", "resolved 20m0s", "opened 41m0s"}},
		{"explained by another: hidden until that is over", "hidden 3h, bad 5m", High, []string{"opened 3h0m0s"}},
		{"explained by another to its end", "hidden 3h, fine 30m", High, nil},
		{"catching up: not opened", "quiet 15m, fine 5m", High, nil},
		{"catching up, and still bad afterwards", "quiet 15m, bad 5m", High, []string{"opened 16m0s"}},
		{"coming and going: three times told, then once a day", strings.TrimSuffix(strings.Repeat("bad 2m, fine 12m, ", 130), ", "), High,
			[]string{"opened 1m0s", "resolved 12m0s", "opened 15m0s", "resolved 26m0s", "opened 29m0s", "resolved 40m0s", "flapping 43m0s", "flapping 24h45m0s"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if got := play(t, row.level, row.script); !slices.Equal(got, row.want) {
				t.Errorf("told\n%q, want\n%q", got, row.want)
			}
		})
	}
}
