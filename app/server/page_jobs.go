package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"bursar/app/auth"
	"bursar/app/db"
	"bursar/app/mail"
	"bursar/app/queue"
)

// jobsPageData is the list of jobs.
type jobsPageData struct {
	page
	pager
	State, Kind string // the filter
	States      []stateCount
	Kinds       []jobKind
	Jobs        []jobRow
	Held        []db.Circuit // systems that are left alone
	MayAct      bool
	Discarded   int64 // jobs that gave up, of all kinds
	Searched    bool  // the filter was held against a stretch of the jobs only
}

// stateCount is an entry of the state filter.
type stateCount struct {
	jobState
	N int64 // 0 where it is not counted: what is done grows without end
}

// jobRow is a job in a list.
type jobRow struct {
	db.Job
	jobKind
	Words  string // its state
	About  link
	Error  string // the last one
	Due    bool   // it waits only for its turn
	Choice bool   // it can be retried or discarded
}

// jobsPage answers GET /admin/jobs.
func (s *Server) jobsPage(w http.ResponseWriter, r *http.Request) error {
	ctx, q, query := r.Context(), s.DB.Read(), r.URL.Query()
	d := jobsPageData{page: s.page(w, r, "Jobs"), State: query.Get("state"), Kind: query.Get("kind"), Kinds: jobKinds[:],
		MayAct: userOf(r).Role.May(auth.RetryJobs)}
	depth, err := q.QueueDepth(ctx, db.Now())
	if err != nil {
		return fmt.Errorf("count the jobs: %w", err)
	}
	counts := map[string]int64{queue.Available: depth.Available, queue.Retryable: depth.Retryable, queue.Running: depth.Running, queue.Discarded: depth.Discarded}
	for _, state := range jobStates {
		d.States = append(d.States, stateCount{state, counts[state.State]})
	}
	d.Discarded = depth.Discarded
	if d.Held, err = q.OpenCircuits(ctx, db.Now()); err != nil {
		return fmt.Errorf("read what is left alone: %w", err)
	}
	jobs, next, searched, err := listJobs(ctx, q, d.State, d.Kind, cursorOf(r))
	if err != nil {
		return fmt.Errorf("list the jobs: %w", err)
	}
	d.pager, d.Searched = pagerOf(r, next), searched
	if d.Jobs, err = s.jobRows(r, jobs); err != nil {
		return err
	}
	return s.render(w, http.StatusOK, "jobs", d)
}

// listJobs reads one page of the jobs and the cursor of the next. Where it searched a stretch only, it says so.
func listJobs(ctx context.Context, q *db.Queries, state, kind string, before int64) (jobs []db.Job, next string, searched bool, err error) {
	floor := int64(0)
	switch state {
	case queue.Running:
		jobs, err = q.RunningJobs(ctx) // as many as there are workers
		jobs = slices.DeleteFunc(jobs, func(j db.Job) bool { return kind != "" && j.Kind != kind || j.ID >= before })
	case queue.Available, queue.Retryable:
		jobs, err = q.WaitingJobsPage(ctx, db.WaitingJobsPageParams{State: state, Before: before, Kind: kind, N: listSize + 1})
	case queue.Discarded, queue.Cancelled:
		jobs, err = q.EndedJobsPage(ctx, db.EndedJobsPageParams{State: state, Before: before, Kind: kind, N: listSize + 1})
	default:
		last, lastErr := q.LastJobID(ctx)
		floor = floorOf(state != "" || kind != "", before, last)
		jobs, err = q.JobsPage(ctx, db.JobsPageParams{Before: before, Since: floor, State: state, Kind: kind, N: listSize + 1})
		err = errors.Join(lastErr, err)
	}
	jobs, next = cut(jobs, func(j db.Job) int64 { return j.ID })
	return jobs, further(next, floor), next == "" && floor > 1, err
}

// jobRows puts jobs into words.
func (s *Server) jobRows(r *http.Request, jobs []db.Job) ([]jobRow, error) {
	rows := make([]jobRow, len(jobs))
	for i, j := range jobs {
		row := jobRow{Job: j, jobKind: kindOf(j.Kind), Words: stateWords(j.State), Due: !j.ScheduledAt.After(time.Now()),
			Choice: slices.Contains([]string{queue.Available, queue.Retryable, queue.Discarded, queue.Cancelled}, j.State)}
		about, err := jobAbout(r.Context(), s.DB.Read(), j)
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(about.Path, "/admin/outbox") && !userOf(r).Role.May(auth.ReadPayments) {
			about.Path = ""
		}
		row.About = about
		if errs := queue.Errors(j); len(errs) > 0 {
			row.Error = mail.Line(errs[len(errs)-1].Error, 300)
		}
		rows[i] = row
	}
	return rows, nil
}

// jobPageData is one job.
type jobPageData struct {
	page
	jobRow
	Attempts []queue.AttemptError // newest first
	ArgsText string
	MayAct   bool
}

// jobPage answers GET /admin/jobs/{id}.
func (s *Server) jobPage(w http.ResponseWriter, r *http.Request) error {
	const missing = "there is no such job; finished jobs are kept for 7 days"
	id, err := pathID(r, missing)
	if err != nil {
		return err
	}
	job, err := s.DB.Read().JobByID(r.Context(), id)
	if err != nil {
		return found(err, missing)
	}
	rows, err := s.jobRows(r, []db.Job{job})
	if err != nil {
		return err
	}
	attempts := queue.Errors(job)
	slices.Reverse(attempts)
	return s.render(w, http.StatusOK, "job", jobPageData{page: s.page(w, r, fmt.Sprintf("Job %d", id)), jobRow: rows[0], Attempts: attempts,
		ArgsText: indentJSON([]byte(job.Args), maxArgs), MayAct: userOf(r).Role.May(auth.RetryJobs)})
}

const maxArgs = 4 << 10 // bytes of a job's args on its page

// indentJSON sets JSON in lines, cut to so many bytes. What is no JSON stays as it is.
func indentJSON(text []byte, most int) string {
	var b bytes.Buffer
	if json.Indent(&b, text, "", "  ") != nil {
		b.Reset()
		b.Write(text)
	}
	if b.Len() <= most {
		return strings.ToValidUTF8(b.String(), "\ufffd")
	}
	return strings.ToValidUTF8(string(b.Bytes()[:most]), "") + "\n… cut here"
}
