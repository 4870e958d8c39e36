-- What the morning mail counts, from a time until another.

-- name: NewSubscriptions :many
-- Living subscriptions, begun in a time, of customers who had none before.
SELECT s.* FROM subscriptions s
WHERE s.created_at >= @since AND s.created_at < @until AND s.status IN ('active', 'trialing', 'past_due')
  AND NOT EXISTS (SELECT 1 FROM subscriptions o
    WHERE o.customer_id = s.customer_id AND o.created_at < @since AND o.status <> 'incomplete_expired') ORDER BY s.id;

-- name: LeftSubscriptions :many
-- Subscriptions that ended in a time, of customers who have none left. One that was never paid is none.
SELECT s.* FROM subscriptions s
WHERE s.ended_at >= @since AND s.ended_at < @until AND s.status = 'canceled' AND NOT EXISTS (
  SELECT 1 FROM subscriptions o WHERE o.customer_id = s.customer_id AND o.status NOT IN ('canceled', 'incomplete_expired')) ORDER BY s.id;

-- name: PaidSums :many
SELECT currency, CAST(COUNT(*) AS INTEGER) AS n, CAST(SUM(amount_paid) AS INTEGER) AS amount FROM invoices
WHERE status = 'paid' AND amount_paid > 0 AND paid_at >= @since AND paid_at < @until GROUP BY currency ORDER BY currency;

-- name: FailedSums :many
-- Invoices made in a time whose payment failed at least once, whatever became of it.
SELECT currency, CAST(COUNT(*) AS INTEGER) AS n, CAST(SUM(amount_due) AS INTEGER) AS amount FROM invoices
WHERE created_at >= @since AND created_at < @until AND (failed = 1 OR attempts > 1) GROUP BY currency ORDER BY currency;

-- name: RecoveredSums :many
SELECT currency, CAST(COUNT(*) AS INTEGER) AS n, CAST(SUM(amount_paid) AS INTEGER) AS amount FROM invoices
WHERE status = 'paid' AND paid_at >= @since AND paid_at < @until AND attempts > 1 GROUP BY currency ORDER BY currency;

-- name: RefundSums :many
SELECT currency, CAST(COUNT(*) AS INTEGER) AS n, CAST(SUM(amount) AS INTEGER) AS amount FROM refunds
WHERE created_at >= @since AND created_at < @until AND status NOT IN ('failed', 'canceled') GROUP BY currency ORDER BY currency;

-- name: DisputeSums :many
SELECT currency, CAST(COUNT(*) AS INTEGER) AS n, CAST(SUM(amount) AS INTEGER) AS amount FROM disputes
WHERE created_at >= @since AND created_at < @until GROUP BY currency ORDER BY currency;

-- name: ActivationsBetween :many
-- How long each purchase of a time took to give access, in milliseconds, shortest first.
SELECT CAST(max(activated_at - completed_at, 0) AS INTEGER) AS took FROM checkouts
WHERE completed_at >= @since AND completed_at < @until AND activated_at > 0 ORDER BY took;

-- name: MissedBetween :one
-- Purchases of a time that took more than two minutes to give access, or have not given any. The terms are
-- those of the index checkouts_missed.
SELECT CAST(COUNT(*) AS INTEGER) FROM checkouts
WHERE mode = 'subscription' AND status = 'complete' AND (activated_at = 0 OR activated_at - completed_at > 120000)
  AND (activated_at <> 0 OR payment_status IN ('paid', 'no_payment_required')) AND completed_at >= @since AND completed_at < @until;

-- name: EventCounts :one
-- late: by webhook, and more than five minutes after it happened. What happened before Bursar was installed is not.
SELECT CAST(COUNT(*) AS INTEGER) AS total,
  CAST(COUNT(CASE WHEN source = 'webhook' AND received_at - created_at > 300000
    AND created_at >= COALESCE((SELECT CAST(m.value AS INTEGER) FROM meta m WHERE m.name = 'installed_at'), 0) THEN 1 END) AS INTEGER) AS late,
  CAST(COUNT(CASE WHEN source = 'sweep' THEN 1 END) AS INTEGER) AS swept,
  CAST(COUNT(CASE WHEN ignored <> '' THEN 1 END) AS INTEGER) AS ignored_total
