package server

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"bursar/app/db"
	"bursar/app/queue"
)

// retryJobs answers POST /admin/jobs/selected/retry: the chosen jobs, or all that gave up, run now.
func (s *Server) retryJobs(w http.ResponseWriter, r *http.Request) error {
	ids, err := s.chosenJobs(w, r)
	if err != nil {
		return err
	}
	changed, err := s.changeJobs(r, "jobs.retry", ids, func(q *db.Queries, id int64) (int64, error) { return q.ReviveJob(r.Context(), db.Now(), id) })
	if err != nil {
		return err
	}
	n := len(changed)
	done := notice{Text: plural(n, "job runs", "jobs run") + " now."}
	switch left := len(ids) - n; {
	case len(ids) == 0:
		done = notice{Text: "No job was chosen.", Bad: true}
	case n == 0:
		done = notice{Text: "Nothing was changed: the job is done, at work or waiting already. Somebody else may have been first.", Bad: true}
	case left > 0:
		done.Text += " " + plural(left, "stays as it is: it is", "stay as they are: they are") + " done, at work or waiting already."
	}
	return s.seeOther(w, r, jobsBack(r, ids), done)
}

// confirmDiscardData says what discarding means before it is done.
type confirmDiscardData struct {
	page
	Jobs   []jobRow
	Back   string
	Form   url.Values // where it came from
	Healed bool       // the comparison finds what some of them would have done
	Lost   bool       // and not what others would
}

// confirmDiscard answers GET /admin/jobs/selected/discard.
func (s *Server) confirmDiscard(w http.ResponseWriter, r *http.Request) error {
	ids, err := s.chosenJobs(w, r)
	if err != nil {
		return err
	}
	var jobs []db.Job
	for _, id := range ids {
		job, err := s.DB.Read().JobByID(r.Context(), id)
		if errors.Is(err, db.ErrNoRows) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read job %d: %w", id, err)
		}
		if job.State == queue.Available || job.State == queue.Retryable || job.State == queue.Discarded {
			jobs = append(jobs, job)
		}
	}
	if len(jobs) == 0 {
		return s.seeOther(w, r, jobsBack(r, ids), notice{Text: "There is nothing to discard: choose jobs that wait, try again or gave up.", Bad: true})
	}
	d := confirmDiscardData{page: s.page(w, r, "Discard "+plural(len(jobs), "job", "jobs")), Back: jobsBack(r, ids), Form: r.Form}
	if d.Jobs, err = s.jobRows(r, jobs); err != nil {
		return err
	}
	for _, j := range d.Jobs {
		d.Healed, d.Lost = d.Healed || j.Healed, d.Lost || !j.Healed
	}
	return s.render(w, http.StatusOK, "discard", d)
}

// discardJobs answers POST /admin/jobs/selected/discard. A retry takes it back.
func (s *Server) discardJobs(w http.ResponseWriter, r *http.Request) error {
	ids, err := s.chosenJobs(w, r)
	if err != nil {
		return err
	}
	changed, err := s.changeJobs(r, "jobs.discard", ids, func(q *db.Queries, id int64) (int64, error) { return q.CancelJob(r.Context(), db.Now(), id) })
	if err != nil {
		return err
	}
	if len(changed) == 0 {
		return s.seeOther(w, r, jobsBack(r, ids), notice{Text: "Nothing was discarded: the job is done or at work, or somebody else was first.", Bad: true})
	}
	undo := url.Values{}
	for _, id := range changed {
		undo.Add("id", strconv.FormatInt(id, 10))
	}
	return s.seeOther(w, r, jobsBack(r, ids), notice{Text: plural(len(changed), "job", "jobs") + " discarded.",
		Undo: &action{"Undo: run after all", "/admin/jobs/selected/retry?" + undo.Encode()}})
}

const (
	maxChosen = 200
	jobsPerTx = 500 // other writes wait for one transaction
)

// chosenJobs are the jobs that a form names.
func (s *Server) chosenJobs(w http.ResponseWriter, r *http.Request) ([]int64, error) {
	if err := readForm(w, r); err != nil {
		return nil, err
	}
	if r.Form.Get("all") == queue.Discarded && r.Method == http.MethodPost {
		return s.DB.Read().DiscardedJobIDs(r.Context())
	}
	chosen := r.Form["id"]
	if len(chosen) > maxChosen {
		return nil, badRequest(fmt.Sprintf("more than %d jobs were chosen", maxChosen))
	}
	var ids []int64
	for _, text := range chosen {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, badRequest("the number of a job is not a number")
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// changeJobs does something to each job and returns those that it changed.
func (s *Server) changeJobs(r *http.Request, what string, ids []int64, change func(*db.Queries, int64) (int64, error)) (changed []int64, err error) {
	for some := range slices.Chunk(ids, jobsPerTx) {
		var done []int64
		err := s.DB.Tx(r.Context(), func(q *db.Queries) error {
			for _, id := range some {
				n, err := change(q, id)
				if err != nil {
					return err
				}
				if n > 0 {
					done = append(done, id)
				}
			}
			if len(done) == 0 {
				return nil
			}
			return s.audit(r.Context(), q, r, what, plural(len(done), "job", "jobs"), strings.Trim(fmt.Sprint(done), "[]"))
		})
		if err != nil {
			return changed, notStored(fmt.Errorf("%s: %w", what, err))
		}
		changed = append(changed, done...)
	}
	return changed, nil
}

// jobsBack is where a form about jobs was: the page of a job, or the list with its filter.
func jobsBack(r *http.Request, ids []int64) string {
	if r.Form.Get("from") == "job" && len(ids) == 1 {
		return fmt.Sprintf("/admin/jobs/%d", ids[0])
	}
	query := url.Values{}
	for _, name := range []string{"state", "kind"} {
		if v := r.Form.Get(name); v != "" {
			query.Set(name, v)
		}
	}
	if len(query) == 0 {
		return "/admin/jobs"
	}
	return "/admin/jobs?" + query.Encode()
}
