-- name: InsertAPIKey :one
-- Gives the id. No row: a key of this name is not revoked.
INSERT INTO api_keys (name, prefix, hash, scope, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (name) WHERE revoked_at = 0 DO NOTHING RETURNING id;

-- name: APIKeyByHash :one
-- A key that opens something.
SELECT * FROM api_keys WHERE hash = @hash AND revoked_at = 0 AND (expires_at = 0 OR expires_at > @now);

-- name: APIKeyByID :one
SELECT * FROM api_keys WHERE id = ?;

-- name: APIKeyByName :one
-- The one of this name that is not revoked.
SELECT * FROM api_keys WHERE name = @name AND revoked_at = 0;

-- name: ListAPIKeys :many
SELECT * FROM api_keys ORDER BY revoked_at > 0, name, id;

-- name: RevokeAPIKey :execrows
UPDATE api_keys SET revoked_at = @now WHERE id = @id AND revoked_at = 0;

-- name: TouchAPIKey :exec
UPDATE api_keys SET last_used_at = @now WHERE id = @id;
