-- name: ListAlerts :many
SELECT * FROM alerts ORDER BY key;

-- name: AlertByKey :one
SELECT * FROM alerts WHERE key = ?;

-- name: InsertAlert :execrows
-- The first look at a rule. Zero rows: another evaluator was first.
INSERT INTO alerts (key, state, version, since_at, opened_at, told_at, level, size, causes, reminders, muted_until_at, muted_by, flapping_at)
VALUES (@key, @state, 1, @since_at, 0, 0, 0, 0, '[]', 0, 0, '', 0)
ON CONFLICT (key) DO NOTHING;

-- name: SaveAlert :execrows
-- Zero rows: somebody else changed it since it was read, and says what follows from that.
UPDATE alerts SET state = @state, version = version + 1, since_at = @since_at, opened_at = @opened_at, told_at = @told_at, level = @level,
  size = @size, causes = @causes, reminders = @reminders, muted_until_at = @muted_until_at, muted_by = @muted_by, flapping_at = @flapping_at
WHERE key = @key AND state = @was AND version = @seen;

-- name: MuteAlert :execrows
-- Only one that is open can be acknowledged.
UPDATE alerts SET muted_until_at = @until, muted_by = @by, version = version + 1
WHERE key = @key AND state IN ('firing', 'clearing');

-- name: UnmuteAlert :execrows
UPDATE alerts SET muted_until_at = 0, muted_by = '', version = version + 1 WHERE key = @key AND muted_until_at > 0;

-- name: InsertFlip :exec
INSERT INTO alert_flips (key, was, state, value, created_at) VALUES (?, ?, ?, ?, ?);

-- name: PruneFlips :exec
DELETE FROM alert_flips WHERE alert_flips.key = @key AND alert_flips.id <= (
  SELECT f.id FROM alert_flips f WHERE f.key = @key ORDER BY f.id DESC LIMIT 1 OFFSET 100);

-- name: FlipsOf :many
SELECT * FROM alert_flips WHERE key = ? ORDER BY id DESC LIMIT ?;

-- name: CountFlips :many
-- How often each alert opened and was resolved since a time.
SELECT key, CAST(COUNT(*) AS INTEGER) AS n FROM alert_flips
WHERE created_at >= @since AND (was = 'pending' AND state = 'firing' OR was = 'clearing' AND state = 'ok') GROUP BY key;

-- name: InsertNotice :exec
INSERT INTO alert_notices (key, kind, level, value, cause, since_at, created_at, slacked_at)
VALUES (@key, @kind, @level, @value, @cause, @since_at, @created_at, @slacked_at);

-- name: HeldNotices :many
SELECT * FROM alert_notices WHERE mailed_at = 0 OR slacked_at = 0 ORDER BY id;

-- name: NoticesByID :many
SELECT n.* FROM alert_notices n WHERE n.id IN (SELECT i.value FROM json_each(CAST(@ids AS TEXT)) i) ORDER BY n.id;

-- name: MarkMailed :exec
UPDATE alert_notices SET mailed_at = @now WHERE mailed_at = 0 AND id <= @last;

-- name: MarkSlacked :exec
UPDATE alert_notices SET slacked_at = @now WHERE slacked_at = 0 AND id <= @last;

-- name: CountAlertMails :one
-- The notices of one mail have one time.
SELECT CAST(COUNT(DISTINCT mailed_at) AS INTEGER) FROM alert_notices WHERE mailed_at > @since;

-- name: PruneNotices :exec
DELETE FROM alert_notices WHERE mailed_at > 0 AND mailed_at < @before AND slacked_at > 0;

-- name: AddDeliveries :exec
INSERT INTO deliveries_minute (minute_at, outcome, n) VALUES (?, ?, ?)
ON CONFLICT (minute_at, outcome) DO UPDATE SET n = n + excluded.n;

-- name: AddLatency :exec
INSERT INTO latency_minute (minute_at, class, le_ms, n) VALUES (?, ?, ?, ?)
ON CONFLICT (minute_at, class, le_ms) DO UPDATE SET n = n + excluded.n;

-- name: AddFailedDelivery :exec
INSERT INTO deliveries_failed (event_id, type, times, first_at, last_at) VALUES (@event_id, @type, @times, @first_at, @last_at)
ON CONFLICT (event_id) DO UPDATE SET times = times + excluded.times, last_at = max(last_at, excluded.last_at);

-- name: PruneDeliveries :exec
DELETE FROM deliveries_minute WHERE minute_at < @before;

-- name: PruneLatency :exec
DELETE FROM latency_minute WHERE minute_at < @before;

-- name: PruneFailedDeliveries :exec
DELETE FROM deliveries_failed WHERE last_at < @before;

-- name: CountDeliveries :many
SELECT outcome, CAST(SUM(n) AS INTEGER) AS n FROM deliveries_minute WHERE minute_at >= @since GROUP BY outcome;

