package alert

import (
	"encoding/json"
	"math/bits"
	"slices"
	"time"

	"bursar/app/db"
)

const (
	every        = time.Minute
	confirmAfter = 45 * time.Second // a second look finds it bad too; less than every, for a clock that is early
	clearAfter   = 10 * time.Minute
	maxFlips     = 6 // openings and ends in a day; with more it comes and goes
	flapWindow   = 24 * time.Hour
)

// reminders are how long after its opening people hear of an alert again; then daily.
var reminders = [...]time.Duration{time.Hour, 4 * time.Hour, 24 * time.Hour}

// The kinds of notices.
const (
	opened   = "opened"
	worse    = "worse"
	still    = "still"
	resolved = "resolved"
	flapping = "flapping"
)

// view is what a rule's next state depends on, besides its row.
type view struct {
	rule  Rule
	m     Measure
	now   time.Time
	quiet bool   // the rule measures ages, and Bursar is catching up
	root  string // the rule that explains this one, "" if none does
	flips int64  // openings and ends within flapWindow, before this look
}

func (v view) level() Level {
	if v.m.Level != 0 {
		return v.m.Level
	}
	return v.rule.Level
}

// next is the state after a look.
func (v view) next(a db.Alert) string {
	lasted := v.now.Sub(a.SinceAt.Time)
	switch v.m.Verdict {
	case Bad:
		switch {
		case a.State == Firing || a.State == Clearing:
			return Firing
		case v.quiet:
			return a.State
		case a.State != Pending:
			return Pending
		case lasted >= confirmAfter:
			return Firing
		}
	case Fine:
		switch {
		case a.State == Firing:
			return Clearing
		case a.State == Clearing && lasted < clearAfter:
			return Clearing
		}
		return OK
	case NotKnown:
		// That nobody knows does not end it.
		if a.State == Firing || a.State == Clearing {
			return Firing
		}
		return Unknown
	}
	return a.State
}

// step takes a row to its next state, and says what people are to be told of it: "" for nothing.
func (v view) step(a db.Alert) (after db.Alert, tell string) {
	after = a
	if after.State = v.next(a); after.State != a.State {
		after.SinceAt = db.At(v.now)
	}
	if a.State == Pending && after.State == Firing {
		after.OpenedAt = a.SinceAt
	}
	flips := v.flips
	if flip(a.State, after.State) {
		flips++
	}
	if flips <= maxFlips {
		after.FlappingAt = db.Time{}
	}
	if after.State == OK && a.State == Clearing {
		if !a.ToldAt.IsZero() && flips <= maxFlips {
			tell = resolved
		}
		after.OpenedAt, after.ToldAt, after.MutedUntilAt, after.MutedBy = db.Time{}, db.Time{}, db.Time{}, ""
		after.Level, after.Size, after.Causes, after.Reminders = 0, 0, "[]", 0
		return after, tell
	}
	if tell = v.tell(after, flips); tell == "" {
		return after, ""
	}
	switch tell {
	case flapping:
		after.FlappingAt = db.At(v.now)
	case opened, still:
		after.Reminders = v.due(after)
	}
	if after.ToldAt.IsZero() {
		after.ToldAt = db.At(v.now)
	}
	after.Level = max(after.Level, int64(v.level()))
	after.Size = max(after.Size, v.size())
	after.Causes = v.merge(after.Causes)
	return after, tell
}

// flip says that an alert opened or ended.
func flip(was, state string) bool {
	return was == Pending && state == Firing || was == Clearing && state == OK
}

// tell is what to say of an open alert.
func (v view) tell(a db.Alert, flips int64) string {
	muted := a.MutedUntilAt.After(v.now)
	if a.State != Firing || v.root != "" {
		return ""
	}
	rose := int64(v.level()) > a.Level && v.m.Verdict == Bad
	switch {
	case flips > maxFlips:
		if !muted && (a.FlappingAt.IsZero() || v.now.Sub(a.FlappingAt.Time) >= flapWindow) {
			return flapping
		}
		return ""
	case a.ToldAt.IsZero() && !muted:
		return opened
	case !a.ToldAt.IsZero() && rose: // what was acknowledged was less than this
		return worse
	case muted || a.ToldAt.IsZero():
		return ""
	case v.m.Verdict == Bad && (v.size() > a.Size || v.fresh(a.Causes)):
		return worse
	case v.due(a) > a.Reminders:
		return still
	}
	return ""
}

// due is how many reminders an alert should have had by now.
func (v view) due(a db.Alert) (n int64) {
	if v.level() == Low {
		return 0
	}
	open := v.now.Sub(a.OpenedAt.Time)
	for _, after := range reminders {
		if open >= after {
			n++
		}
	}
	if last := reminders[len(reminders)-1]; open >= last {
		n += int64((open - last) / (24 * time.Hour))
	}
	return n
}

// size grows by one when the number doubles.
func (v view) size() int64 { return int64(bits.Len64(uint64(max(v.m.Size, 0)))) }

const maxCauses = 20

// fresh says that there is a cause nobody was told of.
func (v view) fresh(told string) bool {
	known := causesOf(told)
	return len(known) < maxCauses && slices.ContainsFunc(v.m.Causes, func(c string) bool { return !slices.Contains(known, c) })
}

func (v view) merge(told string) string {
	known := causesOf(told)
	for _, c := range v.m.Causes {
		if !slices.Contains(known, c) && len(known) < maxCauses {
			known = append(known, c)
		}
	}
	text, _ := json.Marshal(known) // strings only
	return string(text)
}

func causesOf(told string) []string {
	known := []string{}
	json.Unmarshal([]byte(told), &known) // our own writing
	return known
}
