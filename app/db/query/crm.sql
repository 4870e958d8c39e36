-- name: SaveContact :one
INSERT INTO contacts (customer_id, name, email, user_id, stripe_ids, lifecycle, plan, status, access, mrr, currency, last_paid_at,
  next_invoice_at, created_at, updated_at)
VALUES (@customer_id, @name, @email, @user_id, @stripe_ids, @lifecycle, @plan, @status, @access, @mrr, @currency, @last_paid_at,
  @next_invoice_at, @now, @now)
ON CONFLICT (customer_id) DO UPDATE SET name = excluded.name, email = excluded.email, user_id = excluded.user_id,
  stripe_ids = excluded.stripe_ids, lifecycle = excluded.lifecycle, plan = excluded.plan, status = excluded.status, access = excluded.access,
  mrr = excluded.mrr, currency = excluded.currency, last_paid_at = excluded.last_paid_at, next_invoice_at = excluded.next_invoice_at,
  updated_at = excluded.updated_at
RETURNING id;

-- name: ContactOf :one
SELECT * FROM contacts WHERE customer_id = ?;

-- name: ContactPage :many
SELECT * FROM contacts WHERE id > @after ORDER BY id LIMIT @n;

-- name: InsertTask :exec
INSERT INTO tasks (customer_id, cause, title, created_at) VALUES (?, ?, ?, ?) ON CONFLICT (cause) DO NOTHING;

-- name: FinishTask :exec
UPDATE tasks SET done_at = @now WHERE cause = @cause AND done_at = 0;

-- name: TasksOf :many
SELECT * FROM tasks WHERE customer_id = ? ORDER BY id;

-- name: InsertNote :exec
INSERT INTO notes (customer_id, cause, text, created_at) VALUES (?, ?, ?, ?) ON CONFLICT (cause) DO NOTHING;

-- name: NotesOf :many
SELECT * FROM notes WHERE customer_id = ? ORDER BY id;
