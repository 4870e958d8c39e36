package alert

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	activationLimit = 2 * time.Minute // from Stripe's clock to access
	purchaseWindow  = 7 * 24 * time.Hour
	maxDuplicates   = 3 // in a day
)

// customerRules are about what customers notice.
func customerRules() []Rule {
	return []Rule{
		{Key: "checkout", Name: "Paid to active", Title: "Paid, and without access after 2 minutes", Level: Critical, Link: "/admin/customers?access=pending", Roots: []string{database, "connector_stripe"},
			What:  "Purchases of a subscription in 7 days that are paid or free, by Stripe's clock, and gave nobody access. Money that is still under way does not count.",
			Limit: "1 purchase for longer than 2 minutes", Step: "Open the customers who wait and press Sync now.", Age: true, measure: measureCheckout},
		{Key: "duplicates", Name: "Duplicate customers", Title: "Customers are there twice", Level: Low, Link: "/admin/customers",
			What:  "Records made in the last 24 hours whose e-mail an earlier record has. Several Stripe customers of one record do not count, nor do merged ones.",
			Limit: "more than 3 records", Step: "Look why the shop makes a new customer for a known e-mail, and merge them.", measure: measureDuplicates},
		{Key: "jobs", Name: "Jobs that gave up", Title: "Jobs gave up", Level: High, Link: "/admin/jobs?state=discarded", Roots: []string{database},
			What:  "Jobs that failed too often or cannot succeed, and that nobody has retried or set aside. Told again of a new kind of trouble, and when their number doubles.",
			Limit: "1 job", Step: "Open the jobs, mend the cause, and retry them.", measure: measureJobs},
		{Key: "drift", Name: "Agreement of the systems", Title: "The systems disagree about access or payment", Level: High, Link: "/admin/reports", Roots: []string{database, "connector_stripe"},
			What:  "Differences about access and payment that two comparisons in a row saw. Other differences are in the report only, and what could not be read whole counts for nothing.",
			Limit: "1 difference", Step: "Open the report and decide.", measure: measureDrift},
	}
}

func measureCheckout(ctx context.Context, l *look) (Measure, error) {
	since, until := l.ago(purchaseWindow), l.ago(activationLimit)
	waiting, err := l.q.WaitingPurchases(ctx, since, until)
	if err != nil {
		return Measure{}, err
	}
	unread, err := l.q.UnreadPurchases(ctx, since, until)
	if err != nil {
		return Measure{}, err
	}
	of, err := l.q.CountPurchases(ctx, since)
	if err != nil {
		return Measure{}, err
	}
	took, err := l.q.Activations(ctx, l.ago(24*time.Hour))
	if err != nil {
		return Measure{}, err
	}
	n := int64(len(waiting) + len(unread))
	m := Measure{Verdict: Fine, Value: share(n, of+int64(len(unread)), "purchases") + pace(took), Size: n, Number: float64(n)}
	if n == 0 {
		return m, nil
	}
	why := reasons{}
	for _, p := range waiting {
		delivered := time.UnixMilli(p.DeliveredMs).Sub(p.CompletedAt.Time)
		switch {
		case p.DeliveredMs == 0:
			why.add("Stripe → Bursar: not delivered", "")
		case p.Error != "":
			why.add("Bursar → access: delivered, and the job failed", p.Error)
		case delivered > activationLimit:
			why.add("Stripe → Bursar: delivered late", "the latest after "+spell(delivered))
		default:
			why.add("Bursar → access: waiting for Stripe", p.AccessReason)
		}
	}
	for _, p := range unread {
		if p.Error != "" {
			why.add("Bursar → access: delivered, and the job failed", p.Error)
		} else {
			why.add("Bursar → access: delivered, and its job waits", "")
		}
	}
	m.Verdict, m.Cause, m.Causes = Bad, why.String(), why.names
	return m, nil
}

// pace says how long purchases took, and of how many that is.
func pace(took []int64) string {
	if len(took) == 0 {
		return ""
	}
	p95 := time.Duration(took[(len(took)*95+99)/100-1]) * time.Millisecond // by nearest rank
	return fmt.Sprintf("; 95 %% of %d in 24 hours took %s or less", len(took), spell(p95))
}

// reasons count causes, with a word on the last of each.
type reasons struct {
	names []string
	n     map[string]int64
	word  map[string]string
}

func (r *reasons) add(name, word string) {
	if r.n == nil {
		r.n, r.word = map[string]int64{}, map[string]string{}
	}
	if !slices.Contains(r.names, name) {
		r.names = append(r.names, name)
	}
	r.n[name]++
	if word != "" {
		r.word[name] = word
	}
}

func (r *reasons) String() string {
	var parts []string
	for _, name := range r.names {
		part := fmt.Sprintf("%s (%d)", name, r.n[name])
		if word := r.word[name]; word != "" {
			part += ": " + strings.TrimSuffix(word, ".")
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, "; ") + "."
}

func measureDuplicates(ctx context.Context, l *look) (Measure, error) {
	row, err := l.q.CountDuplicateCustomers(ctx, l.ago(24*time.Hour))
	m := Measure{Verdict: Fine, Value: share(row.N, row.Total, "new customers in 24 hours"), Size: row.N, Number: float64(row.N)}
	if row.N > maxDuplicates {
		m.Verdict, m.Cause = Bad, "Their e-mail belongs to an earlier record."
	}
	return m, err
}

func measureJobs(ctx context.Context, l *look) (Measure, error) {
	kinds, err := l.q.DeadJobKinds(ctx)
	if err != nil || len(kinds) == 0 {
		return Measure{Verdict: Fine, Value: "none"}, err
	}
	m := Measure{Verdict: Bad}
	var parts []string
	for _, k := range kinds {
		m.Size += k.N
		parts = append(parts, fmt.Sprintf("%d of %s", k.N, k.Kind))
		m.Causes = append(m.Causes, k.Kind)
	}
	m.Number = float64(m.Size)
	m.Value = many(m.Size, "job", "jobs")
	m.Cause = strings.Join(parts, ", ") + ". " + failure(kinds[0].Error)
	return m, nil
}

func measureDrift(ctx context.Context, l *look) (Measure, error) {
	if l.Drift == nil {
		return notKnown("nothing is compared here"), nil
	}
	kinds, err := l.q.OpenDrift(ctx)
	if err != nil {
		return Measure{}, err
	}
	run, err := l.q.LastRun(ctx)
	if err != nil {
		return notKnown("nothing has been compared yet"), ignoreNoRows(err)
	}
	m := Measure{Verdict: Fine}
	var low int64
	var parts []string
	for _, k := range kinds {
		label, high := l.Drift(k.Kind)
		if !high {
			low += k.N
			continue
		}
		m.Size += k.N
		parts = append(parts, fmt.Sprintf("%s (%d)", label, k.N))
		m.Causes = append(m.Causes, k.Kind)
	}
	m.Number = float64(m.Size)
	m.Value = fmt.Sprintf("%d serious differences among %s, %d smaller", m.Size, many(run.Customers, "customer", "customers"), low)
	if m.Size > 0 {
		m.Verdict, m.Cause = Bad, "Seen in two comparisons or more: "+strings.Join(parts, ", ")+"."
	}
	return m, nil
}

func jsonList(list []string) string {
	text, _ := json.Marshal(list) // strings only
	return string(text)
}
