-- name: RenewSession :execrows
-- Another token for a session, whose owner has proved who they are.
UPDATE sessions SET token_hash = @new_hash, confirmed_at = @now WHERE token_hash = @old_hash;

-- name: SessionsOf :many
-- Where somebody is signed in, the latest first.
SELECT * FROM sessions WHERE user_id = @user_id AND seen_at > @idle_since AND created_at > @begun_after ORDER BY seen_at DESC, created_at DESC;

-- name: DeleteOtherSessions :exec
DELETE FROM sessions WHERE user_id = @user_id AND token_hash <> @token_hash;

-- name: SecondFactors :one
SELECT CAST(EXISTS (SELECT 1 FROM totp WHERE totp.user_id = users.id) AS INTEGER) AS app,
  CAST((SELECT COUNT(*) FROM passkeys WHERE passkeys.user_id = users.id) AS INTEGER) AS passkeys,
  CAST((SELECT COUNT(*) FROM recovery_codes WHERE recovery_codes.user_id = users.id AND recovery_codes.used_at = 0) AS INTEGER) AS codes
FROM users WHERE users.id = @id;

-- name: InsertTOTP :execrows
-- Zero rows: they have one.
INSERT INTO totp (user_id, secret, last_step, created_at) VALUES (?, ?, ?, ?) ON CONFLICT (user_id) DO NOTHING;

-- name: TOTPOf :one
SELECT * FROM totp WHERE user_id = ?;

-- name: UseTOTPStep :execrows
-- Zero rows: a code of this time or of a later one was used already.
UPDATE totp SET last_step = @step WHERE user_id = @user_id AND last_step < @step;

-- name: DeleteTOTP :execrows
DELETE FROM totp WHERE user_id = ?;

-- name: InsertRecoveryCode :exec
INSERT INTO recovery_codes (code_hash, user_id, created_at) VALUES (?, ?, ?);

-- name: UseRecoveryCode :execrows
UPDATE recovery_codes SET used_at = @now WHERE code_hash = @code_hash AND user_id = @user_id AND used_at = 0;

-- name: DeleteRecoveryCodes :exec
DELETE FROM recovery_codes WHERE user_id = ?;

-- name: InsertPasskey :exec
INSERT INTO passkeys (user_id, name, credential_id, credential, created_at) VALUES (?, ?, ?, ?, ?);

-- name: PasskeysOf :many
SELECT * FROM passkeys WHERE user_id = ? ORDER BY id;

-- name: UsePasskey :execrows
UPDATE passkeys SET credential = @credential, last_used_at = @now WHERE credential_id = @credential_id AND user_id = @user_id;

-- name: RenamePasskey :execrows
UPDATE passkeys SET name = @name WHERE id = @id AND user_id = @user_id;

-- name: DeletePasskey :execrows
DELETE FROM passkeys WHERE id = @id AND user_id = @user_id;

-- name: DeletePasskeysOf :exec
DELETE FROM passkeys WHERE user_id = ?;

-- name: CountResetLinks :one
-- Links by mail since a time, whether they were used or not.
SELECT COUNT(*) FROM sign_in_links WHERE user_id = @user_id AND kind = 'reset' AND created_at > @since;

-- name: DeleteUnusedResets :exec
DELETE FROM sign_in_links WHERE user_id = @user_id AND kind = 'reset' AND used_at = 0;

-- name: SealMail :exec
-- What takes a place in the mail when it is sent, sealed.
UPDATE mails SET secret = @secret WHERE id = @id;
