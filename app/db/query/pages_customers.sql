-- name: NewestCustomers :many
-- Customers below id @before, newest first.
SELECT * FROM customers WHERE id < @before ORDER BY id DESC LIMIT @n;

-- name: CustomersOfAccess :many
SELECT * FROM customers WHERE access = @access AND id < @before ORDER BY id DESC LIMIT @n;

-- name: CustomersOfPlan :many
SELECT * FROM customers WHERE plan = @plan AND id < @before ORDER BY id DESC LIMIT @n;

-- name: CustomersOfAccessAndPlan :many
SELECT * FROM customers WHERE access = @access AND plan = @plan AND id < @before ORDER BY id DESC LIMIT @n;

-- name: CustomersByEmailPrefix :many
-- From @prefix up to and without @beyond, for what is too short for the index of every three letters.
SELECT * FROM customers
WHERE email >= CAST(@prefix AS TEXT) COLLATE NOCASE AND email < CAST(@beyond AS TEXT) COLLATE NOCASE
  AND (CAST(@access AS TEXT) = '' OR access = @access) AND (CAST(@plan AS TEXT) = '' OR plan = @plan)
ORDER BY email COLLATE NOCASE LIMIT @n;

-- name: CustomersOfAnyID :many
-- Whose id this is, in whatever system.
SELECT * FROM customers WHERE id IN (
  SELECT l.customer_id FROM links l WHERE l.system IN ('user', 'anonymous', 'stripe', 'crm', 'desk') AND l.remote_id = @id
  UNION SELECT s.customer_id FROM subscriptions s WHERE s.id = @id
  UNION SELECT i.customer_id FROM invoices i WHERE i.id = @id
  UNION SELECT o.customer_id FROM checkouts o WHERE o.id = @id
  UNION SELECT h.customer_id FROM charges h WHERE h.id = @id
  UNION SELECT r.customer_id FROM refunds r WHERE r.id = @id
  UNION SELECT d.customer_id FROM disputes d WHERE d.id = @id
  UNION SELECT n.id FROM customers n WHERE n.id = @number)
ORDER BY id DESC LIMIT 20;

-- name: CountByAccess :many
SELECT access, CAST(COUNT(*) AS INTEGER) AS n FROM customers GROUP BY access;

-- name: Plans :many
-- The plans somebody has, found by going from one to the next in the index.
WITH RECURSIVE p (plan) AS (
  SELECT MIN(c.plan) FROM customers c WHERE c.plan > ''
  UNION ALL SELECT (SELECT MIN(n.plan) FROM customers n WHERE n.plan > p.plan) FROM p WHERE p.plan IS NOT NULL)
SELECT CAST(p.plan AS TEXT) FROM p WHERE p.plan IS NOT NULL LIMIT 200;

-- name: LastMissedActivation :one
-- When the newest purchase since a time was made that took more than two minutes to give access, or has
-- not given any; 0 if there is none. The terms are those of the index checkouts_missed.
SELECT CAST(COALESCE(MAX(completed_at), 0) AS INTEGER) FROM checkouts
WHERE mode = 'subscription' AND status = 'complete' AND (activated_at = 0 OR activated_at - completed_at > 120000)
  AND (activated_at <> 0 OR payment_status IN ('paid', 'no_payment_required')) AND completed_at >= @since AND completed_at < @until;

-- name: PaidNotActive :many
-- Purchases made before a time that wait for access. The terms are those of the index checkouts_missed.
SELECT o.id, o.customer_id, o.amount, o.currency, o.completed_at, c.name, c.email, c.access_reason
FROM checkouts o JOIN customers c ON c.id = o.customer_id
WHERE o.mode = 'subscription' AND o.status = 'complete' AND o.activated_at = 0 AND o.completed_at > 0 AND o.completed_at < @until
  AND o.payment_status IN ('paid', 'no_payment_required') AND c.access = 'pending'
ORDER BY o.completed_at LIMIT @n;

-- name: FindingsForPeople :many
-- Open findings that no job is about to mend, or has mended since the run; @n of them at most. What was
-- ignored is counted afresh on the page.
SELECT f.id, f.kind, f.subject, f.expected, f.actual, f.first_at, CAST(COALESCE(c.id, 0) AS INTEGER) AS customer_id,
  CAST(COALESCE(c.name, '') AS TEXT) AS name, CAST(COALESCE(c.email, '') AS TEXT) AS email
