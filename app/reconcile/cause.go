package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"bursar/app/db"
	"bursar/app/queue"
	"bursar/app/stripe"
)

// Causes of a difference, as they are stored.
const (
	Unknown           = "unknown"
	NeverDelivered    = "never_delivered"    // Stripe made an event, and it is not here
	Late              = "late"               // it came long after it was made, or the sweep brought it
	JobFailed         = "job_failed"         // it came, and the job that follows from it failed
	JobWaits          = "job_waits"          // it came, and the job has not had its turn
	JobDropped        = "job_dropped"        // it came, and a person discarded the job
	Ignored           = "ignored"            // it came, and is of another mode or account
	Paused            = "paused"             // the system is left alone just now
	ConnectorOff      = "connector_off"      // nothing is written to the system of another company
	ConnectorObserves = "connector_observes" // what would be written there is only noted
	EditedHere        = "edited_here"        // changed in Bursar's own file
	EditedThere       = "edited_there"       // changed in the CRM or on the desk
	DeletedThere      = "deleted_there"      // deleted in the CRM or on the desk
	NoEvent           = "no_event"           // changed in Stripe, which made no event about it
	Older             = "older"              // from before Bursar listened
	TimePassed        = "time_passed"        // it became wrong by itself
	NeverWritten      = "never_written"      // no job was ever made that would write it
	AsInStripe        = "as_in_stripe"       // Stripe itself says it
	Unnamed           = "unnamed"            // a setting is missing
	Duplicate         = "duplicate"
)

var causeWords = map[string]string{
	Unknown: "not known", NeverDelivered: "never delivered", Late: "delivered late", JobFailed: "delivered, and the job failed",
	JobWaits: "delivered, and the job waits", JobDropped: "delivered, and the job was discarded", Ignored: "the event was ignored",
	Paused: "the system is paused", ConnectorOff: "the connector is off", ConnectorObserves: "the connector only observes", EditedHere: "edited here by hand", EditedThere: "edited there by hand", DeletedThere: "deleted there by hand",
	NoEvent: "changed in Stripe without an event", Older: "older than this Bursar", TimePassed: "time has passed",
	NeverWritten: "never written", AsInStripe: "so in Stripe itself", Unnamed: "a setting is missing", Duplicate: "looks like a duplicate",
}

// CauseWords is a cause in a few words.
func CauseWords(cause string) string { return causeWords[cause] }

// reason is why a difference is there.
type reason struct {
	cause       string
	evidence    string
	at          time.Time // when what it tells of was
	evidenceJob int64     // 0: no job has to do with it
}

const late = time.Hour // an event that took longer than this is called late

// explain finds out why a difference is there, from what is stored and from Stripe's list of events.
func (c *comparison) explain(ctx context.Context, f *finding) (err error) {
	if f.cause != "" {
		return nil
	}
	switch kind := KindOf(f.kind); {
	case kind.source != here:
		f.reason, err = c.whyStripe(ctx, f)
	case f.kind == contactMissing || f.kind == contactDiffers:
		f.reason, err = c.whyContact(ctx, f)
	case f.kind == ticketMissing || f.kind == ticketLeftOpen:
		f.reason, err = c.whyTicket(ctx, f)
	default:
		f.reason, err = c.whyRecord(ctx, f)
	}
	return err
}

// jobsAbout are the newest jobs of a kind and key, the newest first.
func (c *comparison) jobsAbout(ctx context.Context, kind, key string) ([]db.Job, error) {
	keys, err := json.Marshal([]string{key})
	if err != nil {
		return nil, err
	}
	q := c.DB.Read()
	open, err := q.JobsOpenAbout(ctx, string(keys))
	if err != nil {
		return nil, err
	}
	done, err := q.JobsDoneAbout(ctx, string(keys), db.At(time.Now().Add(time.Second)), 10)
	jobs := slices.DeleteFunc(append(open, done...), func(j db.Job) bool { return j.Kind != kind })
	slices.SortStableFunc(jobs, func(a, b db.Job) int { return int(b.ID - a.ID) })
	return jobs, err
}