-- name: CountStoredByWebhook :one
SELECT CAST(COUNT(*) AS INTEGER) FROM events WHERE received_at >= @since AND source = 'webhook';

-- name: UnhealedDeliveries :many
-- Signed events that could not be stored since a time and are not here yet, the oldest first.
SELECT f.* FROM deliveries_failed f
WHERE f.last_at >= @since AND NOT EXISTS (SELECT 1 FROM events e WHERE e.id = f.event_id) ORDER BY f.first_at LIMIT 1000;

-- name: LateSyncs :one
-- Work on events that should be done by now.
SELECT CAST(COUNT(*) AS INTEGER) AS n, CAST(COALESCE(MIN(j.created_at), 0) AS INTEGER) AS oldest_ms,
  CAST(COALESCE(MAX(json_extract(j.errors, '$[#-1].error')), '') AS TEXT) AS error
FROM jobs j WHERE j.state IN ('available', 'retryable') AND j.kind IN ('sync_customer', 'find_customer')
  AND (j.state = 'available' AND j.scheduled_at < @before OR j.state = 'retryable' AND j.created_at < @before);

-- name: DeadSyncs :one
SELECT CAST(COUNT(*) AS INTEGER) AS n, CAST(COALESCE(MIN(j.created_at), 0) AS INTEGER) AS oldest_ms,
  CAST(COALESCE(MAX(json_extract(j.errors, '$[#-1].error')), '') AS TEXT) AS error
FROM jobs j WHERE j.finalized_at <> 0 AND j.state = 'discarded' AND j.kind IN ('sync_customer', 'find_customer');

-- name: CountOpenSyncs :one
SELECT CAST(COUNT(*) AS INTEGER) FROM jobs j WHERE j.kind IN ('sync_customer', 'find_customer')
  AND (j.state IN ('available', 'retryable') OR j.state = 'running');

