package queue_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"bursar/app/db"
	"bursar/app/queue"
)

// A burst of news about one customer while its sync fails is the usual way to lose a job: each piece of
// news would try again at once, and use up the attempts meant for a day and a half.
func TestNewsDoNotHurryAJobThatWaitsAfterAnError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDB(t)
		w, _ := newWorker(d)
		tries := 0
		queue.Handle(w, queue.Options{}, func(context.Context, read) error { tries++; return errors.New("boom") })
		stop := start(t, w)
		for range 120 { // two minutes of news, one a second
			insert(t, d, read{"ada"})
			time.Sleep(time.Second)
		}
		stop()
		list := jobs(t, d) // each took the place of the one before it
		if job := list[len(list)-1]; tries > 4 || job.State != queue.Retryable || job.Attempt != int64(tries) {
			t.Errorf("%d tries in two minutes (1 s, 16 s, 81 s apart make 4); the job is %s after %d attempts", tries, job.State, job.Attempt)
		}
	})
}

func TestNewsAfterASuccessAreWorkedOnAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDB(t)
		w, _ := newWorker(d)
		var ran []time.Time
		queue.Handle(w, queue.Options{}, func(context.Context, read) error {
			ran = append(ran, time.Now())
			if len(ran) < 4 {
				return errors.New("boom")
			}
			return nil
		})
		stop := start(t, w)
		insert(t, d, read{"ada"})
		time.Sleep(10 * time.Minute)
		came := time.Now()
		insert(t, d, read{"ada"})
		synctest.Wait()
		stop()
		if len(ran) != 5 || ran[4].Sub(came) > time.Second {
			t.Errorf("it ran at %v; the news came at %v", ran, came)
		}
		if job := jobs(t, d)[1]; job.Attempt != 1 || job.State != queue.Completed {
			t.Errorf("the job of the news is %s at attempt %d", job.State, job.Attempt)
		}
	})
}

func TestAPersonHurriesAJobThatWaitsAfterAnError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDB(t)
		w, _ := newWorker(d)
		mended := false
		queue.Handle(w, queue.Options{}, func(context.Context, read) error {
			if mended {
				return nil
			}
			return errors.New("boom")
		})
		stop := start(t, w)
		insert(t, d, read{"ada"})
		time.Sleep(30 * time.Second) // the next try is after 16 and 81 seconds
		mended = true
		held := true
		tx(t, d, func(q *db.Queries) (err error) {
			if held, err = queue.Join(t.Context(), q, read{"ben"}); err != nil || held {
				t.Errorf("a new job is held: %v, %v", held, err)
			}
			if held, err = queue.Join(t.Context(), q, read{"ada"}); err != nil || !held {
				t.Errorf("a job that waits after an error is not held: %v, %v", held, err)
			}
			return queue.Hurry(t.Context(), q, read{"ada"}, time.Now())
		})
		time.Sleep(time.Second)
		stop()
		if job := jobs(t, d)[0]; job.State != queue.Completed {
			t.Errorf("it is %s", job.State)
		}
	})
}