// ofJob is what the newest job tells, if it is the reason. system is the one that it talks to.
func (c *comparison) ofJob(ctx context.Context, jobs []db.Job, system string) (reason, bool, error) {
	if len(jobs) == 0 {
		return reason{}, false, nil
	}
	j := jobs[0]
	r := reason{evidenceJob: j.ID, at: j.CreatedAt.Time}
	text := ""
	if errs := queue.Errors(j); len(errs) > 0 {
		text, r.at = ": "+strings.TrimRight(errs[len(errs)-1].Error, "."), errs[len(errs)-1].At
	}
	until, why, err := queue.OpenUntil(ctx, c.DB.Read(), system)
	switch {
	case err != nil:
		return r, false, err
	case j.State == queue.Discarded:
		r.cause, r.evidence = JobFailed, fmt.Sprintf("The job that would write it gave up after %d attempts%s", j.Attempt, text)
	case j.State == queue.Cancelled:
		r.cause, r.evidence, r.at = JobDropped, "A person discarded the job that would write it", j.FinalizedAt.Time
	case j.State == queue.Completed:
		return reason{}, false, nil
	case !until.IsZero():
		r.cause, r.evidence, r.at = Paused, "The system is left alone for a while: "+strings.TrimRight(why, "."), until
	case j.State == queue.Retryable:
		r.cause, r.evidence = JobFailed, fmt.Sprintf("The job that would write it failed (attempt %d)%s; it tries again", j.Attempt, text)
	default:
		r.cause, r.evidence = JobWaits, "The job that would write it waits for its turn"
	}
	return r, true, nil
}

// whyStripe explains a difference from Stripe.
func (c *comparison) whyStripe(ctx context.Context, f *finding) (reason, error) {
	q := c.DB.Read()
	here, err := q.StripeCustomer(ctx, f.stripeCustomer)
	if err != nil && !errors.Is(err, db.ErrNoRows) {
		return reason{}, err
	}
	stored, err := q.EventsAbout(ctx, f.stripeCustomer)
	if err != nil {
		return reason{}, err
	}
	for _, e := range stored {
		if e.Ignored != "" && !e.CreatedAt.Before(here.ConfirmedAt.Truncate(time.Second)) && about(e.ObjectID, f) {
			return reason{Ignored, fmt.Sprintf("%s came and was ignored: %s", e.Type, e.Ignored), e.ReceivedAt.Time, 0}, nil
		}
	}
	jobs, err := c.jobsAbout(ctx, syncKind, f.stripeCustomer)
	if err != nil {
		return reason{}, err
	}
	if r, ok, err := c.ofJob(ctx, jobs, "stripe"); ok || err != nil {
		return r, err
	}
	lost, known, err := c.lostEvent(ctx, f)
	if err != nil {
		return reason{}, err
	}
	if lost.ID != "" {
		return reason{NeverDelivered, fmt.Sprintf("Stripe made %s (%s), and it never arrived here", lost.Type, lost.ID), lost.CreatedAt, 0}, nil
	}
	synced, err := c.syncedAt(ctx, here.CustomerID)
	if err != nil {
		return reason{}, err
	}
	for _, e := range stored {
		if about(e.ObjectID, f) && e.ReceivedAt.Sub(e.CreatedAt.Time) > late && e.ReceivedAt.After(synced) {
			return reason{Late, fmt.Sprintf("%s came %s after Stripe made it", e.Type, e.ReceivedAt.Sub(e.CreatedAt.Time).Round(time.Minute)), e.ReceivedAt.Time, 0}, nil
		}
	}
	if here.ID == "" && len(stored) == 0 {
		return c.whyUnknown(f, known), nil
	}
	edited, err := c.editedHere(ctx, f)
	if err != nil {
		return reason{}, err
	}
	if edited {
		return reason{EditedHere, "What Stripe's events told is what Stripe says; it was changed here afterwards, in Bursar's own file", here.AsOfAt.Time, 0}, nil
	}
	if !known {
		return reason{cause: Unknown, evidence: "Stripe's list of events could not be read"}, nil
	}
	return reason{NoEvent, "Stripe lists no event about it since it was read last: it was changed there without one", here.AsOfAt.Time, 0}, nil
}

