-- name: InsertAction :one
INSERT INTO actions (kind, customer_id, stripe_customer, target, amount, currency, params, says, reason, asked_by, asked_role, asked_at,
  form_token, key, approval, state)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING *;

-- name: ActionByID :one
SELECT * FROM actions WHERE id = ?;

-- name: ActionByToken :one
SELECT * FROM actions WHERE form_token = ?;

-- name: FailedActionOfNewRefund :one
-- The action that was given up and made a refund all the same, which the mirror does not know of yet.
SELECT id FROM actions WHERE key = @key AND state = 'failed' AND NOT EXISTS (SELECT 1 FROM refunds r WHERE r.id = @refund);

-- name: LastActionOf :one
-- The newest action on a target, 0 if there is none: who saw less than that must look again.
SELECT CAST(coalesce(max(id), 0) AS INTEGER) FROM actions WHERE target = ?;

-- name: OpenActionsOf :many
-- What is asked for and not decided yet.
SELECT * FROM actions WHERE customer_id = ? AND state IN ('proposed', 'approved', 'running', 'unknown') ORDER BY id;

-- name: OpenActionOn :many
SELECT * FROM actions WHERE target = ? AND state IN ('proposed', 'approved', 'running', 'unknown') ORDER BY id;

-- name: RefundedByActions :one
-- What actions gave back of a charge and the mirror does not know of yet.
SELECT CAST(coalesce(sum(a.amount), 0) AS INTEGER) FROM actions a WHERE a.target = ? AND a.kind = 'refund' AND a.state = 'done'
  AND NOT EXISTS (SELECT 1 FROM refunds r WHERE r.id = a.stripe_object);

-- name: MovedBy :one
-- What somebody asked for since a time and was not refused, of the kinds that have a cap: given back, charged
-- or credited.
SELECT CAST(coalesce(sum(abs(amount)), 0) AS INTEGER) FROM actions
WHERE asked_by = @asked_by AND asked_at > @since AND id < @before AND currency = @currency AND kind IN ('refund', 'change_plan')
  AND state NOT IN ('failed', 'declined');

-- name: DecideAction :execrows
UPDATE actions SET state = @state, decided_by = @decided_by, decided_at = @decided_at, outcome = @outcome, settled_at = @settled_at
WHERE id = @id AND state = 'proposed';

-- name: SendAction :execrows
UPDATE actions SET state = CASE state WHEN 'unknown' THEN 'unknown' ELSE 'running' END,
  sent_at = CASE sent_at WHEN 0 THEN @now ELSE sent_at END, resent_at = @now
WHERE id = @id AND state IN ('approved', 'running', 'unknown');

-- name: LookedForAction :exec
UPDATE actions SET looked_at = ? WHERE id = ?;

-- name: SettleAction :execrows
UPDATE actions SET state = @state, stripe_object = @stripe_object, outcome = @outcome, settled_at = @settled_at
WHERE id = @id AND state IN ('approved', 'running', 'unknown');

-- name: ListActions :many
SELECT a.*, c.name AS customer_name, c.email AS customer_email, u.email AS asker, CAST(coalesce(d.email, '') AS TEXT) AS decider
FROM actions a JOIN customers c ON c.id = a.customer_id JOIN users u ON u.id = a.asked_by LEFT JOIN users d ON d.id = a.decided_by
WHERE a.id < @before AND (CAST(@state AS TEXT) = '' OR a.state = CAST(@state AS TEXT)) AND (CAST(@customer AS INTEGER) = 0 OR a.customer_id = CAST(@customer AS INTEGER))
ORDER BY a.id DESC LIMIT @n;

-- name: ActionWithPeople :one
SELECT a.*, c.name AS customer_name, c.email AS customer_email, u.email AS asker, CAST(coalesce(d.email, '') AS TEXT) AS decider
FROM actions a JOIN customers c ON c.id = a.customer_id JOIN users u ON u.id = a.asked_by LEFT JOIN users d ON d.id = a.decided_by
WHERE a.id = ?;

-- name: CountApprovers :one
-- Who could be the second person besides somebody.
SELECT count(*) FROM users WHERE id <> ? AND role IN ('owner', 'finance') AND disabled_at = 0 AND password_hash <> '';

-- name: MoveActions :exec
UPDATE actions SET customer_id = @into_id WHERE customer_id = @from_id;
