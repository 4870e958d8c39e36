-- name: InsertJob :execrows
-- Joins the job of this kind and key that waits already: the newer args win and, unless it waits after
-- an error, the earlier time. Zero rows: one that waits after no error needed no change, so a burst writes
-- nothing. RETURNING would cost as much as the insert itself.
INSERT INTO jobs (kind, key, args, state, max_attempts, created_at, scheduled_at)
VALUES (@kind, @key, @args, 'available', @max_attempts, @now, @scheduled_at)
ON CONFLICT (kind, key) WHERE state IN ('available', 'retryable')
DO UPDATE SET args = excluded.args,
  scheduled_at = CASE WHEN state = 'retryable' THEN scheduled_at ELSE min(scheduled_at, excluded.scheduled_at) END
WHERE args <> excluded.args OR scheduled_at > excluded.scheduled_at OR state = 'retryable';

-- name: HurryJob :exec
UPDATE jobs SET scheduled_at = min(scheduled_at, @at) WHERE kind = @kind AND key = @key AND state = 'retryable';

-- name: ClaimJobs :many
-- Due jobs of systems that are not left alone, oldest first, none whose kind and key is being worked on.
UPDATE jobs SET state = 'running', attempt = attempt + 1, attempted_at = @now
WHERE id IN (
  SELECT j.id FROM jobs j
  WHERE j.state IN ('available', 'retryable') AND j.scheduled_at <= @now
    AND j.kind NOT IN (SELECT k.value FROM json_each(@held_kinds) k)
    AND NOT EXISTS (SELECT 1 FROM jobs r WHERE r.state = 'running' AND r.kind = j.kind AND r.key = j.key)
  ORDER BY j.scheduled_at, j.id LIMIT @n)
RETURNING *;

-- name: NextJobAt :one
-- When the first job that ClaimJobs would give is due.
SELECT j.scheduled_at FROM jobs j
WHERE j.state IN ('available', 'retryable')
  AND j.kind NOT IN (SELECT k.value FROM json_each(@held_kinds) k)
  AND NOT EXISTS (SELECT 1 FROM jobs r WHERE r.state = 'running' AND r.kind = j.kind AND r.key = j.key)
ORDER BY j.scheduled_at LIMIT 1;

-- name: FinishJob :execrows
UPDATE jobs SET state = @state, finalized_at = @now, errors = @errors WHERE id = @id AND state = 'running';

-- name: RetryJob :execrows
-- Puts a running job back to wait. It fails on jobs_waiting if a newer one waits already.
UPDATE jobs SET state = @state, attempt = @attempt, scheduled_at = @scheduled_at, errors = @errors
WHERE id = @id AND state = 'running';

-- name: WaitingJob :one
SELECT * FROM jobs WHERE kind = ? AND key = ? AND state IN ('available', 'retryable');

-- name: SucceedJob :exec
-- The waiting job goes on where the running one of its kind and key stopped: with its attempts and
-- errors, and not before its time.
UPDATE jobs SET state = @state, attempt = @attempt, scheduled_at = max(scheduled_at, @scheduled_at), errors = @errors
WHERE id = @id AND state IN ('available', 'retryable');

-- name: RunningJobs :many
SELECT * FROM jobs WHERE state = 'running';

-- name: JobByID :one
SELECT * FROM jobs WHERE id = ?;

-- name: ListJobs :many
-- The newest jobs below id @before; '' stands for any state and any kind.
SELECT * FROM jobs
WHERE id < @before AND (CAST(@state AS TEXT) = '' OR state = @state) AND (CAST(@kind AS TEXT) = '' OR kind = @kind)
ORDER BY id DESC LIMIT @n;

-- name: ReviveJob :execrows
UPDATE jobs SET state = 'available', attempt = 0, scheduled_at = @now, finalized_at = 0
WHERE jobs.id = @id AND jobs.state IN ('discarded', 'cancelled', 'retryable') AND NOT EXISTS (
  SELECT 1 FROM jobs w WHERE w.kind = jobs.kind AND w.key = jobs.key AND w.state IN ('available', 'retryable') AND w.id <> @id);

-- name: CountJobs :many
SELECT state, CAST(COUNT(*) AS INTEGER) AS n FROM jobs GROUP BY state;

-- name: OpenJobs :one
SELECT CAST(COUNT(*) AS INTEGER) FROM jobs WHERE state IN ('available', 'retryable', 'running') AND scheduled_at <= @now;

-- name: PruneJobs :execrows
DELETE FROM jobs WHERE finalized_at <> 0 AND state IN ('completed', 'cancelled') AND finalized_at < @before;

-- name: CircuitOf :one
SELECT * FROM circuits WHERE system = ?;

-- name: OpenCircuits :many
SELECT * FROM circuits WHERE until_at > @now;

-- name: SaveCircuit :exec
INSERT INTO circuits (system, failures, reason, opened_at, until_at) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (system) DO UPDATE SET failures = excluded.failures, reason = excluded.reason, opened_at = excluded.opened_at, until_at = excluded.until_at;

-- name: CloseCircuit :execrows
-- Forgets the failures of a system that answered an attempt begun at @attempted_at. While it was left
-- alone then, the answer is from before or from elsewhere, and says nothing.
DELETE FROM circuits WHERE system = @system AND until_at <= @attempted_at;

-- name: ScheduleByName :one
SELECT * FROM schedules WHERE name = ?;

-- name: SaveSchedule :exec
INSERT INTO schedules (name, spec, timezone, next_at, last_day) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (name) DO UPDATE SET spec = excluded.spec, timezone = excluded.timezone, next_at = excluded.next_at, last_day = excluded.last_day;

-- name: LastJobID :one
SELECT CAST(COALESCE(MAX(id), 0) AS INTEGER) FROM jobs;

-- name: JobsSince :many
SELECT * FROM jobs WHERE id > ? ORDER BY id;

-- name: DiscardedJobIDs :many
SELECT id FROM jobs WHERE state = 'discarded' ORDER BY id;