// syncedAt is when a customer of ours was synced last, zero if there is none.
func (c *comparison) syncedAt(ctx context.Context, id int64) (time.Time, error) {
	record, err := c.DB.Read().CustomerByID(ctx, id)
	if errors.Is(err, db.ErrNoRows) {
		err = nil
	}
	return record.SyncedAt.Time, err
}

// whyUnknown explains somebody of whom nothing is stored.
func (c *comparison) whyUnknown(f *finding, known bool) reason {
	if known {
		return reason{cause: Older, evidence: "Stripe lists no event about it any more: it is from before Bursar listened"}
	}
	return reason{cause: Unknown, evidence: "Stripe's list of events could not be read"}
}

// about says that an object is what a finding is about.
func about(object string, f *finding) bool { return object == f.subject || object == f.stripeCustomer }

// lostEvent is the newest event of Stripe about a finding that is not stored here. known is false where the
// list could not be read.
func (c *comparison) lostEvent(ctx context.Context, f *finding) (lost stripe.Event, known bool, err error) {
	if c.events == nil {
		c.events = c.readEvents(ctx)
	}
	if c.events.failed {
		return lost, false, nil
	}
	for _, e := range c.events.of[f.subject] {
		if f.kind == customerDiffers && e.ObjectID != f.subject {
			continue // a payment says nothing of the payer's name
		}
		if err := c.isLost(ctx, e, &lost); err != nil {
			return lost, true, err
		}
	}
	if lost.ID == "" {
		for _, e := range c.events.of[f.stripeCustomer] {
			if f.kind != customerMissing && !related(e, f) {
				continue
			}
			if err := c.isLost(ctx, e, &lost); err != nil {
				return lost, true, err
			}
		}
	}
	return lost, true, nil
}

func (c *comparison) isLost(ctx context.Context, e stripe.Event, lost *stripe.Event) error {
	if !lost.CreatedAt.Before(e.CreatedAt) && lost.ID != "" {
		return nil
	}
	_, err := c.DB.Read().EventByID(ctx, e.ID)
	if errors.Is(err, db.ErrNoRows) {
		*lost, err = e, nil
	}
	return err
}

// related says that an event that does not name the subject of a finding tells of it all the same.
func related(e stripe.Event, f *finding) bool {
	switch f.kind {
	case refundMissing, refundDiffers:
		return strings.Contains(e.Type, "refund")
	case disputeMissing, disputeDiffers:
		return strings.Contains(e.Type, "dispute")
	case customerDeleted, customerDiffers, linkToNothing:
		return e.ObjectID == f.stripeCustomer
	case paidNotActive, accessWouldEnd, subscriptionEnded, subscriptionDiffers, subscriptionMissing:
		return strings.HasPrefix(e.Type, "customer.subscription.") && e.ObjectID == f.subject
	}
	return false
}

// eventIndex is Stripe's events by what they are about. Their payloads are dropped.
type eventIndex struct {
	of     map[string][]stripe.Event
	failed bool
}

const maxEvents = 10_000 // of Stripe's list that are looked at for evidence: a hundred calls

// readEvents reads Stripe's list of events back to the last whole run. It is evidence only: without it the
// run is as good, and says less.
func (c *comparison) readEvents(ctx context.Context) *eventIndex {
	index := &eventIndex{of: map[string][]stripe.Event{}}
	since := c.started.AddDate(0, 0, -30)
	if last, err := c.DB.Read().PreviousStripeRun(ctx, c.row.ID); err == nil && last.StartedAt.Add(-time.Hour).After(since) {
		since = last.StartedAt.Add(-time.Hour)
	}
	n := 0
	for e, err := range c.Stripe.Events(ctx, stripe.EventQuery{Since: since}) {
		if err != nil {
			index.failed = true
			return index
		}
		if n++; n > maxEvents {
			return index
		}
		e.Payload = nil
		for _, id := range slices.Compact(slices.Sorted(slices.Values([]string{e.ObjectID, e.Customer, e.Charge}))) {
			if id != "" {
				index.of[id] = append(index.of[id], e)
			}
		}
	}
	return index
}
