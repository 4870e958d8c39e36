-- Where a ticket belongs: its queue, how urgent it is, and whose it is.

-- name: PlaceTicket :exec
UPDATE tickets SET queue = @queue, priority = @priority, assigned_to = @assigned_to, moved_from = @moved_from, updated_at = @now WHERE id = @id;

-- name: Assignable :many
-- Those who may sign in.
SELECT id, email FROM users WHERE disabled_at = 0 ORDER BY email;
