package alert

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bursar/app/db"
	"bursar/app/queue"
)

// deadJobs puts jobs that gave up into the file, in the place of those that are there.
func deadJobs(t testing.TB, d *db.DB, n int, kind string) {
	t.Helper()
	exec(t, d, "DELETE FROM jobs")
	for i := range n {
		exec(t, d, fmt.Sprintf(`INSERT INTO jobs (kind, key, args, state, max_attempts, errors, created_at, scheduled_at, finalized_at)
			VALUES ('%s', '%d', '{}', 'discarded', 15, '[{"error":"HubSpot answered 400"}]', ?1, ?1, ?1)`, kind, i), time.Now())
	}
}

// run evaluates every minute for as long.
func (w *Watch) run(t testing.TB, d time.Duration) {
	t.Helper()
	for range int(d / time.Minute) {
		check(t, w.Evaluate(t.Context()))
		time.Sleep(time.Minute)
	}
}

func TestDaysOfAnAlert(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(t)
		w.run(t, 5*time.Minute)
		deadJobs(t, w.DB, 1, "sync_contact")
		w.run(t, 25*time.Hour)
		deadJobs(t, w.DB, 4, "sync_contact")
		w.run(t, 5*time.Minute)
		deadJobs(t, w.DB, 0, "")
		w.run(t, time.Hour)
		want := []string{
			"Alert (high): Jobs gave up, 1 job",
			"Still so after 60 min (high): Jobs gave up, 1 job",
			"Still so after 4 h (high): Jobs gave up, 1 job",
			"Still so after 24 h (high): Jobs gave up, 1 job",
			"Worse (high): Jobs gave up, 4 jobs",
			"Over after 25 h: Jobs gave up",
		}
		if got := told(t, w.DB); !slices.Equal(got, want) {
			t.Errorf("told %q", got)
		}
		m, err := w.DB.Read().ListMails(t.Context(), 1<<62, 1)
		check(t, err)
		if m[0].Recipients != "ada@example.com" || m[0].State != "kept" {
			t.Errorf("the mail is %+v", m[0])
		}
		flips, err := w.DB.Read().FlipsOf(t.Context(), "jobs", 30)
		check(t, err)
		var states []string
		for _, f := range slices.Backward(flips) {
			states = append(states, f.State)
		}
		if !slices.Equal(states, []string{Pending, Firing, Clearing, OK}) {
			t.Errorf("the history is %v", states)
		}
	})
}

func TestARestartInTheMiddleSaysNothingTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDB(t)
		deadJobs(t, d, 1, "sync_contact")
		for range 30 { // another process every minute
			check(t, watchOf(t, d).Evaluate(t.Context()))
			time.Sleep(time.Minute)
		}
		if got := told(t, d); len(got) != 1 {
			t.Errorf("told %q, want the opening once", got)
		}
	})
}

func TestTwoEvaluatorsSayItOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDB(t)
		one, two := watchOf(t, d), watchOf(t, d)
		deadJobs(t, d, 1, "sync_contact")
		for range 90 {
			var both sync.WaitGroup
			for _, w := range []*Watch{one, two} {
				both.Go(func() { check(t, w.Evaluate(t.Context())) })
			}
			both.Wait()
			time.Sleep(time.Minute)
		}
		if got := told(t, d); len(got) != 2 || !strings.HasPrefix(got[1], "Still so after 60 min") {
			t.Errorf("told %q, want the opening and one reminder", got)
		}
		row, err := d.Read().AlertByKey(t.Context(), "jobs")
		check(t, err)
		check(t, d.Tx(t.Context(), func(q *db.Queries) error {
			n, err := q.SaveAlert(t.Context(), db.SaveAlertParams{State: OK, Causes: "[]", Key: "jobs", Was: row.State, Seen: row.Version - 1})
			if n != 0 {
				t.Error("a row that somebody changed was changed again")
			}
			return err
		}))
	})
}

func TestManyMailsBecomeOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(t)
		w.run(t, time.Minute)
		// A new cause every two minutes is worse every two minutes.
		for n := range 15 {
			exec(t, w.DB, fmt.Sprintf(`INSERT INTO jobs (kind, key, args, state, max_attempts, created_at, scheduled_at, finalized_at)
				VALUES ('kind_%d', 'k', '{}', 'discarded', 15, ?1, ?1, ?1)`, n), time.Now())
			w.run(t, 2*time.Minute)
		}
		if got := told(t, w.DB); len(got) != 6 {
			t.Errorf("%d mails within an hour: %q", len(got), got)
		}
		w.run(t, time.Hour)
		got := told(t, w.DB)
		if len(got) != 7 && len(got) != 8 || !strings.HasPrefix(got[6], "10 alerts: ") && !strings.HasPrefix(got[6], "9 alerts: ") {
			t.Errorf("the rest came as %q", got[6:])
		}
		whole, err := w.DB.Read().MailByID(t.Context(), 7)
		check(t, err)
		if !strings.Contains(whole.Text, "Some of this is old") {
			t.Errorf("the mail does not say why it is late:\n%s", whole.Text)
		}
	})
}

