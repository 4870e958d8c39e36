-- name: InsertUser :one
INSERT INTO users (email, role, created_at) VALUES (?, ?, ?) RETURNING id;

-- name: UserByEmail :one
SELECT * FROM users WHERE email = ?;

-- name: UserByID :one
SELECT * FROM users WHERE id = ?;

-- name: CountUsers :one
SELECT COUNT(*) FROM users;

-- name: CountOtherOwners :one
-- Owners who can sign in, besides one user.
SELECT COUNT(*) FROM users WHERE role = 'owner' AND disabled_at = 0 AND password_hash <> '' AND id <> @id;

-- name: OtherOwners :many
-- Their addresses.
SELECT email FROM users WHERE role = 'owner' AND disabled_at = 0 AND password_hash <> '' AND id <> @id ORDER BY email;

-- name: SetUserRole :exec
UPDATE users SET role = @role WHERE id = @id;

-- name: SetUserDisabled :exec
UPDATE users SET disabled_at = @disabled_at WHERE id = @id;

-- name: SetUserPassword :exec
UPDATE users SET password_hash = @password_hash WHERE id = @id;

-- name: ListPeople :many
-- Everybody, with when they were here last. There are no more of them than people in the company.
SELECT sqlc.embed(users), CAST(COALESCE(MAX(sessions.seen_at), 0) AS INTEGER) AS last_seen_ms,
  CAST(EXISTS (SELECT 1 FROM totp WHERE totp.user_id = users.id) OR EXISTS (SELECT 1 FROM passkeys WHERE passkeys.user_id = users.id) AS INTEGER) AS second_factor
FROM users LEFT JOIN sessions ON sessions.user_id = users.id
GROUP BY users.id ORDER BY users.email;

-- name: InsertSignInLink :exec
INSERT INTO sign_in_links (token_hash, user_id, kind, created_at, expires_at) VALUES (?, ?, ?, ?, ?);

-- name: SignInLinkByHash :one
-- A link that can be used: e-mail and role are empty on the link of the first owner.
SELECT sign_in_links.user_id, sign_in_links.kind, CAST(COALESCE(users.email, '') AS TEXT) AS email, CAST(COALESCE(users.role, '') AS TEXT) AS role
FROM sign_in_links LEFT JOIN users ON users.id = sign_in_links.user_id
WHERE sign_in_links.token_hash = @token_hash AND sign_in_links.used_at = 0 AND sign_in_links.expires_at > @now
  AND COALESCE(users.disabled_at, 0) = 0;

-- name: UseSignInLink :exec
UPDATE sign_in_links SET used_at = @now WHERE token_hash = @token_hash;

-- name: DeleteUnusedLinks :exec
-- Those of one user, or with NULL those of the first owner.
DELETE FROM sign_in_links WHERE user_id IS sqlc.narg('user_id') AND used_at = 0;

-- name: DeleteExpiredLinks :exec
DELETE FROM sign_in_links WHERE expires_at <= @now;

-- name: InsertSession :exec
INSERT INTO sessions (token_hash, user_id, address, browser, created_at, seen_at, confirmed_at) VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: SessionByHash :one
SELECT users.id, users.email, users.role, sessions.created_at, sessions.seen_at, sessions.confirmed_at,
  CAST(EXISTS (SELECT 1 FROM totp WHERE totp.user_id = users.id) OR EXISTS (SELECT 1 FROM passkeys WHERE passkeys.user_id = users.id) AS INTEGER) AS second_factor
FROM sessions JOIN users ON users.id = sessions.user_id
WHERE sessions.token_hash = @token_hash AND users.disabled_at = 0;

-- name: TouchSession :exec
UPDATE sessions SET seen_at = @now WHERE token_hash = @token_hash;

-- name: DeleteSession :exec
DELETE FROM sessions WHERE token_hash = ?;

-- name: DeleteSessionsOf :exec
DELETE FROM sessions WHERE user_id = ?;

-- name: DeleteOldSessions :exec
DELETE FROM sessions WHERE created_at <= @begun_before OR seen_at <= @idle_since;
