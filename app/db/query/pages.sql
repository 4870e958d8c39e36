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
-- Jobs about an event or its customer: those that ended in a time and were begun after it, and those still to
-- do. @customer_id is 0 where the customer is not known. Jobs that ended well left a row with their key behind;
-- of the others, which are few, the args tell whose they are.
WITH keys AS (
  SELECT CAST(@stripe_customer AS TEXT) AS about UNION SELECT CAST(@event AS TEXT) UNION SELECT CAST(CAST(@customer_id AS INTEGER) AS TEXT)
  UNION SELECT t.cause FROM tickets t WHERE t.customer_id = CAST(@customer_id AS INTEGER)
  UNION SELECT a.cause FROM tasks a WHERE a.customer_id = CAST(@customer_id AS INTEGER)
  UNION SELECT n.cause FROM notes n WHERE n.customer_id = CAST(@customer_id AS INTEGER))
SELECT d.* FROM keys k CROSS JOIN jobs d ON d.key = k.about
WHERE d.finalized_at <> 0 AND d.finalized_at >= @since AND d.finalized_at < @until AND d.attempted_at >= @since
  AND d.kind IN ('sync_customer', 'find_customer', 'sync_contact', 'sync_ticket', 'sync_task', 'write_note')
UNION
SELECT w.* FROM keys k CROSS JOIN jobs w ON w.key = k.about
WHERE w.state IN ('available', 'retryable') AND w.kind IN ('sync_customer', 'find_customer', 'sync_contact', 'sync_ticket', 'sync_task', 'write_note')
UNION
SELECT r.* FROM keys k CROSS JOIN jobs r ON r.key = k.about
WHERE r.state = 'running' AND r.kind IN ('sync_customer', 'find_customer', 'sync_contact', 'sync_ticket', 'sync_task', 'write_note')
UNION
SELECT o.* FROM jobs o
WHERE o.state IN ('available', 'retryable') AND o.kind IN ('sync_ticket', 'sync_task', 'write_note')
  AND CAST(@customer_id AS INTEGER) <> 0
  AND COALESCE(json_extract(o.args, '$.Ticket.CustomerID'), json_extract(o.args, '$.Task.CustomerID'), json_extract(o.args, '$.Note.CustomerID')) = CAST(@customer_id AS INTEGER)
UNION
SELECT g.* FROM jobs g
WHERE g.finalized_at <> 0 AND g.state = 'discarded' AND g.finalized_at >= @since AND g.finalized_at < @until
  AND g.kind IN ('sync_ticket', 'sync_task', 'write_note')
  AND CAST(@customer_id AS INTEGER) <> 0
  AND COALESCE(json_extract(g.args, '$.Ticket.CustomerID'), json_extract(g.args, '$.Task.CustomerID'), json_extract(g.args, '$.Note.CustomerID')) = CAST(@customer_id AS INTEGER)
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
-- a partial index holds all the rows, and the sum keeps it from walking through all the jobs by id instead.
SELECT * FROM jobs
WHERE state IN ('available', 'retryable') AND state = @state AND id + 0 < @before AND (CAST(@kind AS TEXT) = '' OR kind = @kind)
ORDER BY id + 0 DESC LIMIT @n;

-- name: EndedJobsPage :many
-- The same for the states of an ended job.
SELECT * FROM jobs
WHERE finalized_at <> 0 AND state = @state AND id + 0 < @before AND (CAST(@kind AS TEXT) = '' OR kind = @kind)
ORDER BY id + 0 DESC LIMIT @n;

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
SELECT t.*, CAST(COALESCE(c.name, '') AS TEXT) AS customer_name, CAST(COALESCE(c.email, '') AS TEXT) AS customer_email,
  CAST(COALESCE(u.email, '') AS TEXT) AS assignee
FROM tickets t LEFT JOIN customers c ON c.id = t.customer_id LEFT JOIN users u ON u.id = t.assigned_to
WHERE t.status = 'open' AND (CAST(@queue AS TEXT) = '' OR t.queue = @queue) AND (CAST(@mine AS INTEGER) = 0 OR t.assigned_to = CAST(@mine AS INTEGER))
  AND ((t.priority = 'normal') > CAST(@rank AS INTEGER) OR (t.priority = 'normal') = CAST(@rank AS INTEGER) AND t.id > @after)
ORDER BY t.priority = 'normal', t.id LIMIT @n;

-- name: ClosedTicketsPage :many
SELECT t.*, CAST(COALESCE(c.name, '') AS TEXT) AS customer_name, CAST(COALESCE(c.email, '') AS TEXT) AS customer_email,
  CAST(COALESCE(u.email, '') AS TEXT) AS assignee
FROM tickets t LEFT JOIN customers c ON c.id = t.customer_id LEFT JOIN users u ON u.id = t.assigned_to
WHERE t.status = 'closed' AND (CAST(@queue AS TEXT) = '' OR t.queue = @queue) AND (CAST(@mine AS INTEGER) = 0 OR t.assigned_to = CAST(@mine AS INTEGER)) AND t.id < @before
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