func TestMailThatDoesNotWorkIsMadeUpForOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(t)
		deadJobs(t, w.DB, 1, "sync_contact")
		check(t, w.DB.Tx(t.Context(), func(q *db.Queries) error {
			return q.SaveCircuit(t.Context(), db.SaveCircuitParams{System: "mail", Failures: 9, Reason: "no route to host", OpenedAt: db.Now(), UntilAt: db.At(time.Now().Add(3 * 24 * time.Hour))})
		}))
		w.run(t, 10*time.Hour)
		if got := told(t, w.DB); len(got) != 0 {
			t.Errorf("mails pile up: %q", got)
		}
		check(t, w.DB.Tx(t.Context(), func(q *db.Queries) error {
			_, err := q.CloseCircuit(t.Context(), "mail", db.At(time.Now().Add(96*time.Hour)))
			return err
		}))
		w.run(t, 5*time.Minute)
		if got := told(t, w.DB); len(got) != 1 || !strings.Contains(got[0], "alerts: ") {
			t.Errorf("told %q, want one mail with all", got)
		}
	})
}

func TestACauseHidesWhatFollowsFromIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(t)
		w.Worker = queue.NewWorker(w.DB, w.Log)
		queue.Handle(w.Worker, queue.Options{System: "stripe"}, w.sendSlack)
		check(t, w.DB.Tx(t.Context(), func(q *db.Queries) error {
			return q.SaveCircuit(t.Context(), db.SaveCircuitParams{System: "stripe", Failures: 9, Reason: "Stripe is away", OpenedAt: db.Now(), UntilAt: db.At(time.Now().Add(time.Hour))})
		}))
		exec(t, w.DB, `INSERT INTO jobs (kind, key, args, state, max_attempts, created_at, scheduled_at) VALUES ('sync_customer', 'cus_1', '{}', 'retryable', 15, ?1, ?1)`,
			time.Now().Add(-time.Hour))
		w.run(t, 10*time.Minute)
		if got := told(t, w.DB); len(got) != 1 || !strings.Contains(got[0], "Stripe does not answer") {
			t.Errorf("told %q", got)
		}
		list, _ := w.Statuses()
		n := slices.IndexFunc(list, func(s Status) bool { return s.Key == "processing" })
		if s := list[n]; s.Root != "Stripe does not answer" || s.Calls() || s.Row.State != Firing || w.Count() != 1 {
			t.Errorf("the page shows %+v, %d call", s, w.Count())
		}
		exec(t, w.DB, "DELETE FROM circuits")
		w.run(t, 15*time.Minute)
		if got := told(t, w.DB); len(got) != 3 || !strings.Contains(strings.Join(got, "\n"), "Alert (high): Stored events are not worked on") {
			t.Errorf("with Stripe back: told %q", got)
		}
	})
}

func TestABreakIsCaughtUpWithInSilence(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDB(t)
		watchOf(t, d).run(t, time.Minute)
		time.Sleep(3 * time.Hour)
		exec(t, d, `INSERT INTO jobs (kind, key, args, state, max_attempts, created_at, scheduled_at) VALUES ('sync_customer', 'cus_1', '{}', 'retryable', 15, ?1, ?1)`,
			time.Now().Add(-time.Hour))
		w := watchOf(t, d)
		w.run(t, 14*time.Minute)
		if got := told(t, d); len(got) != 0 || !w.CatchingUpUntil().After(time.Now()) {
			t.Errorf("told %q while it catches up, until %v", got, w.CatchingUpUntil())
		}
		w.run(t, 10*time.Minute)
		if got := told(t, d); len(got) != 1 {
			t.Errorf("told %q", got)
		}
	})
}

func TestAfterARestoreTheBacklogIsCaughtUpWithInSilence(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDB(t)
		watchOf(t, d).run(t, time.Minute)
		time.Sleep(time.Minute) // it was not away for long
		exec(t, d, `INSERT INTO jobs (kind, key, args, state, max_attempts, created_at, scheduled_at) VALUES ('sync_customer', 'cus_1', '{}', 'retryable', 15, ?1, ?1)`,
			time.Now().Add(-time.Hour))
		check(t, d.Tx(t.Context(), func(q *db.Queries) error {
			return db.KeepRestored(t.Context(), q, db.Restored{At: time.Now(), CopyAt: time.Now().Add(-time.Minute)})
		}))
		time.Sleep(time.Minute)
		w := watchOf(t, d)
		w.run(t, 14*time.Minute)
		if got := told(t, d); len(got) != 0 || !w.CatchingUpUntil().After(time.Now()) {
			t.Errorf("told %q while it catches up, until %v", got, w.CatchingUpUntil())
		}
		w.run(t, 10*time.Minute)
		if got := told(t, d); len(got) != 1 {
			t.Errorf("told %q", got)
		}
		again := watchOf(t, d)
		again.run(t, time.Minute)
		if again.CatchingUpUntil().After(time.Now()) {
			t.Error("a later start catches up with it once more")
		}
	})
}

func TestAcknowledging(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(t)
		mute := func() (done bool) {
			check(t, w.DB.Tx(t.Context(), func(q *db.Queries) (err error) {
				done, err = Mute(t.Context(), q, "jobs", "ada@example.com", time.Now().Add(4*time.Hour))
				return err
			}))
			return done
		}
		w.run(t, 2*time.Minute)
		if mute() {
			t.Error("what does not fire was acknowledged")
		}
		deadJobs(t, w.DB, 1, "sync_contact")
		w.run(t, 3*time.Minute)
		if !mute() {
			t.Error("it cannot be acknowledged")
		}
		w.run(t, 3*time.Hour)
		if got := told(t, w.DB); len(got) != 1 || w.Count() != 0 {
			t.Errorf("told %q, %d call", got, w.Count())
		}
		w.run(t, 90*time.Minute)
		if got := told(t, w.DB); len(got) != 2 || w.Count() != 1 {
			t.Errorf("after it: told %q, %d call", got, w.Count())
		}
	})
}
