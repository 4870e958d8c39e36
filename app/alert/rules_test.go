package alert

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bursar/app/db"
	"bursar/app/queue"
)

// scene puts rows into a file as they come to be.
type scene struct {
	t *testing.T
	w *Watch
	n int
}

func (s *scene) exec(statement string, times ...time.Time) { exec(s.t, s.w.DB, statement, times...) }

func ago(d time.Duration) time.Time { return time.Now().Add(-d) }

// events stores n events that came and happened some time ago.
func (s *scene) events(n int, kind, source string, came, happened time.Duration) {
	s.exec(fmt.Sprintf(`WITH RECURSIVE i(n) AS (SELECT %d UNION ALL SELECT n + 1 FROM i WHERE n < %d)
		INSERT INTO events (id, type, livemode, object_id, customer, source, created_at, received_at, payload) SELECT 'evt_' || n, '%s', 0, 'obj_' || n, 'cus_1', '%s', ?2, ?1, x'' FROM i`,
		s.n, s.n+n-1, kind, source), ago(came), ago(happened))
	s.n += n
}

// failed counts signed events that could not be stored.
func (s *scene) failed(kind string, ids ...string) {
	for _, id := range ids {
		s.w.Tally.Delivery(Unavailable)
		s.w.Tally.Failed(id, kind)
	}
	check(s.t, s.w.Tally.Flush(s.t.Context(), s.w.DB))
}

func (s *scene) rejected(n int) {
	for range n {
		s.w.Tally.Delivery(BadSignature)
	}
	check(s.t, s.w.Tally.Flush(s.t.Context(), s.w.DB))
}

// customer adds one with an access.
func (s *scene) customer(email, access string, made time.Duration) {
	s.exec(fmt.Sprintf("INSERT INTO customers (email, access, access_reason, created_at, updated_at) VALUES ('%s', '%s', 'the subscription is incomplete', ?1, ?1)", email, access), ago(made))
}

// checkout adds a purchase of customer 1, who is cus_1, and the event of its delivery if it was delivered.
func (s *scene) checkout(id, payment string, completed, activated time.Duration, delivered time.Duration) {
	act := time.UnixMilli(0)
	if activated > 0 {
		act = ago(activated)
	}
	s.exec(fmt.Sprintf(`INSERT INTO checkouts (id, stripe_customer, customer_id, user_id, mode, status, payment_status, payment_failed, subscription, amount, currency, completed_at, activated_at, created_at)
		VALUES ('%s', 'cus_1', 1, '', 'subscription', 'complete', '%s', 0, 'sub_%s', 4900, 'usd', ?1, ?2, ?1)`, id, payment, id), ago(completed), act)
	if delivered > 0 {
		s.delivered(id, completed, delivered)
	}
}

func (s *scene) delivered(id string, happened, came time.Duration) {
	s.exec(fmt.Sprintf(`INSERT INTO events (id, type, livemode, object_id, customer, source, created_at, received_at, payload)
		VALUES ('evt_%s', 'checkout.session.completed', 0, '%s', 'cus_1', 'webhook', ?1, ?2, x'')`, id, id), ago(happened), ago(came))
}

func (s *scene) job(kind, key, state, failure string, made time.Duration) {
	final := time.UnixMilli(0)
	if state == queue.Discarded {
		final = ago(made)
	}
	errors := "[]"
	if failure != "" {
		errors = fmt.Sprintf(`[{"error":"%s"}]`, failure)
	}
	s.exec(fmt.Sprintf(`INSERT INTO jobs (kind, key, args, state, max_attempts, errors, created_at, scheduled_at, finalized_at) VALUES ('%s', '%s', '{}', '%s', 15, '%s', ?1, ?1, ?2)`,
		kind, key, state, errors), ago(made), final)
}

