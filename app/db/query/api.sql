-- name: QueueDepth :one
-- How much work waits, without looking at what is completed: each count has the words of an index.
SELECT
  CAST((SELECT COUNT(*) FROM jobs a WHERE a.state IN ('available', 'retryable') AND a.state = 'available') AS INTEGER) AS available,
  CAST((SELECT COUNT(*) FROM jobs t WHERE t.state IN ('available', 'retryable') AND t.state = 'retryable') AS INTEGER) AS retryable,
  CAST((SELECT COUNT(*) FROM jobs r WHERE r.state = 'running') AS INTEGER) AS running,
  CAST((SELECT COUNT(*) FROM jobs d WHERE d.finalized_at <> 0 AND d.state = 'discarded') AS INTEGER) AS discarded,
  CAST((SELECT COUNT(*) FROM jobs w WHERE w.state IN ('available', 'retryable') AND w.scheduled_at <= @now) AS INTEGER) AS due,
  CAST((SELECT COALESCE(MIN(o.scheduled_at), 0) FROM jobs o WHERE o.state IN ('available', 'retryable') AND o.scheduled_at <= @now) AS INTEGER) AS oldest_due;

-- name: ListSchedules :many
SELECT * FROM schedules ORDER BY next_at, name;

-- name: LatestRun :one
SELECT * FROM runs ORDER BY id DESC LIMIT 1;
