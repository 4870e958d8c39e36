-- Joining two customers, and taking them apart again.

-- name: InsertMerge :one
INSERT INTO merges (from_id, into_id, from_record, into_record, contact, moved, reason, merged_by, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id;

-- name: MergeByID :one
SELECT * FROM merges WHERE id = ?;

-- name: MergedInto :one
-- What a customer that is gone was joined with.
SELECT into_id FROM merges WHERE from_id = ? AND unmerged_at = 0;

-- name: MergeOf :one
-- The merge that a customer went with.
SELECT * FROM merges WHERE from_id = ? AND unmerged_at = 0;

-- name: MergesInto :many
-- Those that stand, newest first.
SELECT * FROM merges WHERE into_id = ? AND unmerged_at = 0 ORDER BY id DESC;

-- name: EndMerge :execrows
UPDATE merges SET unmerged_by = @by, unmerged_at = @now WHERE id = @id AND unmerged_at = 0;

-- name: WereTakenApart :one
SELECT CAST(COUNT(*) AS INTEGER) FROM merges
WHERE unmerged_at <> 0 AND (from_id = @one AND into_id = @other OR from_id = @other AND into_id = @one);

-- name: RowsOfCustomer :many
-- What goes along when a customer is joined with another: the table and the key of each row. Queued jobs say in
-- their args whose they are.
SELECT CAST('links' AS TEXT) AS kind, CAST(l.system || ' ' || l.remote_id AS TEXT) AS row_key FROM links l WHERE l.customer_id = @id
UNION ALL SELECT 'stripe_customers', c.id FROM stripe_customers c WHERE c.customer_id = @id
UNION ALL SELECT 'subscriptions', s.id FROM subscriptions s WHERE s.customer_id = @id
UNION ALL SELECT 'invoices', i.id FROM invoices i WHERE i.customer_id = @id
UNION ALL SELECT 'charges', h.id FROM charges h WHERE h.customer_id = @id
UNION ALL SELECT 'refunds', r.id FROM refunds r WHERE r.customer_id = @id
UNION ALL SELECT 'disputes', d.id FROM disputes d WHERE d.customer_id = @id
UNION ALL SELECT 'checkouts', o.id FROM checkouts o WHERE o.customer_id = @id
UNION ALL SELECT 'timeline', t.id FROM timeline t WHERE t.customer_id = @id
UNION ALL SELECT 'tickets', k.id FROM tickets k WHERE k.customer_id = @id
UNION ALL SELECT 'tasks', a.id FROM tasks a WHERE a.customer_id = @id
UNION ALL SELECT 'notes', n.id FROM notes n WHERE n.customer_id = @id
UNION ALL SELECT 'findings', f.id FROM findings f WHERE f.customer_id = @id
UNION ALL SELECT 'actions', x.id FROM actions x WHERE x.customer_id = @id
UNION ALL SELECT 'external_refs', e.system || ' ' || e.kind || ' ' || e.key FROM external_refs e WHERE e.customer_id = @id
UNION ALL SELECT 'external_writes', w.id FROM external_writes w WHERE w.customer_id = @id
UNION ALL SELECT 'jobs', j.id FROM jobs j WHERE j.state NOT IN ('completed', 'cancelled') AND j.kind IN ('sync_ticket', 'sync_task', 'write_note')
  AND CAST(COALESCE(json_extract(j.args, '$.Ticket.CustomerID'), json_extract(j.args, '$.Task.CustomerID'), json_extract(j.args, '$.Note.CustomerID')) AS INTEGER) = @id;

-- name: MoveExternalRefs :exec
UPDATE external_refs SET customer_id = @into_id WHERE customer_id = @from_id;
-- name: MoveExternalWrites :exec
UPDATE external_writes SET customer_id = @into_id WHERE customer_id = @from_id;

-- name: FixDuplicate :exec
-- The two of a subject are one now.
UPDATE findings SET state = 'fixed', fixed_at = @now, fixed_by = @by
WHERE kind = 'duplicate_customers' AND state IN ('open', 'dismissed') AND subject IN (@subject, @reversed);

-- name: RestoreCustomer :exec
-- Brings a customer back under its old number.
INSERT INTO customers (id, name, email, created_at, updated_at) VALUES (@id, @name, @email, @created_at, @updated_at);

-- name: RestoreContact :exec
INSERT INTO contacts (id, customer_id, name, email, user_id, stripe_ids, lifecycle, plan, status, access, mrr, currency, last_paid_at,
  next_invoice_at, created_at, updated_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- Back to @to_id goes what came from there (the JSON list @keys), and what came since and is of a Stripe customer
-- that came from there.

-- name: MoveLinksBack :exec
UPDATE links SET customer_id = @to_id WHERE links.customer_id = @from_id AND system || ' ' || remote_id IN (SELECT value FROM json_each(CAST(@keys AS TEXT)));

-- name: MoveStripeCustomersBack :exec
UPDATE stripe_customers SET customer_id = @to_id WHERE stripe_customers.customer_id = @from_id
  AND (id IN (SELECT value FROM json_each(CAST(@keys AS TEXT))) OR id IN (SELECT l.remote_id FROM links l WHERE l.customer_id = @to_id AND l.system = 'stripe'));
-- name: MoveSubscriptionsBack :exec
UPDATE subscriptions SET customer_id = @to_id WHERE subscriptions.customer_id = @from_id
  AND (id IN (SELECT value FROM json_each(CAST(@keys AS TEXT))) OR stripe_customer IN (SELECT l.remote_id FROM links l WHERE l.customer_id = @to_id AND l.system = 'stripe'));
-- name: MoveInvoicesBack :exec
UPDATE invoices SET customer_id = @to_id WHERE invoices.customer_id = @from_id
  AND (id IN (SELECT value FROM json_each(CAST(@keys AS TEXT))) OR stripe_customer IN (SELECT l.remote_id FROM links l WHERE l.customer_id = @to_id AND l.system = 'stripe'));
-- name: MoveChargesBack :exec
UPDATE charges SET customer_id = @to_id WHERE charges.customer_id = @from_id
  AND (id IN (SELECT value FROM json_each(CAST(@keys AS TEXT))) OR stripe_customer IN (SELECT l.remote_id FROM links l WHERE l.customer_id = @to_id AND l.system = 'stripe'));
-- name: MoveRefundsBack :exec
UPDATE refunds SET customer_id = @to_id WHERE refunds.customer_id = @from_id
  AND (id IN (SELECT value FROM json_each(CAST(@keys AS TEXT))) OR stripe_customer IN (SELECT l.remote_id FROM links l WHERE l.customer_id = @to_id AND l.system = 'stripe'));
-- name: MoveDisputesBack :exec
UPDATE disputes SET customer_id = @to_id WHERE disputes.customer_id = @from_id
  AND (id IN (SELECT value FROM json_each(CAST(@keys AS TEXT))) OR stripe_customer IN (SELECT l.remote_id FROM links l WHERE l.customer_id = @to_id AND l.system = 'stripe'));
-- name: MoveCheckoutsBack :exec
UPDATE checkouts SET customer_id = @to_id WHERE checkouts.customer_id = @from_id
  AND (id IN (SELECT value FROM json_each(CAST(@keys AS TEXT))) OR stripe_customer IN (SELECT l.remote_id FROM links l WHERE l.customer_id = @to_id AND l.system = 'stripe'));
-- name: MoveActionsBack :exec
UPDATE actions SET customer_id = @to_id WHERE actions.customer_id = @from_id
  AND (id IN (SELECT CAST(value AS INTEGER) FROM json_each(CAST(@keys AS TEXT))) OR stripe_customer IN (SELECT l.remote_id FROM links l WHERE l.customer_id = @to_id AND l.system = 'stripe'));

-- name: MoveNewLinksBack :exec
-- Links that came since, by what a checkout says of who bought: a purchase of a user who goes back, and the user
-- of a purchase that does.
UPDATE links SET customer_id = @to_id WHERE links.customer_id = @from_id AND links.created_at > @since AND (
  links.system = 'stripe' AND links.remote_id IN (
    SELECT o.stripe_customer FROM checkouts o JOIN links u ON u.system = 'user' AND u.remote_id = o.user_id WHERE u.customer_id = @to_id)
  OR links.system = 'user' AND links.remote_id IN (
    SELECT p.user_id FROM checkouts p JOIN links s ON s.system = 'stripe' AND s.remote_id = p.stripe_customer WHERE s.customer_id = @to_id));

-- name: MoveTimelineBack :exec
UPDATE timeline SET customer_id = @to_id WHERE timeline.customer_id = @from_id AND id IN (SELECT CAST(value AS INTEGER) FROM json_each(CAST(@keys AS TEXT)));
-- name: MoveFindingsBack :exec
UPDATE findings SET customer_id = @to_id WHERE findings.customer_id = @from_id
  AND (id IN (SELECT CAST(value AS INTEGER) FROM json_each(CAST(@keys AS TEXT))) OR job_key IN (SELECT l.remote_id FROM links l WHERE l.customer_id = @to_id AND l.system = 'stripe'));
-- name: MoveExternalRefsBack :exec
UPDATE external_refs SET customer_id = @to_id WHERE external_refs.customer_id = @from_id AND system || ' ' || kind || ' ' || key IN (SELECT value FROM json_each(CAST(@keys AS TEXT)));
-- name: MoveExternalWritesBack :exec
UPDATE external_writes SET customer_id = @to_id WHERE external_writes.customer_id = @from_id AND id IN (SELECT CAST(value AS INTEGER) FROM json_each(CAST(@keys AS TEXT)));

-- What the rules opened since is about an invoice, a dispute, a checkout or a subscription: its id is in the cause.

-- name: MoveTicketsBack :exec
UPDATE tickets SET customer_id = @to_id WHERE tickets.customer_id = @from_id
  AND (id IN (SELECT CAST(value AS INTEGER) FROM json_each(CAST(@keys AS TEXT))) OR substr(cause, instr(cause, ':') + 1) IN (SELECT value FROM json_each(CAST(@objects AS TEXT))));
-- name: MoveTasksBack :exec
UPDATE tasks SET customer_id = @to_id WHERE tasks.customer_id = @from_id
  AND (id IN (SELECT CAST(value AS INTEGER) FROM json_each(CAST(@keys AS TEXT))) OR substr(cause, instr(cause, ':') + 1) IN (SELECT value FROM json_each(CAST(@objects AS TEXT))));
-- name: MoveNotesBack :exec
UPDATE notes SET customer_id = @to_id WHERE notes.customer_id = @from_id
  AND (id IN (SELECT CAST(value AS INTEGER) FROM json_each(CAST(@keys AS TEXT))) OR substr(cause, instr(cause, ':') + 1) IN (SELECT value FROM json_each(CAST(@objects AS TEXT))));
-- name: MoveJobsBack :exec
UPDATE jobs SET args = json_replace(args, '$.Ticket.CustomerID', CAST(@to_id AS INTEGER), '$.Task.CustomerID', CAST(@to_id AS INTEGER),
  '$.Note.CustomerID', CAST(@to_id AS INTEGER))
WHERE state NOT IN ('completed', 'cancelled') AND kind IN ('sync_ticket', 'sync_task', 'write_note')
  AND CAST(COALESCE(json_extract(args, '$.Ticket.CustomerID'), json_extract(args, '$.Task.CustomerID'), json_extract(args, '$.Note.CustomerID'))
    AS INTEGER) = CAST(@from_id AS INTEGER)
  AND (id IN (SELECT CAST(value AS INTEGER) FROM json_each(CAST(@keys AS TEXT))) OR substr(jobs.key, instr(jobs.key, ':') + 1) IN (SELECT value FROM json_each(CAST(@objects AS TEXT))));

-- name: ObjectsOfCustomer :many
-- What tickets, tasks and notes of the rules are about.
SELECT s.id FROM subscriptions s WHERE s.customer_id = @id
UNION ALL SELECT i.id FROM invoices i WHERE i.customer_id = @id
UNION ALL SELECT d.id FROM disputes d WHERE d.customer_id = @id
UNION ALL SELECT o.id FROM checkouts o WHERE o.customer_id = @id;

-- name: FindingsOfPair :many
-- Findings that say a customer is the same as another, whichever of the two has the lower number; also dismissed ones.
SELECT * FROM findings WHERE kind = 'duplicate_customers' AND state IN ('open', 'dismissed')
  AND (subject LIKE CAST(@id AS TEXT) || '+%' OR subject LIKE '%+' || CAST(@id AS TEXT)) ORDER BY id LIMIT 20;

-- name: ContactsElsewhere :many
-- Contacts of a customer, or of one it was joined with, in the CRM of another company.
SELECT r.* FROM external_refs r WHERE r.kind = 'contact' AND r.customer_id = ? AND r.remote_id <> '' ORDER BY r.system, r.key;
