package server

import (
	"fmt"
	"html/template"
	"time"

	"bursar/app/db"
)

// timeOf takes a time from a template.
func timeOf(v any) time.Time {
	switch t := v.(type) {
	case time.Time:
		return t
	case db.Time:
		return t.Time
	}
	return time.Time{}
}

// agoHTML is a <time> in words. The script keeps it fresh with the same words.
func agoHTML(v any, now time.Time, zone *time.Location) template.HTML {
	t := timeOf(v)
	if t.IsZero() {
		return `<span class="quiet">never</span>`
	}
	return template.HTML(fmt.Sprintf(`<time datetime="%s" title="%s" data-relative>%s</time>`,
		t.UTC().Format(time.RFC3339), t.In(zone).Format("Mon 2 Jan 2006 15:04:05 MST"), ago(t, now)))
}

// ago says how far a time is from now.
func ago(t, now time.Time) string {
	d := now.Sub(t)
	future := d < 0
	d = d.Abs()
	if d < 45*time.Second {
		if future && d > 5*time.Second {
			return "in a moment"
		}
		return "just now"
	}
	n, unit := int(d.Round(time.Minute)/time.Minute), "minute"
	switch {
	case d >= 24*time.Hour:
		n, unit = int(d.Round(24*time.Hour)/(24*time.Hour)), "day"
	case d >= time.Hour:
		n, unit = int(d.Round(time.Hour)/time.Hour), "hour"
	}
	n = max(n, 1)
	if n == 1 && unit == "day" {
		if future {
			return "tomorrow"
		}
		return "yesterday"
	}
	if n > 1 {
		unit += "s"
	}
	if future {
		return fmt.Sprintf("in %d %s", n, unit)
	}
	return fmt.Sprintf("%d %s ago", n, unit)
}

// clock is an exact time in the company's zone.
func clock(v any, zone *time.Location) string {
	t := timeOf(v)
	if t.IsZero() {
		return "never"
	}
	return t.In(zone).Format("2 Jan 2006 15:04:05")
}

// tone is the colour of a state's badge: good, warn, bad or "".
func tone(state string) string {
	switch state {
	case "active", "full", "paid", "completed", "complete", "sent", "closed", "done", "fixed", "won", "succeeded", "customer", "ok":
		return "good"
	case "trialing", "grace", "pending", "past_due", "retryable", "incomplete", "waiting", "paused", "unpaid", "partially_refunded", "refunded", "trial", "running", "attention":
		return "warn"
	case "failed", "discarded", "disputed", "urgent", "denied", "lost":
		return "bad"
	}
	return ""
}