-- name: WaitingPurchases :many
-- Purchases completed in a time (Stripe's clock) that are paid, or free, and gave nobody access; when Stripe
-- delivered each first, 0 if it never did; and the job that is stuck, if one is. Money that is under way by a
-- slow method is not paid yet.
SELECT o.id, o.completed_at, c.access_reason,
  CAST(COALESCE((SELECT MIN(e.received_at) FROM events e
    WHERE e.object_id = o.id AND e.customer <> '' AND e.source = 'webhook' AND e.type LIKE 'checkout.session.%'), 0) AS INTEGER) AS delivered_ms,
  CAST(COALESCE((SELECT json_extract(j.errors, '$[#-1].error') FROM jobs j
    WHERE j.kind = 'sync_customer' AND j.key = o.stripe_customer AND (j.state = 'retryable' OR j.state = 'discarded')
    ORDER BY j.id DESC LIMIT 1), '') AS TEXT) AS error
FROM checkouts o JOIN customers c ON c.id = o.customer_id
WHERE o.mode = 'subscription' AND o.status = 'complete' AND (o.activated_at = 0 OR o.activated_at - o.completed_at > 120000)
  AND o.activated_at = 0 AND o.completed_at > @since AND o.completed_at < @until
  AND o.payment_status IN ('paid', 'no_payment_required') AND c.access NOT IN ('full', 'grace') AND c.deleted = 0
  AND NOT EXISTS (SELECT 1 FROM subscriptions s WHERE s.id = o.subscription AND s.status IN ('canceled', 'incomplete_expired'))
ORDER BY o.completed_at LIMIT 500;

-- name: UnreadPurchases :many
-- Purchases that were delivered, and whose job has not come so far as to read them.
SELECT e.object_id, CAST(MIN(e.created_at) AS INTEGER) AS completed_ms, CAST(MIN(e.received_at) AS INTEGER) AS delivered_ms,
  CAST(COALESCE(MAX(json_extract(j.errors, '$[#-1].error')), '') AS TEXT) AS error
FROM events e JOIN jobs j ON j.kind = 'sync_customer' AND j.key = e.customer AND j.state IN ('available', 'retryable', 'running', 'discarded')
WHERE e.received_at >= @since AND e.type IN ('checkout.session.completed', 'checkout.session.async_payment_succeeded')
  AND e.customer <> '' AND e.ignored = '' AND e.created_at > @since AND e.created_at < @until
  AND NOT EXISTS (SELECT 1 FROM checkouts o WHERE o.id = e.object_id)
GROUP BY e.object_id ORDER BY completed_ms LIMIT 500;

-- name: CountPurchases :one
SELECT CAST(COUNT(*) AS INTEGER) FROM checkouts o
WHERE o.completed_at > @since AND o.mode = 'subscription' AND o.status = 'complete' AND o.payment_status IN ('paid', 'no_payment_required');

-- name: CountDuplicateCustomers :one
-- Records made since a time whose e-mail an earlier one has. Those that were merged are one record by now.
SELECT CAST(COUNT(*) AS INTEGER) AS n, CAST((SELECT COUNT(*) FROM customers a WHERE a.created_at >= @since) AS INTEGER) AS total FROM customers c
WHERE c.created_at >= @since AND c.email <> '' AND c.deleted = 0 AND EXISTS (
  SELECT 1 FROM customers o WHERE o.email = c.email COLLATE NOCASE AND o.id < c.id AND o.deleted = 0);

-- name: DeadJobKinds :many
SELECT j.kind, CAST(COUNT(*) AS INTEGER) AS n, CAST(MIN(j.finalized_at) AS INTEGER) AS oldest_ms,
  CAST(COALESCE(MAX(json_extract(j.errors, '$[#-1].error')), '') AS TEXT) AS error
FROM jobs j WHERE j.finalized_at <> 0 AND j.state = 'discarded' GROUP BY j.kind ORDER BY n DESC, j.kind;

-- name: LatencyBuckets :many
SELECT le_ms, CAST(SUM(n) AS INTEGER) AS n FROM latency_minute
WHERE class = @class AND minute_at >= @since GROUP BY le_ms ORDER BY le_ms < 0, le_ms;

-- name: EventGaps :one
-- The newest delivered event, and how long the last hundred took to come.
SELECT CAST(COALESCE(MAX(received_at), 0) AS INTEGER) AS newest_ms, CAST(COALESCE(MIN(received_at), 0) AS INTEGER) AS oldest_ms,
  CAST(COUNT(*) AS INTEGER) AS n
FROM (SELECT received_at FROM events WHERE source = 'webhook' ORDER BY seq DESC LIMIT 100);

-- name: NewestEventAtStripe :one
-- When the newest event happened that was found by asking Stripe, since a time; 0: there is none.
SELECT CAST(COALESCE(MAX(created_at), 0) AS INTEGER) FROM events WHERE received_at >= @since AND source = 'sweep';

-- name: TroubledCircuits :many
-- Systems that failed so often that they are left alone, or were until a moment ago and have not answered since.
SELECT * FROM circuits WHERE opened_at > 0;

-- name: WaitingOf :one
SELECT CAST(COUNT(*) AS INTEGER) FROM jobs j WHERE j.state IN ('available', 'retryable') AND j.kind IN (SELECT k.value FROM json_each(CAST(@kinds AS TEXT)) k);

-- name: DueReport :one
-- The run of a day and its mail, '' where there is none yet.
SELECT r.state, r.started_at, CAST(COALESCE(m.state, '') AS TEXT) AS mail, CAST(COALESCE(m.created_at, 0) AS INTEGER) AS mailed_ms, CAST(COALESCE(m.error, '') AS TEXT) AS error
FROM runs r LEFT JOIN mails m ON m.key = 'report:' || r.day WHERE r.day = @day;

-- name: OpenDrift :many
-- Differences that at least two runs saw, by kind.
SELECT f.kind, CAST(COUNT(*) AS INTEGER) AS n, CAST(MIN(f.first_at) AS INTEGER) AS oldest_ms FROM findings f
WHERE f.state = 'open' AND f.seen >= 2 GROUP BY f.kind ORDER BY n DESC, f.kind;

-- name: JobsByKind :many
-- Jobs that are not done, by state and kind.
SELECT w.state, w.kind, CAST(COUNT(*) AS INTEGER) AS n FROM jobs w WHERE w.state IN ('available', 'retryable') GROUP BY w.state, w.kind
UNION ALL
SELECT r.state, r.kind, CAST(COUNT(*) AS INTEGER) FROM jobs r WHERE r.state = 'running' GROUP BY r.state, r.kind
UNION ALL
SELECT d.state, d.kind, CAST(COUNT(*) AS INTEGER) FROM jobs d WHERE d.finalized_at <> 0 AND d.state = 'discarded' GROUP BY d.state, d.kind;

-- name: CountOpenFindings :many
SELECT kind, CAST(COUNT(*) AS INTEGER) AS n FROM findings WHERE state = 'open' GROUP BY kind;

-- name: CountFailedMails :one
-- Mails that the server refused, or that wait for longer than they should.
SELECT CAST(COUNT(CASE WHEN state = 'failed' THEN 1 END) AS INTEGER) AS failed, CAST(COUNT(CASE WHEN state = 'waiting' THEN 1 END) AS INTEGER) AS waiting
FROM mails WHERE created_at >= @since AND (state = 'failed' OR state = 'waiting' AND created_at < @before);

-- name: JobByKindAndKey :one
-- The newest of a kind and key.
SELECT * FROM jobs WHERE kind = @kind AND key = @key ORDER BY id DESC LIMIT 1;