func (s *scene) finding(kind string, seen int) {
	s.exec(`INSERT INTO runs (state, customers, started_at, finished_at) SELECT 'complete', 31, ?1, ?1 WHERE NOT EXISTS (SELECT 1 FROM runs)`, ago(time.Hour))
	s.n++
	s.exec(fmt.Sprintf(`INSERT INTO findings (run_id, kind, subject, expected, actual, repair, state, seen, first_at, last_at) VALUES (1, '%s', 's%d', 'a', 'b', 'person', 'open', %d, ?1, ?1)`, kind, s.n, seen), ago(time.Hour))
}

// answers counts n answers of a class that took so long.
func (s *scene) answers(n int, class string, took time.Duration) {
	for range n {
		s.w.Tally.Took(class, took)
	}
	check(s.t, s.w.Tally.Flush(s.t.Context(), s.w.DB))
}

const minute = time.Minute

func TestRules(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		key, name string
		set       func(s *scene)
		want      Verdict
		says      string
	}{
		{"webhook", "nothing came", func(*scene) {}, Fine, "no deliveries"},
		{"webhook", "1 of 31 is one event", func(s *scene) {
			s.events(30, "customer.updated", "webhook", minute, minute)
			s.failed("customer.updated", "evt_x")
		}, Fine, "1 of 31 deliveries (3.2 %)"},
		{"webhook", "2 of 31 are not chance", func(s *scene) {
			s.events(29, "customer.updated", "webhook", minute, minute)
			s.failed("customer.updated", "evt_x", "evt_y")
		}, Bad, "2 of 31"},
		{"webhook", "the same event twice is one", func(s *scene) {
			s.events(29, "customer.updated", "webhook", minute, minute)
			s.failed("customer.updated", "evt_x", "evt_x")
		}, Fine, "1 of 30"},
		{"webhook", "1 of 100 is not more than 1 %", func(s *scene) {
			s.events(99, "customer.updated", "webhook", minute, minute)
			s.failed("customer.updated", "evt_x")
		}, Fine, "1 of 100 deliveries (1 %)"},
		{"webhook", "2 of 199 are", func(s *scene) {
			s.events(197, "customer.updated", "webhook", minute, minute)
			s.failed("customer.updated", "evt_x", "evt_y")
		}, Bad, "2 of 199"},
		{"webhook", "healed by Stripe's next try", func(s *scene) {
			s.failed("customer.updated", "evt_0", "evt_1")
			s.events(2, "customer.updated", "webhook", 0, minute)
		}, Fine, "0 of 2"},
		{"webhook", "5,000 forged posts do not move it", func(s *scene) { s.events(100, "customer.updated", "webhook", minute, minute); s.rejected(5000) }, Fine, "0 of 100 deliveries (0 %)"},
		{"webhook", "old events and those of the sweep are not deliveries", func(s *scene) {
			s.events(50, "customer.updated", "webhook", 16*minute, 16*minute)
			s.events(50, "customer.updated", "sweep", minute, minute)
		}, Fine, "no deliveries"},
		{"webhook", "a purchase that is not stored is critical alone", func(s *scene) {
			s.events(500, "customer.updated", "webhook", minute, minute)
			s.failed("checkout.session.completed", "evt_x")
		}, Bad, "1 event of a purchase or payment"},

		{"signatures", "nothing came", func(*scene) {}, NotKnown, "no requests"},
		{"signatures", "forged posts beside good ones", func(s *scene) { s.rejected(5000); s.w.Tally.Delivery(Stored); s.rejected(0) }, Fine, "5000 rejected, 1 accepted"},
		{"signatures", "all rejected", func(s *scene) { s.rejected(5) }, Bad, "5 rejected, 0 accepted"},
		{"signatures", "a few rejected", func(s *scene) { s.rejected(4) }, Fine, "4 rejected"},

		{"sweep", "never", func(*scene) {}, NotKnown, "not read yet"},
		{"sweep", "read", func(s *scene) { s.sweep("complete", 20*minute, 0) }, Fine, "read 20 min ago"},
		{"sweep", "not read whole since", func(s *scene) { s.sweep("complete", 46*minute, 0); s.sweep("incomplete", minute, 0) }, Bad, "last read whole 46 min ago"},
		{"missed", "nothing known", func(s *scene) { s.sweep("complete", time.Hour, 0) }, NotKnown, "last read whole"},
		{"missed", "nothing missed", func(s *scene) { s.sweep("complete", minute, 0) }, Fine, "none"},
		{"missed", "three missed", func(s *scene) { s.sweep("complete", time.Hour, 3); s.sweep("complete", minute, 0) }, Bad, "3 events in 24 hours"},
		{"missed", "missed the day before yesterday", func(s *scene) { s.sweep("complete", 48*time.Hour, 3); s.sweep("complete", minute, 0) }, Fine, "none"},

		{"processing", "waiting for its turn", func(s *scene) { s.job("sync_customer", "cus_1", queue.Available, "", 10*minute) }, Fine, "none of 1 job"},
		{"processing", "waiting too long", func(s *scene) { s.job("sync_customer", "cus_1", queue.Available, "", 16*minute) }, Bad, "0 gave up, 1 of 1 job waits"},
		{"processing", "trying for long", func(s *scene) { s.job("sync_customer", "cus_1", queue.Retryable, "boom", 16*minute) }, Bad, "The last error: boom."},
		{"processing", "given up", func(s *scene) { s.job("find_customer", "evt_1", queue.Discarded, "boom", minute) }, Bad, "1 gave up"},
		{"processing", "of another kind", func(s *scene) { s.job("sync_contact", "1", queue.Discarded, "boom", time.Hour) }, Fine, "none"},

		{"checkout", "active", func(s *scene) {
			s.customer("a@example.com", "full", time.Hour)
			s.checkout("cs_1", "paid", 10*minute, 9*minute, 10*minute)
			s.exec("INSERT INTO meta (name, value) VALUES ('installed_at', '1')")
		}, Fine, "0 of 1 purchases (0 %); 95 % of 1 in 24 hours took 60 s or less"},
		{"checkout", "a minute ago", func(s *scene) {
			s.customer("a@example.com", "pending", time.Hour)
			s.checkout("cs_1", "paid", minute, 0, minute)
		}, Fine, "0 of 1"},
		{"checkout", "free counts like paid", func(s *scene) {
			s.customer("a@example.com", "pending", time.Hour)
			s.checkout("cs_1", "no_payment_required", 3*minute, 0, 3*minute)
		}, Bad, "1 of 1"},
		{"checkout", "money under way does not count", func(s *scene) {
			s.customer("a@example.com", "pending", time.Hour)
			s.checkout("cs_1", "unpaid", time.Hour, 0, time.Hour)
		}, Fine, "0 purchases"},
		{"checkout", "of last month", func(s *scene) {
			s.customer("a@example.com", "pending", time.Hour)
			s.checkout("cs_1", "paid", 8*24*time.Hour, 0, time.Hour)
		}, Fine, "0 purchases"},
		{"checkout", "not delivered", func(s *scene) {
			s.customer("a@example.com", "pending", time.Hour)
			s.checkout("cs_1", "paid", 3*minute, 0, 0)
		}, Bad, "Stripe → Bursar: not delivered (1)"},
		{"checkout", "delivered late", func(s *scene) {
			s.customer("a@example.com", "pending", time.Hour)
			s.checkout("cs_1", "paid", 10*minute, 0, 5*minute)
		}, Bad, "Stripe → Bursar: delivered late (1): the latest after 5 min"},
		{"checkout", "delivered, and the job failed", func(s *scene) {
			s.customer("a@example.com", "pending", time.Hour)
			s.checkout("cs_1", "paid", 10*minute, 0, 10*minute)
			s.job("sync_customer", "cus_1", queue.Discarded, "HTTP 500", minute)
		}, Bad, "Bursar → access: delivered, and the job failed (1): HTTP 500"},
		{"checkout", "waiting for Stripe", func(s *scene) {
			s.customer("a@example.com", "pending", time.Hour)
			s.checkout("cs_1", "paid", 10*minute, 0, 10*minute)
		}, Bad, "waiting for Stripe (1): the subscription is incomplete"},
		{"checkout", "not even read", func(s *scene) {
			s.delivered("cs_1", 10*minute, 10*minute)
			s.job("sync_customer", "cus_1", queue.Retryable, "HTTP 500", 9*minute)
		}, Bad, "the job failed (1): HTTP 500"},
		{"checkout", "several with causes of their own are one alert", func(s *scene) {
			s.customer("a@example.com", "pending", time.Hour)
			s.checkout("cs_1", "paid", 10*minute, 0, 0)
			s.checkout("cs_2", "paid", 10*minute, 0, 10*minute)
			s.checkout("cs_3", "paid", 10*minute, 0, 10*minute)
		}, Bad, "not delivered (1); Bursar → access: waiting for Stripe (2)"},
		{"checkout", "the subscription was cancelled since", func(s *scene) {
			s.customer("a@example.com", "none", time.Hour)
			s.checkout("cs_1", "paid", time.Hour, 0, time.Hour)
			s.exec(`INSERT INTO subscriptions (id, stripe_customer, customer_id, status, price, product, plan, quantity, amount, currency, interval, interval_count, cancel_at_period_end, current_period_end_at, cancel_at, canceled_at, ended_at, trial_end_at, pause_behavior, pause_resumes_at, created_at)
				VALUES ('sub_cs_1', 'cus_1', 1, 'canceled', '', '', '', 1, 0, '', '', 0, 0, 0, 0, 0, 0, 0, '', 0, ?1)`, ago(time.Hour))
		}, Fine, "0 of 1"},

		{"duplicates", "six of the same are five too many", func(s *scene) {
			for range 6 {
				s.customer("Ada@example.com", "none", minute)
			}
		}, Bad, "5 of 6 new customers"},
		{"duplicates", "three in a day", func(s *scene) {
			s.customer("ada@example.com", "none", 48*time.Hour)
			for range 3 {
				s.customer("ADA@example.com", "none", minute)
			}
		}, Fine, "3 of 3"},
		{"duplicates", "without an e-mail", func(s *scene) {
			for range 6 {
				s.customer("", "none", minute)
			}
		}, Fine, "0 of 6"},
		{"duplicates", "in the day before", func(s *scene) {
			for range 6 {
				s.customer("ada@example.com", "none", 25*time.Hour)
			}
		}, Fine, "0 new"},

		{"jobs", "none", func(*scene) {}, Fine, "none"},
		{"jobs", "given up", func(s *scene) {
			s.job("sync_contact", "1", queue.Discarded, "HTTP 400", minute)
			s.job("sync_contact", "2", queue.Discarded, "HTTP 400", minute)
		}, Bad, "2 of sync_contact. The last error: HTTP 400."},
		{"jobs", "set aside", func(s *scene) {
			s.exec("INSERT INTO jobs (kind, key, args, state, max_attempts, created_at, scheduled_at, finalized_at) VALUES ('x', 'y', '{}', 'cancelled', 1, 1, 1, 1)")
		}, Fine, "none"},

		{"drift", "nothing compared", func(*scene) {}, NotKnown, "nothing has been compared"},
		{"drift", "seen once", func(s *scene) { s.finding("high", 1) }, Fine, "0 serious differences among 31 customers"},
		{"drift", "seen twice", func(s *scene) { s.finding("high", 2); s.finding("high", 3) }, Bad, "a high one (2)"},
		{"drift", "of less weight", func(s *scene) { s.finding("low", 9) }, Fine, "1 smaller"},

		{"latency_admin", "too few", func(s *scene) { s.answers(49, ClassAdmin, time.Hour) }, NotKnown, "49 of 50"},
		{"latency_admin", "95 % are quick", func(s *scene) {
			s.answers(95, ClassAdmin, 200*time.Millisecond)
			s.answers(5, ClassAdmin, 9*time.Second)
		}, Fine, "≤ 250 ms for 95 % of 100"},
		{"latency_admin", "94 % are quick", func(s *scene) {
			s.answers(94, ClassAdmin, 200*time.Millisecond)
			s.answers(6, ClassAdmin, 700*time.Millisecond)
		}, Bad, "≤ 1000 ms"},
		{"latency_admin", "exactly the limit", func(s *scene) { s.answers(100, ClassAdmin, 500*time.Millisecond) }, Fine, "≤ 500 ms"},
		{"latency_webhook", "beyond every limit", func(s *scene) { s.answers(100, ClassWebhook, time.Minute) }, Bad, "> 5000 ms"},
		{"latency_webhook", "exactly the limit", func(s *scene) { s.answers(100, ClassWebhook, 300*time.Millisecond) }, Fine, "≤ 300 ms"},
		{"latency_action", "others are slow", func(s *scene) { s.answers(100, ClassSlow, time.Minute); s.answers(50, ClassAction, time.Millisecond) }, Fine, "≤ 5 ms"},

		{"silence", "Stripe is not asked", func(s *scene) { s.events(50, "x", "webhook", 49*time.Hour, 49*time.Hour) }, NotKnown, "not read yet"},
		{"silence", "a new file", func(s *scene) { s.sweep("complete", minute, 0) }, NotKnown, "too few"},
		{"silence", "a quiet shop", func(s *scene) {
			s.sweep("complete", minute, 0)
			s.events(50, "x", "webhook", 49*time.Hour, 49*time.Hour)
			s.events(50, "x", "webhook", 48*time.Hour, 48*time.Hour)
		}, Fine, "2 days ago"},
		{"silence", "Stripe lists newer ones", func(s *scene) {
			s.sweep("complete", minute, 0)
			s.events(50, "x", "webhook", 49*time.Hour, 49*time.Hour)
			s.events(50, "x", "webhook", 48*time.Hour, 48*time.Hour)
			s.events(1, "x", "sweep", minute, 2*time.Hour)
		}, Bad, "Stripe lists newer events, the newest from 2 h ago"},
		{"silence", "what was delivered got lost before a backup was restored", func(s *scene) {
			s.sweep("complete", minute, 0)
			s.events(50, "x", "webhook", 49*time.Hour, 49*time.Hour)
			s.events(50, "x", "webhook", 48*time.Hour, 48*time.Hour)
			s.events(1, "x", "sweep", minute, 2*time.Hour)
			check(s.t, s.w.DB.Tx(s.t.Context(), func(q *db.Queries) error {
				return db.KeepRestored(s.t.Context(), q, db.Restored{At: ago(time.Hour), CopyAt: ago(48 * time.Hour)})
			}))
		}, Fine, "2 days ago"},
		{"silence", "not for longer than usual", func(s *scene) {
			s.sweep("complete", minute, 0)
			s.events(1, "x", "webhook", 12*24*time.Hour, 12*24*time.Hour)
			s.events(2, "x", "webhook", 2*24*time.Hour, 2*24*time.Hour)
			s.events(1, "x", "sweep", minute, 2*time.Hour)
		}, Fine, "usually every 5 days"},

		{"connector_slack", "not set up", func(*scene) {}, NotKnown, "not set up"},
		{"connector_stripe", "left alone", func(s *scene) {
			s.job("sync_customer", "cus_1", queue.Retryable, "", minute)
			s.exec("INSERT INTO circuits (system, failures, reason, opened_at, until_at) VALUES ('stripe', 5, 'the key is refused', ?1, ?2)", ago(minute), ago(-minute))
		}, Bad, "The key is refused."},
		{"connector_stripe", "its time is up, and it has not answered since", func(s *scene) {
			s.exec("INSERT INTO circuits (system, failures, reason, opened_at, until_at) VALUES ('stripe', 5, 'away', ?1, ?2)", ago(time.Hour), ago(minute))
		}, Bad, "5 failures, 0 jobs wait"},
		{"connector_stripe", "a failure or two", func(s *scene) {
			s.exec("INSERT INTO circuits (system, failures, reason, opened_at, until_at) VALUES ('stripe', 2, 'away', 0, 0)")
		}, Fine, "2 failures in a row"},

		{"backup", "never, and new", func(s *scene) {
			s.exec("INSERT INTO meta (name, value) VALUES ('installed_at', CAST(?1 AS TEXT))", ago(time.Hour))
		}, Fine, "none since the installation 60 min ago"},
		{"backup", "never in eight days", func(s *scene) {
			s.exec("INSERT INTO meta (name, value) VALUES ('installed_at', CAST(?1 AS TEXT))", ago(8*24*time.Hour))
		}, Bad, "8 days"},
		{"backup", "made", func(s *scene) {
			s.exec("INSERT INTO meta (name, value) VALUES ('installed_at', CAST(?1 AS TEXT))", ago(80*24*time.Hour))
			check(s.t, BackedUp(s.t.Context(), s.w.DB))
		}, Fine, "the last one 0 s ago; none proven to be restorable since the installation 80 days ago"},
		{"backup", "made, and never tried in three months", func(s *scene) {
			s.exec("INSERT INTO meta (name, value) VALUES ('installed_at', CAST(?1 AS TEXT))", ago(91*24*time.Hour))
			check(s.t, BackedUp(s.t.Context(), s.w.DB))
		}, Bad, "Nobody has tried whether a backup can be restored."},
		{"backup", "restored, and the copy does not know of itself", func(s *scene) {
			s.exec("INSERT INTO meta (name, value) VALUES ('installed_at', CAST(?1 AS TEXT))", ago(91*24*time.Hour))
			check(s.t, s.w.DB.Tx(s.t.Context(), func(q *db.Queries) error { return TriedBackup(s.t.Context(), q, ago(time.Hour)) }))
		}, Fine, "the last one 60 min ago"},
		{"backup", "made and tried", func(s *scene) {
			s.exec("INSERT INTO meta (name, value) VALUES ('installed_at', CAST(?1 AS TEXT))", ago(91*24*time.Hour))
			check(s.t, BackedUp(s.t.Context(), s.w.DB))
			check(s.t, s.w.DB.Tx(s.t.Context(), func(q *db.Queries) error { return TriedBackup(s.t.Context(), q, time.Time{}) }))
		}, Fine, "proven to be restorable, 0 s ago"},

		{"clock", "nothing came", func(*scene) {}, NotKnown, "nothing signed"},
		{"clock", "the way takes a second", func(s *scene) { s.w.Tally.Signed(1200 * time.Millisecond) }, Fine, "1 s"},
		{"clock", "two hours behind", func(s *scene) { s.w.Tally.Signed(-2 * time.Hour) }, Bad, "This clock is 2 h behind Stripe's."},
		{"clock", "one late delivery among good ones", func(s *scene) { s.w.Tally.Signed(2 * time.Hour); s.w.Tally.Signed(time.Second) }, Fine, "1 s"},

		{"report", "not planned", func(*scene) {}, NotKnown, "not planned"},
		{"report", "sent", func(s *scene) { s.report("complete", 2*time.Hour, "sent", time.Hour) }, Fine, "is sent"},
		{"report", "not made yet", func(s *scene) { s.report("complete", 80*minute, "", 0) }, Fine, "not made yet, for 80 min"},
		{"report", "not made", func(s *scene) { s.report("running", 95*minute, "", 0) }, Bad, "not made yet, for 95 min"},
		{"report", "not sent", func(s *scene) { s.report("complete", 2*time.Hour, "waiting", 40*minute) }, Bad, "is not sent yet, for 40 min"},
		{"report", "refused", func(s *scene) { s.report("complete", 2*time.Hour, "failed", time.Hour) }, Bad, "refused"},
		{"report", "no mail set up", func(s *scene) { s.report("complete", 2*time.Hour, "kept", time.Hour) }, Fine, "in the outbox"},
		{"report", "its schedule stands still", func(s *scene) { s.schedule("", -20*minute) }, Bad, "due for 20 min"},

		{"audit", "not checked", func(s *scene) {}, NotKnown, "not checked"},
		{"disk", "some", func(*scene) {}, Fine, "% free"},
		{"wal", "small", func(*scene) {}, Fine, "B"},
		{"door", "no webhook", func(*scene) {}, NotKnown, "no webhook"},
	} {
		t.Run(row.key+": "+row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &scene{t: t, w: newWatch(t)}
				s.w.Drift = func(kind string) (string, bool) { return "a " + kind + " one", kind == "high" }
				queue.Handle(s.w.Worker, queue.Options{System: "stripe"}, s.w.sendSlack)
				time.Sleep(30 * 365 * 24 * time.Hour) // the bubble begins in 2000
				row.set(s)
				m := s.w.measured(t, row.key)
				if m.Verdict != row.want || !strings.Contains(m.Value+"\n"+m.Cause, row.says) {
					t.Errorf("%d %q, cause %q; want %d with %q", m.Verdict, m.Value, m.Cause, row.want, row.says)
				}
			})
		})
	}
}

