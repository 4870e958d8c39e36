-- name: KnownEvents :many
-- Those of a JSON list of ids that are stored.
SELECT e.id FROM events e WHERE e.id IN (SELECT k.value FROM json_each(CAST(@ids AS TEXT)) k);

-- name: InsertSweep :exec
INSERT INTO sweeps (state, undelivered, since_at, mark_at, gap_at, listed, found, missing, late_ms, error, started_at, finished_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: LastSweep :one
SELECT * FROM sweeps ORDER BY id DESC LIMIT 1;

-- name: LastCompleteSweep :one
SELECT * FROM sweeps WHERE state = 'complete' AND undelivered >= @undelivered ORDER BY id DESC LIMIT 1;

-- name: LastMissingSweep :one
SELECT started_at FROM sweeps WHERE missing > 0 ORDER BY started_at DESC LIMIT 1;

-- name: SweptSince :one
-- What only the sweep brought since a time.
SELECT CAST(COALESCE(SUM(missing), 0) AS INTEGER) AS missing, CAST(COALESCE(MAX(late_ms), 0) AS INTEGER) AS late_ms
FROM sweeps WHERE started_at >= @since AND missing > 0;

-- name: GapsBetween :many
SELECT * FROM sweeps WHERE gap_at <> 0 AND started_at >= @since AND started_at < @until ORDER BY id;

-- name: RecentSweeps :many
SELECT * FROM sweeps ORDER BY id DESC LIMIT @n;

-- name: PruneSweeps :exec
-- The newest complete one stays whatever its age: it says how far the events are known.
DELETE FROM sweeps WHERE sweeps.started_at < @before
  AND sweeps.id NOT IN (SELECT s.id FROM sweeps s WHERE s.state = 'complete' ORDER BY s.id DESC LIMIT 1);

-- name: LastWebhook :one
-- Looks at the newest events only: where all of those came otherwise, webhooks have not come for long.
SELECT e.received_at FROM events e
WHERE e.source = 'webhook' AND e.seq > (SELECT MAX(l.seq) FROM events l) - 5000 ORDER BY e.seq DESC LIMIT 1;

-- name: AddStripeReads :exec
INSERT INTO stripe_reads (day, purpose, n) VALUES (?, ?, ?)
ON CONFLICT (day, purpose) DO UPDATE SET n = n + excluded.n;

-- name: StripeReads :many
SELECT purpose, CAST(SUM(n) AS INTEGER) AS n FROM stripe_reads WHERE day >= @since GROUP BY purpose ORDER BY purpose;

-- name: SaveEndpointCheck :exec
INSERT INTO endpoint_checks (id, known, reason, problems, as_of_at) VALUES (1, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET known = excluded.known, reason = excluded.reason, problems = excluded.problems, as_of_at = excluded.as_of_at;

-- name: EndpointCheck :one
SELECT * FROM endpoint_checks WHERE id = 1;

-- name: InsertBackfill :exec
-- Nothing if one is under way.
INSERT INTO backfills (reason, state, started_at, updated_at) VALUES (@reason, 'customers', @now, @now) ON CONFLICT DO NOTHING;

-- name: OpenBackfill :one
SELECT * FROM backfills WHERE finished_at = 0;

-- name: LastBackfill :one
SELECT * FROM backfills ORDER BY id DESC LIMIT 1;

-- name: SaveBackfill :exec
UPDATE backfills SET state = ?, cursor = ?, error = ?, updated_at = ?, finished_at = ? WHERE id = ?;

-- name: ListBackfillItem :exec
INSERT INTO backfill_items (backfill_id, kind, id, customer) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING;

-- name: NextBackfillItems :many
SELECT id FROM backfill_items WHERE backfill_id = ? AND kind = 'customer' AND done_at = 0 ORDER BY id LIMIT ?;

-- name: DoneBackfillItem :exec
UPDATE backfill_items SET done_at = ?, error = ? WHERE backfill_id = ? AND kind = 'customer' AND id = ?;

-- name: CountBackfill :one
SELECT CAST(COUNT(CASE WHEN i.kind = 'customer' THEN 1 END) AS INTEGER) AS customers,
  CAST(COUNT(CASE WHEN i.kind = 'customer' AND i.done_at <> 0 THEN 1 END) AS INTEGER) AS customers_done,
  CAST(COUNT(CASE WHEN i.kind = 'subscription' THEN 1 END) AS INTEGER) AS subscriptions,
  CAST(COUNT(CASE WHEN i.error <> '' THEN 1 END) AS INTEGER) AS refused
FROM backfill_items i WHERE i.backfill_id = @id;

-- name: CountBackfillStored :one
SELECT CAST(COUNT(CASE WHEN i.kind = 'customer' AND c.id IS NOT NULL THEN 1 END) AS INTEGER) AS customers,
  CAST(COUNT(CASE WHEN i.kind = 'subscription' AND s.id IS NOT NULL THEN 1 END) AS INTEGER) AS subscriptions
FROM backfill_items i
LEFT JOIN stripe_customers c ON i.kind = 'customer' AND c.id = i.id
LEFT JOIN subscriptions s ON i.kind = 'subscription' AND s.id = i.id
WHERE i.backfill_id = @id;

-- name: PruneBackfillItems :exec
-- Those of the newest backfill stay.
DELETE FROM backfill_items WHERE backfill_id < @id;
