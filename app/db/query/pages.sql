-- What the admin pages list. Few rows of a big table may match a filter, so those queries look at a
-- stretch of it (@since up to @before) and the page offers the next one.

-- name: EventsPage :many
-- The newest events of a stretch, payloads left out. '' stands for any type; a part of a type will do.
SELECT seq, id, type, livemode, object_id, customer, source, ignored, created_at, received_at FROM events
WHERE seq < @before AND seq >= @since AND (CAST(@type AS TEXT) = '' OR instr(type, @type) > 0)
  AND (CAST(@only_ignored AS INTEGER) = 0 OR ignored <> '')
ORDER BY seq DESC LIMIT @n;

-- name: EventsPageOfCustomer :many
-- The same for one Stripe customer, who has few.
SELECT seq, id, type, livemode, object_id, customer, source, ignored, created_at, received_at FROM events
WHERE customer = @customer AND seq < @before AND (CAST(@type AS TEXT) = '' OR instr(type, @type) > 0)
  AND (CAST(@only_ignored AS INTEGER) = 0 OR ignored <> '')
ORDER BY seq DESC LIMIT @n;

-- name: JobsAfterEvent :many
-- Jobs about an event or its customer: those that ended in a time and were begun after it, and those still to do.
-- @customer_id is 0 where the customer is not known.
SELECT e.* FROM jobs e
WHERE e.state IN ('completed', 'discarded', 'cancelled') AND e.finalized_at >= @since AND e.finalized_at < @until AND e.attempted_at >= @since
  AND ((e.kind = 'sync_customer' AND e.key = @stripe_customer) OR (e.kind = 'find_customer' AND e.key = @event)
    OR (e.kind = 'sync_contact' AND e.key = CAST(CAST(@customer_id AS INTEGER) AS TEXT))
    OR (e.kind IN ('sync_task', 'sync_ticket', 'write_note') AND @customer_id <> 0
      AND COALESCE(json_extract(e.args, '$.Ticket.CustomerID'), json_extract(e.args, '$.Task.CustomerID'), json_extract(e.args, '$.Note.CustomerID')) = @customer_id))
UNION ALL
SELECT w.* FROM jobs w
WHERE w.state IN ('available', 'retryable')
  AND ((w.kind = 'sync_customer' AND w.key = @stripe_customer) OR (w.kind = 'find_customer' AND w.key = @event)
    OR (w.kind = 'sync_contact' AND w.key = CAST(CAST(@customer_id AS INTEGER) AS TEXT))
    OR (w.kind IN ('sync_task', 'sync_ticket', 'write_note') AND @customer_id <> 0
      AND COALESCE(json_extract(w.args, '$.Ticket.CustomerID'), json_extract(w.args, '$.Task.CustomerID'), json_extract(w.args, '$.Note.CustomerID')) = @customer_id))
UNION ALL
SELECT r.* FROM jobs r
WHERE r.state = 'running' AND ((r.kind = 'sync_customer' AND r.key = @stripe_customer) OR (r.kind = 'find_customer' AND r.key = @event))
ORDER BY 1 LIMIT 30;

-- name: TimelineBetween :many
SELECT * FROM timeline WHERE customer_id = @customer_id AND created_at >= @since AND created_at < @until ORDER BY id LIMIT 20;

-- name: JobsPage :many
-- The newest jobs of a stretch; '' stands for any state and any kind.
SELECT * FROM jobs
WHERE id < @before AND id >= @since AND (CAST(@state AS TEXT) = '' OR state = @state) AND (CAST(@kind AS TEXT) = '' OR kind = @kind)
ORDER BY id DESC LIMIT @n;

-- name: WaitingJobsPage :many
-- The newest jobs in a waiting state, wherever they are. The state is named twice so that SQLite sees that
-- a partial index holds all the rows.
SELECT * FROM jobs
WHERE state IN ('available', 'retryable') AND state = @state AND id < @before AND (CAST(@kind AS TEXT) = '' OR kind = @kind)
ORDER BY id DESC LIMIT @n;

-- name: EndedJobsPage :many
-- The same for the states of an ended job.
SELECT * FROM jobs
WHERE state IN ('completed', 'discarded', 'cancelled') AND state = @state AND id < @before AND (CAST(@kind AS TEXT) = '' OR kind = @kind)
ORDER BY id DESC LIMIT @n;

-- name: CancelJob :execrows
-- A person decided that a job is not done. One at work, or done, is left as it is.
UPDATE jobs SET state = 'cancelled', finalized_at = @now WHERE id = @id AND state IN ('available', 'retryable', 'discarded');

-- name: ContactsPage :many
SELECT c.*, CAST((SELECT COUNT(*) FROM tasks t WHERE t.customer_id = c.customer_id AND t.done_at = 0) AS INTEGER) AS open_tasks
FROM contacts c
WHERE c.id < @before AND (CAST(@lifecycle AS TEXT) = '' OR c.lifecycle = @lifecycle)
ORDER BY c.id DESC LIMIT @n;

-- name: CountOpenTickets :many
SELECT queue, CAST(COUNT(*) AS INTEGER) AS n FROM tickets WHERE status = 'open' GROUP BY queue;

-- name: OpenTicketsPage :many
-- Urgent ones first (rank 0, the others 1), then the oldest; '' stands for any queue.
SELECT t.*, CAST(COALESCE(c.name, '') AS TEXT) AS customer_name, CAST(COALESCE(c.email, '') AS TEXT) AS customer_email
FROM tickets t LEFT JOIN customers c ON c.id = t.customer_id
WHERE t.status = 'open' AND (CAST(@queue AS TEXT) = '' OR t.queue = @queue)
  AND ((t.priority = 'normal') > CAST(@rank AS INTEGER) OR (t.priority = 'normal') = CAST(@rank AS INTEGER) AND t.id > @after)
ORDER BY t.priority = 'normal', t.id LIMIT @n;

-- name: ClosedTicketsPage :many
SELECT t.*, CAST(COALESCE(c.name, '') AS TEXT) AS customer_name, CAST(COALESCE(c.email, '') AS TEXT) AS customer_email
FROM tickets t LEFT JOIN customers c ON c.id = t.customer_id
WHERE t.status = 'closed' AND (CAST(@queue AS TEXT) = '' OR t.queue = @queue) AND t.id < @before
ORDER BY t.id DESC LIMIT @n;

-- name: ReopenTicket :execrows
UPDATE tickets SET status = 'open', closed_at = 0, updated_at = @now WHERE id = @id AND status = 'closed';

-- name: TouchTicket :exec
UPDATE tickets SET updated_at = @now WHERE id = @id;

-- name: RunsPage :many
-- Runs with what is left of their findings: one that a later run saw again belongs to that.
SELECT r.*, CAST((SELECT COUNT(*) FROM findings f WHERE f.run_id = r.id AND f.state = 'fixed') AS INTEGER) AS fixed,
  CAST((SELECT COUNT(*) FROM findings o WHERE o.run_id = r.id AND o.state = 'open') AS INTEGER) AS open
FROM runs r WHERE r.id < @before ORDER BY r.id DESC LIMIT @n;

-- name: CountRunningOf :one
SELECT CAST(COUNT(*) AS INTEGER) FROM jobs WHERE state = 'running' AND kind = @kind AND key = @key;

-- name: LastEventSeq :one
SELECT CAST(COALESCE(MAX(seq), 0) AS INTEGER) FROM events;
