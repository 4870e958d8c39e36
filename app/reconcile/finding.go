package reconcile

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"bursar/app/db"
	"bursar/app/queue"
)

// finding is one thing that two systems say differently.
type finding struct {
	kind       string
	subject    string // the id of what differs
	customerID int64
	expected   string // by the system that is right
	actual     string
	job        queue.Args // what mends it, or what a person may ask for; nil: nothing can
	before     queue.Args // what puts back what stood there; nil where nothing can
	hold       bool       // a person must ask for the job though the kind needs none
	since      time.Time  // when what differs was begun to be read; zero: as the rest of this part

	stripeCustomer string // whose events and jobs may tell why, "" if none
	systems        Systems
	reason
}

// storedJob is a job as a finding keeps it.
type storedJob struct {
	kind, key string
	args      json.RawMessage
}

func (j storedJob) Kind() string                 { return j.kind }
func (j storedJob) Key() string                  { return j.key }
func (j storedJob) MarshalJSON() ([]byte, error) { return j.args, nil }

const (
	flushAt  = 200             // findings share one transaction, and are kept in memory until then
	inFlight = 5 * time.Minute // a job that has been due for longer is stuck: what it would mend is a finding

	// Repairs begin two a second after the first few: a sync is six calls, and Stripe's limit, which the
	// client keeps to at 20 a second, must have room for who pays just now.
	repairBurst = 10
	repairEvery = 500 * time.Millisecond
)

// add keeps a finding, and stores those kept when they are many. What a job is about to mend by
// itself, or has mended since the reading began, is none.
func (c *comparison) add(ctx context.Context, f finding) error {
	if f.since.IsZero() {
		f.since = c.reading
	}
	if f.job != nil {
		under, err := c.underWay(ctx, f.job.Kind(), f.job.Key(), f.since)
		if err != nil || under {
			return err
		}
	}
	if f.stripeCustomer != "" && KindOf(f.kind).source != here {
		made := f.kind == notInStripe || f.kind == linkToNothing // what is here was made up: nothing may follow from it
		c.covered[f.stripeCustomer] = c.covered[f.stripeCustomer] || made || f.job != nil && !KindOf(f.kind).Person
	}
	if err := c.explain(ctx, &f); err != nil {
		return fmt.Errorf("why %s %s: %w", f.kind, f.subject, err)
	}
	if f.kind == notInStripe || f.kind == linkToNothing {
		f.evidence += ". The contact and the tickets of this customer are compared again once this is decided"
	}
	if err := c.holdAgain(ctx, &f); err != nil {
		return err
	}
	if err := c.say(ctx, &f); err != nil {
		return fmt.Errorf("what the systems say of %s: %w", f.subject, err)
	}
	c.found = append(c.found, f)
	if len(c.found) < flushAt {
		return nil
	}
	return c.flush(ctx)
}

// underWay says that a job is due, at work, or has been done since a time.
func (c *comparison) underWay(ctx context.Context, kind, key string, since time.Time) (bool, error) {
	now := time.Now()
	n, err := c.DB.Read().JobUnderWay(ctx, db.JobUnderWayParams{Kind: kind, Key: key,
		Now: db.At(now), StuckAt: db.At(now.Add(-inFlight)), Since: db.At(since)})
	return n > 0, err
}

// flush stores the findings.
func (c *comparison) flush(ctx context.Context) error {
	err := c.DB.Tx(ctx, func(q *db.Queries) error {
		for _, f := range c.found {
			p, err := c.params(f)
			if err != nil {
				return err
			}
			if err := q.SaveFinding(ctx, p); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("store findings: %w", err)
	}
	c.found = c.found[:0]
	return nil
}

func (c *comparison) params(f finding) (p db.SaveFindingParams, err error) {
	systems, err := json.Marshal(f.systems)
	if err != nil {
		return p, err
	}
	p = db.SaveFindingParams{RunID: c.row.ID, Kind: f.kind, Subject: f.subject, CustomerID: f.customerID,
		Expected: f.expected, Actual: f.actual, Systems: string(systems), Cause: cmp.Or(f.cause, Unknown), Evidence: f.evidence,
		EvidenceAt: db.At(f.at), EvidenceJob: f.evidenceJob, Repair: "job", Now: db.Now()}
	if KindOf(f.kind).Person || f.job == nil || f.hold {
		p.Repair = "person"
	}
	if f.job != nil {
		p.JobKind, p.JobKey = f.job.Kind(), f.job.Key()
		args, err := json.Marshal(f.job)
		if err != nil {
			return p, err
		}
		p.JobArgs = string(args)
	}
	if f.before != nil {
		args, err := json.Marshal(f.before)
		if err != nil {
			return p, err
		}
		p.Before = string(args)
	}
	return p, nil
}

// queueRepairs queues what the findings of this run are mended by. It comes last: by then it is known whose
// access would end, and nothing that reads such a customer again may run without a person.
func (c *comparison) queueRepairs(ctx context.Context) error {
	for after := int64(0); ; {
		rows, err := c.DB.Read().RepairsToQueue(ctx, c.row.ID, after, flushAt)
		if err != nil || len(rows) == 0 {
			return err
		}
		err = c.DB.Tx(ctx, func(q *db.Queries) error {
			for _, r := range rows {
				after = r.ID
				if r.JobKind == syncKind && c.ends[r.JobKey] {
					if err := q.HoldFinding(ctx, r.ID); err != nil {
						return err
					}
					continue
				}
				if err := c.queueRepair(ctx, q, storedJob{r.JobKind, r.JobKey, json.RawMessage(r.JobArgs)}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("queue repairs: %w", err)
		}
	}
}

func (c *comparison) queueRepair(ctx context.Context, q *db.Queries, job queue.Args) error {
	c.repairs++
	wait := time.Duration(max(c.repairs-repairBurst, 0)) * repairEvery
	return queue.Hurry(ctx, q, job, time.Now().Add(wait))
}
