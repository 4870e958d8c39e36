-- name: CopyTime :one
-- When something was last written: an event, an entry of the audit, a sign of life.
SELECT CAST(max(
  COALESCE((SELECT MAX(e.received_at) FROM events e), 0), COALESCE((SELECT MAX(a.created_at) FROM audit a), 0),
  COALESCE((SELECT CAST(m.value AS INTEGER) FROM meta m WHERE m.name = 'alive_at'), 0)) AS INTEGER) AS ms;

-- name: CountContents :one
SELECT CAST((SELECT COUNT(*) FROM customers) AS INTEGER) AS customers, CAST((SELECT COUNT(*) FROM contacts) AS INTEGER) AS contacts,
  CAST((SELECT COUNT(*) FROM tickets) AS INTEGER) AS tickets, CAST((SELECT COUNT(*) FROM events) AS INTEGER) AS events,
  CAST((SELECT COUNT(*) FROM mails) AS INTEGER) AS mails, CAST((SELECT COUNT(*) FROM actions) AS INTEGER) AS actions,
  CAST((SELECT COUNT(*) FROM totp) AS INTEGER) AS apps;

-- name: SupersedeWaitingMails :execrows
UPDATE mails SET state = 'superseded', error = @error, secret = x'' WHERE state = 'waiting';

-- name: CancelJobsOf :execrows
-- Jobs of some kinds, given as a JSON list, that are not done.
UPDATE jobs SET state = 'cancelled', finalized_at = @now,
  errors = json_insert(errors, '$[#]', json_object('at', CAST(@at AS TEXT), 'attempt', attempt, 'error', CAST(@why AS TEXT)))
WHERE state IN ('available', 'retryable', 'running') AND kind IN (SELECT k.value FROM json_each(CAST(@kinds AS TEXT)) k);

-- name: FailRunningRuns :exec
UPDATE runs SET state = 'failed', error = @error, finished_at = @now WHERE state = 'running';

-- name: DropHeldNotices :exec
-- What people were to be told of alerts counts as told.
UPDATE alert_notices SET mailed_at = IIF(mailed_at = 0, @now, mailed_at), slacked_at = IIF(slacked_at = 0, @now, slacked_at)
WHERE mailed_at = 0 OR slacked_at = 0;

-- name: DropSchedules :exec
-- Each is planned anew at the next tick.
DELETE FROM schedules;

-- name: ObserveConnectors :many
UPDATE connectors SET mode = 'observe', updated_at = @now WHERE mode = 'live' RETURNING system;

-- name: DoubtActions :many
-- Nobody knows what became of an action that is not settled.
UPDATE actions SET state = 'unknown', outcome = @outcome WHERE state IN ('proposed', 'approved', 'running', 'unknown') RETURNING id;

-- name: EndSessions :exec
DELETE FROM sessions;

-- name: EndLinks :exec
DELETE FROM sign_in_links WHERE used_at = 0;

-- name: EndFindingLinks :exec
UPDATE findings SET link_hash = NULL, link_until_at = 0 WHERE link_hash IS NOT NULL;

-- name: MayOpen :many
-- Who may sign in, and which keys open something.
SELECT CAST('person' AS TEXT) AS kind, users.email AS name FROM users WHERE users.disabled_at = 0
UNION ALL SELECT CAST('key' AS TEXT), api_keys.name FROM api_keys WHERE api_keys.revoked_at = 0 AND (api_keys.expires_at = 0 OR api_keys.expires_at > @now)
ORDER BY 1, 2;
