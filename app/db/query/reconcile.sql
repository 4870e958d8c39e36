-- name: InsertRun :one
INSERT INTO runs (day, state, late, started_at) VALUES (?, 'running', ?, ?) RETURNING id;

-- name: RunByDay :one
SELECT * FROM runs WHERE day = ?;

-- name: RunByID :one
SELECT * FROM runs WHERE id = ?;

-- name: LastRun :one
SELECT * FROM runs WHERE state IN ('complete', 'incomplete') ORDER BY id DESC LIMIT 1;

-- name: PreviousScheduledRun :one
SELECT * FROM runs WHERE state IN ('complete', 'incomplete') AND day <> '' AND id < ? ORDER BY id DESC LIMIT 1;

-- name: FinishRun :exec
UPDATE runs SET state = ?, stripe_compared = ?, customers = ?, subscriptions = ?, contacts = ?, tickets = ?, error = ?, note = ?, unread = ?, finished_at = ? WHERE id = ?;

-- name: SaveFinding :exec
-- The customer may have been merged into another since it was read. What was dismissed stays so as long as it
-- says the same. What is known of the cause is not forgotten for want of news.
INSERT INTO findings (run_id, kind, subject, customer_id, expected, actual, systems, cause, evidence, evidence_at, evidence_job,
  repair, job_kind, job_key, job_args, before, state, first_at, last_at)
VALUES (@run_id, @kind, @subject, (SELECT c.id FROM customers c WHERE c.id = @customer_id), @expected, @actual, @systems, @cause, @evidence,
  @evidence_at, @evidence_job, @repair, @job_kind, @job_key, @job_args, @before, 'open', @now, @now)
ON CONFLICT (kind, subject) WHERE state IN ('open', 'dismissed') DO UPDATE SET run_id = excluded.run_id, customer_id = excluded.customer_id,
  state = CASE WHEN findings.state = 'dismissed' AND findings.expected = excluded.expected AND findings.actual = excluded.actual
    THEN 'dismissed' ELSE 'open' END,
  cause = CASE WHEN excluded.cause = 'unknown' THEN findings.cause ELSE excluded.cause END,
  evidence = CASE WHEN excluded.cause = 'unknown' THEN findings.evidence ELSE excluded.evidence END,
  evidence_at = CASE WHEN excluded.cause = 'unknown' THEN findings.evidence_at ELSE excluded.evidence_at END,
  evidence_job = CASE WHEN excluded.cause = 'unknown' THEN findings.evidence_job ELSE excluded.evidence_job END,
  expected = excluded.expected, actual = excluded.actual, systems = excluded.systems, repair = excluded.repair,
  job_kind = excluded.job_kind, job_key = excluded.job_key, job_args = excluded.job_args, before = excluded.before,
  seen = findings.seen + (findings.run_id <> excluded.run_id), last_at = excluded.last_at;

-- name: CarryFindings :exec
-- Findings of kinds that are looked for among what is new only: what is open of them is seen once more.
UPDATE findings SET run_id = @run_id, seen = seen + 1, last_at = @now
WHERE findings.state IN ('open', 'dismissed') AND findings.run_id < @run_id
  AND findings.kind IN (SELECT k.value FROM json_each(CAST(@kinds AS TEXT)) k);

-- name: RepairsToQueue :many
-- Open findings of a run that a job mends, after an id.
SELECT id, job_kind, job_key, job_args FROM findings
WHERE run_id = @run_id AND id > @after AND state = 'open' AND repair = 'job' ORDER BY id LIMIT @n;

-- name: HoldFinding :exec
-- Its job would take something away besides: a person must ask for it.
UPDATE findings SET repair = 'person' WHERE id = ?;

-- name: FixUnseen :exec
-- After a complete run: what it did not see again is no more. It was not looking for the kinds of the
-- JSON list @blind, and left out what a job is about to mend.
UPDATE findings SET state = 'fixed', fixed_at = @now
WHERE findings.state IN ('open', 'dismissed') AND findings.run_id < @run_id
  AND findings.kind NOT IN (SELECT k.value FROM json_each(CAST(@blind AS TEXT)) k)
  AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.kind = findings.job_kind AND j.key = findings.job_key
    AND (j.state IN ('available', 'retryable') AND j.state = 'available' AND j.scheduled_at <= @now OR j.state = 'running'));

-- name: FixRepaired :exec
-- What a job begun after the run has mended. Each state is named twice where that lets SQLite see that
-- a partial index holds all the rows.
UPDATE findings SET state = 'fixed', fixed_at = @now, fixed_by = 'bursar'
WHERE findings.state = 'open' AND findings.run_id = @run_id AND findings.repair = 'job'
  AND (findings.job_kind, findings.job_key) IN (SELECT j.kind, j.key FROM jobs j
    WHERE j.finalized_at <> 0 AND j.state = 'completed' AND j.finalized_at >= @since AND j.attempted_at >= @since);

