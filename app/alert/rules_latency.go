package alert

import (
	"context"
	"fmt"
	"time"
)

const minAnswers = 50 // with fewer, one slow answer decides

// latencyRules are one for each class of answers that has a limit.
func latencyRules() (rules []Rule) {
	for _, c := range []struct {
		class, name, title string
		level              Level
		limit              int64
	}{
		{ClassWebhook, "Time to answer webhooks", "Webhooks are answered slowly", High, 300},
		{ClassAdmin, "Time to show pages", "Pages are slow", Low, 500},
		{ClassAction, "Time to answer buttons", "Buttons are slow", Low, 500},
	} {
		rules = append(rules, Rule{Key: "latency_" + c.class, Name: c.name, Title: c.title, Level: c.level, Link: "/admin/alerts/latency_" + c.class, Roots: []string{database},
			What:  "What 95 % of the answers took at most, in 15 minutes. Sign-in and exports are slow on purpose, and do not count.",
			Limit: fmt.Sprintf("%d ms, of at least %d answers", c.limit, minAnswers), Step: "Look at the log for slow routes, and at the machine's disk and processor.",
			measure: func(ctx context.Context, l *look) (Measure, error) { return measureLatency(ctx, l, c.class, c.limit) }})
	}
	return rules
}

func measureLatency(ctx context.Context, l *look, class string, limit int64) (Measure, error) {
	rows, err := l.q.LatencyBuckets(ctx, class, l.ago(15*time.Minute))
	if err != nil {
		return Measure{}, err
	}
	var n, sum int64
	for _, r := range rows {
		n += r.N
	}
	if n < minAnswers {
		return notKnown(fmt.Sprintf("too few answers to say: %d of %d", n, minAnswers)), nil
	}
	for _, r := range rows {
		if sum += r.N; sum*100 < n*95 {
			continue
		}
		m := Measure{Verdict: Fine, Value: fmt.Sprintf("≤ %d ms for 95 %% of %d answers", r.LeMs, n), Number: float64(r.LeMs) / 1000}
		if r.LeMs < 0 {
			most := buckets[len(buckets)-1]
			m.Value, m.Number = fmt.Sprintf("> %d ms for 5 %% of %d answers", most, n), float64(most)/1000
		}
		if r.LeMs < 0 || r.LeMs > limit {
			m.Verdict = Bad
		}
		return m, nil
	}
	return notKnown("nothing was counted"), nil
}
