-- name: InsertAudit :exec
INSERT INTO audit (id, created_at, actor, role, address, action, target, outcome, reason, before, after, detail, prev_hash, hash)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: LastAudit :one
SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1;

-- name: AuditSince :many
-- Oldest first, after an id.
SELECT * FROM audit WHERE id > @after_id ORDER BY id LIMIT @count;

-- name: ListAudit :many
-- Newest first, before an id and down to a floor. What is empty, or 0, stands for all; the texts need to be
-- a part only of what is there.
SELECT * FROM audit
WHERE id < @before_id AND id >= @floor_id
  AND (CAST(@outcome AS TEXT) = '' OR outcome = @outcome)
  AND (CAST(@who AS TEXT) = '' OR instr(lower(actor), lower(@who)) > 0)
  AND (CAST(@what AS TEXT) = '' OR instr(lower(action), lower(@what)) > 0)
  AND (CAST(@target AS TEXT) = '' OR instr(lower(target || ' ' || detail), lower(@target)) > 0)
  AND (CAST(@since AS INTEGER) = 0 OR created_at >= @since) AND (CAST(@until AS INTEGER) = 0 OR created_at < @until)
ORDER BY id DESC LIMIT @count;

-- name: KeepMeta :exec
-- The last value stays.
INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value;
