-- name: InsertUser :one
INSERT INTO users (email, role, created_at) VALUES (?, ?, ?) RETURNING id;

-- name: UserByEmail :one
SELECT * FROM users WHERE email = ?;

-- name: InsertSignInLink :exec
INSERT INTO sign_in_links (token_hash, user_id, created_at, expires_at) VALUES (?, ?, ?, ?);

-- name: InsertAPIKey :execrows
-- Zero rows: there is a key of this name.
INSERT INTO api_keys (name, prefix, hash, created_at) VALUES (?, ?, ?, ?) ON CONFLICT (name) DO NOTHING;

-- name: APIKeyByHash :one
SELECT * FROM api_keys WHERE hash = ?;

-- name: TouchAPIKey :exec
UPDATE api_keys SET last_used_at = @now WHERE id = @id;