FROM findings f LEFT JOIN customers c ON c.id = f.customer_id
WHERE f.state = 'open' AND f.kind <> 'events_ignored'
  AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.kind = f.job_kind AND j.key = f.job_key
    AND (j.state IN ('available', 'retryable') AND j.state = 'available' OR j.state = 'running'))
  AND NOT EXISTS (SELECT 1 FROM jobs d WHERE d.key = f.job_key AND d.kind = f.job_kind
    AND d.finalized_at <> 0 AND d.finalized_at >= f.last_at AND d.state = 'completed')
ORDER BY f.kind, f.subject LIMIT @n;

-- name: GivenUpJobs :many
-- The newest discarded jobs.
SELECT * FROM jobs WHERE finalized_at <> 0 AND state = 'discarded' ORDER BY finalized_at DESC LIMIT @n;

-- name: UrgentTickets :many
-- Open ones, oldest first. Those about purchases without access have cards of their own.
SELECT t.id, t.subject, t.queue, t.created_at, t.cause, CAST(COALESCE(c.id, 0) AS INTEGER) AS customer_id,
  CAST(COALESCE(c.name, '') AS TEXT) AS name, CAST(COALESCE(c.email, '') AS TEXT) AS email
FROM tickets t LEFT JOIN customers c ON c.id = t.customer_id
WHERE t.status = 'open' AND t.priority = 'urgent' AND t.cause NOT LIKE 'not_active:%'
ORDER BY t.created_at LIMIT @n;

-- name: IgnoredEvents :many
-- Events since a time that nothing followed from, by why.
SELECT ignored, CAST(COUNT(*) AS INTEGER) AS n, CAST(MIN(received_at) AS INTEGER) AS first_ms FROM events
WHERE ignored <> '' AND received_at >= @since GROUP BY ignored ORDER BY n DESC LIMIT 5;

-- name: TimelineBefore :many
SELECT * FROM timeline WHERE customer_id = @customer_id AND created_at < @before ORDER BY id DESC LIMIT @n;

-- name: EventsOfStripeCustomerBefore :many
SELECT seq, id, type, source, ignored, created_at, received_at FROM events
WHERE customer = @customer AND created_at < @before ORDER BY created_at DESC, seq DESC LIMIT @n;

-- name: JobsDoneAbout :many
-- Final jobs about the things of the JSON list @keys that ended before a time, newest first. The cross join
-- looks each key up.
SELECT j.* FROM json_each(CAST(@keys AS TEXT)) k CROSS JOIN jobs j ON j.key = CAST(k.value AS TEXT)
WHERE j.finalized_at <> 0 AND j.finalized_at < @before
  AND j.kind IN ('sync_customer', 'sync_contact', 'sync_ticket', 'sync_task', 'write_note')
ORDER BY j.finalized_at DESC LIMIT @n;

-- name: JobsOpenAbout :many
-- Jobs about the things of the JSON list @keys that wait or are at work.
SELECT j.* FROM json_each(CAST(@keys AS TEXT)) k CROSS JOIN jobs j ON j.key = CAST(k.value AS TEXT)
WHERE j.kind IN ('sync_customer', 'sync_contact', 'sync_ticket', 'sync_task', 'write_note')
  AND (j.state IN ('available', 'retryable') OR j.state = 'running')
ORDER BY j.scheduled_at LIMIT 50;

-- name: FindingsOfCustomer :many
SELECT * FROM findings WHERE customer_id = ? AND state = 'open' ORDER BY id;

-- name: SearchCustomers :many
-- Customers below id @before whose name or e-mail has the phrase in it, newest first. @most bounds how many
-- are held against the filter.
SELECT c.* FROM (
  SELECT CAST(s.rowid AS INTEGER) AS id FROM customer_search(CAST(@phrase AS TEXT)) s
  WHERE s.rowid < CAST(@before AS INTEGER) ORDER BY s.rowid DESC LIMIT @most) f
CROSS JOIN customers c ON c.id = f.id
WHERE (CAST(@access AS TEXT) = '' OR c.access = @access) AND (CAST(@plan AS TEXT) = '' OR c.plan = @plan)
ORDER BY c.id DESC LIMIT @n;
