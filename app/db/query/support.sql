-- name: InsertTicket :one
-- No row: there is a ticket for this cause already, open or closed.
INSERT INTO tickets (customer_id, cause, queue, priority, status, subject, created_at, updated_at)
VALUES (@customer_id, @cause, @queue, @priority, 'open', @subject, @now, @now)
ON CONFLICT (cause) DO NOTHING RETURNING id;

-- name: TicketByCause :one
SELECT * FROM tickets WHERE cause = ?;

-- name: TicketByID :one
SELECT * FROM tickets WHERE id = ?;

-- name: CloseTicket :execrows
UPDATE tickets SET status = 'closed', closed_at = @now, updated_at = @now WHERE id = @id AND status = 'open';

-- name: InsertMessage :execrows
INSERT INTO messages (ticket_id, key, author, body, created_at) VALUES (?, ?, ?, ?, ?) ON CONFLICT (ticket_id, key) DO NOTHING;

-- name: MessagesOf :many
SELECT * FROM messages WHERE ticket_id = ? ORDER BY id;

-- name: TicketsOf :many
SELECT * FROM tickets WHERE customer_id = ? ORDER BY id DESC LIMIT 50;

-- name: TicketPage :many
SELECT * FROM tickets WHERE id > @after ORDER BY id LIMIT @n;
