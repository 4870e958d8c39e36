-- name: InsertErased :exec
INSERT INTO erased (hash, erased_at) VALUES (?, ?) ON CONFLICT (hash) DO NOTHING;

-- name: ErasedAt :one
SELECT erased_at FROM erased WHERE hash = ?;

-- name: DeleteErased :execrows
DELETE FROM erased WHERE hash = ?;

-- name: EraseCustomer :execrows
-- The row keeps its number, for what was done with money, and for the audit.
UPDATE customers SET name = '', email = '', plan = '', status = '', access = 'none', access_reason = 'erased', access_until_at = 0, last_paid_at = 0,
  last_payment_status = '', last_payment_amount = 0, last_payment_currency = '', refunded_amount = 0, open_disputes = 0, deleted = 0, source = '',
  as_of_at = 0, updated_at = @now, synced_at = 0, erased_at = @now
WHERE id = @id;

-- name: CustomersWithEmail :many
-- Whoever has an e-mail address in a record, in Stripe or as a contact.
SELECT c.id FROM customers c WHERE c.email = @email COLLATE NOCASE
UNION SELECT s.customer_id FROM stripe_customers s WHERE lower(s.email) = lower(@email)
UNION SELECT t.customer_id FROM contacts t WHERE lower(t.email) = lower(@email)
ORDER BY 1 LIMIT 50;

-- name: CustomersWithLink :many
SELECT customer_id, system FROM links WHERE remote_id = ? ORDER BY customer_id;

-- name: OthersNamed :one
-- How many other customers have this name.
SELECT CAST(COUNT(*) AS INTEGER) FROM customers c WHERE c.id <> @id AND c.name = @name;

-- name: CountLiveSubscriptions :one
SELECT CAST(COUNT(*) AS INTEGER) FROM subscriptions WHERE customer_id = ? AND status NOT IN ('canceled', 'incomplete_expired');

-- name: CountOpenActions :one
SELECT CAST(COUNT(*) AS INTEGER) FROM actions WHERE customer_id = ? AND state IN ('proposed', 'approved', 'running', 'unknown');

-- name: PurgePayloads :execrows
-- Throws away payloads of a stretch of events that came before a time, where no record is made from them any more:
-- nothing follows from the event; or it is about nobody; or the API was asked for its customer after it; or a later
-- event of the same kind shows the same object. Charges are left out of the last, as each may tell of other refunds.
UPDATE events SET payload = x'', purged_at = @now
WHERE events.seq > @after AND events.seq <= @until AND events.received_at < @before AND events.purged_at = 0
  AND events.id NOT IN (SELECT j.key FROM jobs j WHERE j.kind = 'find_customer' AND j.state NOT IN ('completed', 'cancelled')) AND (
     events.ignored <> ''
  OR events.customer = '' AND events.charge = '' AND events.payment_intent = '' AND events.invoice = ''
  OR EXISTS (SELECT 1 FROM stripe_customers s WHERE s.id = events.customer AND s.confirmed_at >= events.created_at + 1000)
  OR events.customer = '' AND EXISTS (SELECT 1 FROM charges c JOIN stripe_customers s ON s.id = c.stripe_customer
    WHERE c.id = events.charge AND s.confirmed_at >= events.created_at + 1000)
  OR events.customer <> '' AND events.object_id <> '' AND events.object_type <> 'charge' AND EXISTS (SELECT 1 FROM events l
    WHERE l.object_id = events.object_id AND l.customer <> '' AND l.customer = events.customer AND l.type = events.type
      AND l.ignored = '' AND l.purged_at = 0 AND l.created_at > events.created_at));

-- name: LastEventSeqBefore :one
SELECT CAST(COALESCE(MAX(seq), 0) AS INTEGER) FROM events WHERE received_at < ?;

-- name: PruneMails :execrows
DELETE FROM mails WHERE created_at < ? AND state <> 'waiting';

-- name: PruneFindings :execrows
DELETE FROM findings WHERE state = 'fixed' AND fixed_at < ? AND NOT EXISTS (SELECT 1 FROM repairs r WHERE r.finding_id = findings.id);

-- name: PruneRepairs :execrows
DELETE FROM repairs WHERE state <> 'asked' AND finished_at < ?;

-- name: PruneRuns :execrows
DELETE FROM runs WHERE started_at < ? AND state <> 'running' AND NOT EXISTS (SELECT 1 FROM findings f WHERE f.run_id = runs.id);