// sweep adds a look at Stripe's list of events.
func (s *scene) sweep(state string, began time.Duration, missing int) {
	s.exec(fmt.Sprintf(`INSERT INTO sweeps (state, undelivered, since_at, mark_at, listed, found, missing, late_ms, started_at, finished_at) VALUES ('%s', 0, 0, ?1, 9, %d, %d, 1200000, ?1, ?1)`, state, missing, missing), ago(began))
}

func (s *scene) schedule(day string, next time.Duration) {
	check(s.t, s.w.DB.Tx(s.t.Context(), func(q *db.Queries) error {
		return q.SaveSchedule(s.t.Context(), db.SaveScheduleParams{Name: "report", Spec: "0 7 * * *", Timezone: "UTC", NextAt: db.At(time.Now().Add(next)), LastDay: day})
	}))
}

// report adds the report of a day: its run, and its mail if it is made.
func (s *scene) report(state string, began time.Duration, mail string, made time.Duration) {
	s.schedule("2029-03-04", time.Hour)
	s.exec(fmt.Sprintf("INSERT INTO runs (day, state, started_at) VALUES ('2029-03-04', '%s', ?1)", state), ago(began))
	if mail != "" {
		s.exec(fmt.Sprintf("INSERT INTO mails (key, recipients, subject, text, html, state, created_at) VALUES ('report:2029-03-04', '', '', '', '', '%s', ?1)", mail), ago(made))
	}
}

// A rule that nobody can act on, or that says nothing, is no rule.
func TestEveryRuleIsWhole(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, r := range Rules() {
		if r.Name == "" || r.Title == "" || r.Level == 0 || r.What == "" || r.Limit == "" || r.Step == "" || !strings.HasPrefix(r.Link, "/admin") || r.measure == nil {
			t.Errorf("%s lacks something: %+v", r.Key, r)
		}
		if seen[r.Key] {
			t.Errorf("%s is there twice", r.Key)
		}
		for _, root := range r.Roots {
			if !seen[root] {
				t.Errorf("%s comes before %s, which explains it", r.Key, root)
			}
		}
		seen[r.Key] = true
	}
}
