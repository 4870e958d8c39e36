-- name: RenewSession :execrows
-- Another token for a session, whose owner has proved who they are.
UPDATE sessions SET token_hash = @new_hash, confirmed_at = @now WHERE token_hash = @old_hash;
