-- name: InsertCustomer :one
INSERT INTO customers (name, email, created_at, updated_at) VALUES (@name, @email, @now, @now) RETURNING id;

-- name: UpdateCustomer :exec
UPDATE customers SET name = ?, email = ?, plan = ?, status = ?, access = ?, access_reason = ?, access_until_at = ?,
  last_paid_at = ?, last_payment_status = ?, last_payment_amount = ?, last_payment_currency = ?, refunded_amount = ?,
  open_disputes = ?, deleted = ?, source = ?, as_of_at = ?, updated_at = ?, synced_at = ?
WHERE id = ?;

-- name: UpdateCustomerIdentity :exec
-- What the product says of its user. Stripe's name and e-mail win at the next sync.
UPDATE customers SET name = @name, email = @email, updated_at = @now WHERE id = @id;

-- name: CustomerByID :one
SELECT * FROM customers WHERE id = ?;

-- name: CustomersByEmail :many
SELECT * FROM customers WHERE email = ? COLLATE NOCASE ORDER BY id LIMIT 50;

-- name: CustomerPage :many
SELECT * FROM customers WHERE id > @after ORDER BY id LIMIT @n;

-- name: DeleteCustomer :exec
DELETE FROM customers WHERE id = ?;

-- name: InsertLink :execrows
INSERT INTO links (system, remote_id, customer_id, created_at) VALUES (?, ?, ?, ?) ON CONFLICT (system, remote_id) DO NOTHING;

-- name: LinkOf :one
SELECT customer_id FROM links WHERE system = ? AND remote_id = ?;

-- name: LinksOfCustomer :many
SELECT * FROM links WHERE customer_id = ? ORDER BY system, remote_id;

-- name: InsertTimeline :exec
INSERT INTO timeline (customer_id, text, created_at) VALUES (?, ?, ?);

-- name: TimelineOfCustomer :many
SELECT * FROM timeline WHERE customer_id = ? ORDER BY id DESC LIMIT ?;

-- name: RecentEventsOfCustomer :many
SELECT e.id, e.type, e.created_at, e.received_at, e.source FROM events e
JOIN links l ON l.system = 'stripe' AND l.remote_id = e.customer
WHERE l.customer_id = ? AND e.ignored = '' ORDER BY e.created_at DESC, e.seq DESC LIMIT ?;

-- name: FailedJobsOfCustomer :many
-- Each state is named twice so that SQLite sees that a partial index holds all the rows.
SELECT j.* FROM jobs j
WHERE j.id IN (
  SELECT w.id FROM links l CROSS JOIN jobs w ON w.kind = 'sync_customer' AND w.key = l.remote_id
  WHERE l.customer_id = @customer_id AND l.system = 'stripe' AND w.state IN ('available', 'retryable') AND w.state = 'retryable'
  UNION ALL
  SELECT d.id FROM links l CROSS JOIN jobs d ON d.kind = 'sync_customer' AND d.key = l.remote_id
  WHERE l.customer_id = @customer_id AND l.system = 'stripe' AND d.finalized_at <> 0 AND d.state = 'discarded')
ORDER BY j.id DESC LIMIT 5;

-- name: MoveLinks :exec
UPDATE links SET customer_id = @into_id WHERE customer_id = @from_id;
-- name: MoveStripeCustomers :exec
UPDATE stripe_customers SET customer_id = @into_id WHERE customer_id = @from_id;
-- name: MoveSubscriptions :exec
UPDATE subscriptions SET customer_id = @into_id WHERE customer_id = @from_id;
-- name: MoveInvoices :exec
UPDATE invoices SET customer_id = @into_id WHERE customer_id = @from_id;
-- name: MoveCharges :exec
UPDATE charges SET customer_id = @into_id WHERE customer_id = @from_id;
-- name: MoveRefunds :exec
UPDATE refunds SET customer_id = @into_id WHERE customer_id = @from_id;
-- name: MoveDisputes :exec
UPDATE disputes SET customer_id = @into_id WHERE customer_id = @from_id;
-- name: MoveCheckouts :exec
UPDATE checkouts SET customer_id = @into_id WHERE customer_id = @from_id;
-- name: MoveTimeline :exec
UPDATE timeline SET customer_id = @into_id WHERE customer_id = @from_id;
-- name: MoveTickets :exec
UPDATE tickets SET customer_id = @into_id WHERE customer_id = @from_id;
-- name: MoveTasks :exec
UPDATE tasks SET customer_id = @into_id WHERE customer_id = @from_id;
-- name: MoveNotes :exec
UPDATE notes SET customer_id = @into_id WHERE customer_id = @from_id;
-- name: MoveFindings :exec
UPDATE findings SET customer_id = @into_id WHERE customer_id = @from_id;
-- name: MoveJobs :exec
-- What is queued for the one customer is done for the other. A contact has a job of its own for each customer.
UPDATE jobs SET args = json_replace(args, '$.Ticket.CustomerID', CAST(@into_id AS INTEGER), '$.Task.CustomerID', CAST(@into_id AS INTEGER),
  '$.Note.CustomerID', CAST(@into_id AS INTEGER))
WHERE state NOT IN ('completed', 'cancelled') AND kind IN ('sync_ticket', 'note_ticket', 'sync_task', 'write_note')
  AND CAST(COALESCE(json_extract(args, '$.Ticket.CustomerID'), json_extract(args, '$.Task.CustomerID'), json_extract(args, '$.Note.CustomerID'))
    AS INTEGER) = CAST(@from_id AS INTEGER);
-- name: MoveContact :exec
-- Only where the other has no contact yet: a customer has one.
UPDATE contacts SET customer_id = @into_id
WHERE contacts.customer_id = @from_id AND NOT EXISTS (SELECT 1 FROM contacts c WHERE c.customer_id = @into_id);
-- name: DeleteContactOf :exec
DELETE FROM contacts WHERE customer_id = ?;

-- name: Meta :one
SELECT value FROM meta WHERE name = ?;

-- name: SetMeta :exec
-- The first value stays.
INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING;

-- name: DeleteMeta :exec
DELETE FROM meta WHERE name = ?;

-- name: LastTimelineID :one
SELECT CAST(COALESCE(MAX(id), 0) AS INTEGER) FROM timeline;

-- name: TimelineSince :many
SELECT * FROM timeline WHERE id > ? ORDER BY id;