-- name: OpenRepairs :one
-- Findings of a run whose job is still waiting for its first attempt, or at work, or whose repair was asked for.
SELECT CAST(COUNT(*) AS INTEGER) FROM findings f
WHERE f.run_id = @run_id AND f.state = 'open' AND (f.repair = 'person' AND EXISTS (
  SELECT 1 FROM repairs r WHERE r.finding_id = f.id AND r.state = 'asked') OR f.repair = 'job' AND EXISTS (
  SELECT 1 FROM jobs j WHERE j.kind = f.job_kind AND j.key = f.job_key
    AND (j.state IN ('available', 'retryable') AND j.state = 'available' OR j.state = 'running')));

-- name: FindingsOfRun :many
-- A Stripe customer that was not known has one of ours once it is repaired.
SELECT f.*, CAST(COALESCE(c.id, 0) AS INTEGER) AS known_id,
  CAST(COALESCE(c.name, '') AS TEXT) AS customer_name, CAST(COALESCE(c.email, '') AS TEXT) AS customer_email,
  CAST(EXISTS (SELECT 1 FROM jobs j WHERE j.kind = f.job_kind AND j.key = f.job_key
    AND (j.state IN ('available', 'retryable') AND j.state = 'available' OR j.state = 'running')) AS INTEGER) AS under_way
FROM findings f LEFT JOIN customers c ON c.id = COALESCE(f.customer_id,
  (SELECT l.customer_id FROM links l WHERE l.system = 'stripe' AND l.remote_id = f.job_key))
WHERE f.run_id = ? ORDER BY f.repair DESC, f.kind, f.id;

-- name: FailedInvoices :many
SELECT i.*, c.name AS customer_name, c.email AS customer_email FROM invoices i JOIN customers c ON c.id = i.customer_id
WHERE i.failed = 1 ORDER BY i.created_at DESC;

-- name: RecoveredInvoices :many
-- Paid after at least one failed attempt.
SELECT i.*, c.name AS customer_name, c.email AS customer_email FROM invoices i JOIN customers c ON c.id = i.customer_id
WHERE i.status = 'paid' AND i.paid_at >= @since AND i.paid_at < @until AND i.attempts > 1 ORDER BY i.paid_at DESC;

-- name: RefundsBetween :many
SELECT r.*, c.name AS customer_name, c.email AS customer_email FROM refunds r JOIN customers c ON c.id = r.customer_id
WHERE r.created_at >= @since AND r.created_at < @until ORDER BY r.created_at DESC;

-- name: OpenDisputes :many
SELECT d.*, c.name AS customer_name, c.email AS customer_email FROM disputes d JOIN customers c ON c.id = d.customer_id
WHERE d.status NOT IN ('won', 'lost', 'warning_closed', 'prevented') ORDER BY d.created_at DESC;

-- name: DiscardedJobs :many
SELECT * FROM jobs WHERE state = 'discarded' ORDER BY id DESC LIMIT ?;

-- name: FailStaleRuns :exec
-- Runs by hand that a dead process left behind.
UPDATE runs SET state = 'failed', error = 'the process ended before the run did', finished_at = @now WHERE state = 'running' AND day = '';

-- name: JobUnderWay :one
-- Whether a job became due lately, is at work, or ended since a time: what differs is gone in a moment, or
-- already. One that failed does not count.
SELECT CAST(COUNT(*) AS INTEGER) FROM jobs WHERE kind = @kind AND key = @key AND (
     state IN ('available', 'retryable') AND state = 'available' AND scheduled_at <= @now AND scheduled_at > @stuck_at
  OR state = 'running'
  OR finalized_at <> 0 AND state = 'completed' AND finalized_at >= @since);

-- name: UnknownPrices :many
-- Live subscriptions whose price nobody gave a name, one for each price.
SELECT s.price, CAST(MIN(s.customer_id) AS INTEGER) AS customer_id, CAST(COUNT(*) AS INTEGER) AS n FROM subscriptions s
WHERE s.plan = '' AND s.status NOT IN ('canceled', 'incomplete_expired') GROUP BY s.price ORDER BY s.price;

-- name: TwoPeople :many
-- Checkouts of one customer that name the user of another.
SELECT c.id, c.user_id, c.customer_id, l.customer_id AS user_customer_id FROM checkouts c
JOIN links l ON l.system = 'user' AND l.remote_id = c.user_id
WHERE c.user_id <> '' AND l.customer_id <> c.customer_id ORDER BY c.id;

-- name: CountIgnoredSince :many
SELECT ignored, CAST(COUNT(*) AS INTEGER) AS n FROM events WHERE ignored <> '' AND ignored <> 'its customer was erased' AND received_at >= @since GROUP BY ignored;

-- name: LastRunByHand :one
-- A run that somebody asked for since a time, once it has ended.
SELECT * FROM runs WHERE day = '' AND started_at >= @since AND state IN ('complete', 'incomplete') ORDER BY id DESC LIMIT 1;

-- name: OpenFindings :many
SELECT * FROM findings WHERE state = 'open' ORDER BY id;