FROM events WHERE received_at >= @since AND received_at < @until;

-- name: HasEvents :one
SELECT CAST(EXISTS (SELECT 1 FROM events) AS INTEGER);

-- name: OwnEffects :one
-- What the built-in CRM and desk were given. A contact counts once, however often it was written.
SELECT
  CAST((SELECT COUNT(*) FROM contacts c WHERE c.updated_at >= @since AND c.updated_at < @until) AS INTEGER) AS contacts,
  CAST((SELECT COUNT(*) FROM tasks t WHERE t.created_at >= @since AND t.created_at < @until) +
    (SELECT COUNT(*) FROM notes n WHERE n.created_at >= @since AND n.created_at < @until) AS INTEGER) AS notes,
  CAST((SELECT COUNT(*) FROM messages m JOIN tickets t ON t.id = m.ticket_id WHERE m.author = 'bursar' AND t.created_at >= @since AND t.created_at < @until
    AND m.id = (SELECT MIN(f.id) FROM messages f WHERE f.ticket_id = t.id)) AS INTEGER) AS opened,
  CAST((SELECT COUNT(*) FROM messages m JOIN tickets t ON t.id = m.ticket_id WHERE m.author = 'bursar' AND t.closed_at >= @since AND t.closed_at < @until
    AND m.id = (SELECT MAX(l.id) FROM messages l WHERE l.ticket_id = t.id)) AS INTEGER) AS closed;

-- name: ExternalEffects :many
-- What was written into systems of other companies, and not only observed. Each thing counts once.
SELECT kind, CAST(COUNT(DISTINCT system || ' ' || key) AS INTEGER) AS n FROM external_writes
WHERE observed = 0 AND created_at >= @since AND created_at < @until GROUP BY kind ORDER BY kind;

-- name: HealedBetween :one
-- Differences that Bursar mended. Those of contacts and tickets are counted with what was written there.
SELECT CAST(COUNT(*) AS INTEGER) FROM findings
WHERE fixed_by = 'bursar' AND fixed_at >= @since AND fixed_at < @until AND kind NOT LIKE 'contact\_%' ESCAPE '\' AND kind NOT LIKE 'ticket\_%' ESCAPE '\';

-- name: ByHandBetween :one
-- What people did about customers, tickets, money and jobs: one thing counts once in a day, however many rows
-- tell of it. Looking, exporting and who may sign in are not work that Bursar could have done.
SELECT CAST(COUNT(DISTINCT action || ' ' || target || ' ' || (created_at / 86400000)) AS INTEGER) FROM audit
WHERE created_at >= @since AND created_at < @until AND outcome IN ('asked', 'done')
  AND (role IN ('owner', 'finance', 'support') OR actor LIKE '% on the command line')
  AND substr(action, 1, instr(action, '.')) IN ('customers.', 'findings.', 'money.', 'tickets.', 'jobs.', 'events.')
  AND action NOT LIKE '%.export' AND action NOT IN ('money.look', 'events.jsonl');

-- name: LastBackup :one
-- When a copy was last written and checked, for all the file knows (alert.BackedUp); 0: never.
SELECT CAST(COALESCE((SELECT m.value FROM meta m WHERE m.name = 'backup_at'), 0) AS INTEGER) AS ms;

-- name: CountStripeReads :one
SELECT CAST(COALESCE(SUM(n), 0) AS INTEGER) FROM stripe_reads WHERE day > @since AND day <= @until;

-- name: CountWaitingJobs :one
SELECT CAST(COUNT(*) AS INTEGER) FROM jobs WHERE state IN ('available', 'retryable') AND scheduled_at <= @now;
