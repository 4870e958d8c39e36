// Package alert watches whether Bursar does what it promises, and tells people when it does not: by mail, in
// Slack, on the pages, and to a dead-man's switch outside.
//
// Every rule says how it is measured and in what state it is: ok, pending (seen bad once), firing, clearing
// (good again, for less than ten minutes) or unknown. What cannot be measured is unknown, and never ok.
package alert

import (
	"context"
	"slices"
	"time"

	"bursar/app/db"
)

// The states of a rule.
const (
	OK       = "ok"
	Pending  = "pending"
	Firing   = "firing"
	Clearing = "clearing"
	Unknown  = "unknown"
)

// Level is how bad it is.
type Level int

// The levels. Low is told once, by mail; the others are told in Slack too, and again until it ends.
const (
	Low Level = iota + 1
	High
	Critical
)

func (l Level) String() string {
	switch l {
	case Low:
		return "low"
	case High:
		return "high"
	case Critical:
		return "critical"
	}
	return ""
}

// Rule is one thing that is watched.
type Rule struct {
	Key   string
	Name  string // what is watched, in a few words
	Title string // what is wrong when it fires, in a few words and without a name
	Level Level
	What  string   // what is measured, in a sentence
	Limit string   // beyond which it fires, with its unit
	Step  string   // what to do first
	Link  string   // the page to do it on, below the public address
	Age   bool     // it measures how long something waits: quiet while Bursar catches up
	Roots []string // rules that explain this one when they fire

	measure func(ctx context.Context, l *look) (Measure, error)
}

// Verdict is what a measurement means.
type Verdict int

// The verdicts. The zero value is that nobody knows.
const (
	NotKnown Verdict = iota
	Fine
	Bad
)

// Measure is what a rule measured.
type Measure struct {
	Verdict Verdict
	Value   string   // the figures in words, like "3 of 120 deliveries (2.5 %)": no names
	Cause   string   // which, and why, as far as it is known; it may quote other systems
	Level   Level    // 0: the rule's
	Size    int64    // how many; people are told again when it doubles, 0: never
	Causes  []string // kinds of trouble; people are told again of a new one
	Number  float64  // the figure, for the metrics
}

// notKnown is a measurement that could not be made.
func notKnown(why string) Measure { return Measure{Value: why} }

// look is one evaluation: what the measurements have in common.
type look struct {
	*Watch
	q   *db.Queries
	now time.Time
}

func (l *look) ago(d time.Duration) db.Time { return db.At(l.now.Add(-d)) }

// Rules are all rules, those that explain others first.
func Rules() []Rule {
	return slices.Concat(ownRules(), connectorRules(), webhookRules(), customerRules(), latencyRules(), houseRules())
}

// ruleOf is the rule of a key. One of another version of Bursar has its bare key.
func ruleOf(key string) Rule {
	rules := Rules()
	if n := slices.IndexFunc(rules, func(r Rule) bool { return r.Key == key }); n >= 0 {
		return rules[n]
	}
	return Rule{Key: key, Name: key, Title: key, Level: High, Link: "/admin/alerts"}
}
