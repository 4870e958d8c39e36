-- name: FactsStripe :many
-- The facts of the customers from one id to another, for those who look at everybody: one query for each
-- table instead of one for each customer.
SELECT * FROM stripe_customers WHERE customer_id BETWEEN @first AND @last ORDER BY customer_id, created_at, id;

-- name: FactsLinks :many
SELECT * FROM links WHERE customer_id BETWEEN @first AND @last ORDER BY customer_id, system, remote_id;

-- name: FactsSubscriptions :many
SELECT * FROM subscriptions WHERE customer_id BETWEEN @first AND @last ORDER BY customer_id, created_at, id;

-- name: FactsInvoices :many
SELECT * FROM invoices WHERE customer_id BETWEEN @first AND @last ORDER BY customer_id, created_at, id;

-- name: FactsCharges :many
SELECT * FROM charges WHERE customer_id BETWEEN @first AND @last ORDER BY customer_id, created_at, id;

-- name: FactsRefunds :many
SELECT * FROM refunds WHERE customer_id BETWEEN @first AND @last ORDER BY customer_id, created_at, id;

-- name: FactsDisputes :many
SELECT * FROM disputes WHERE customer_id BETWEEN @first AND @last ORDER BY customer_id, created_at, id;

-- name: FactsCheckouts :many
SELECT * FROM checkouts WHERE customer_id BETWEEN @first AND @last ORDER BY customer_id, created_at, id;

-- name: StripeCustomerPage :many
-- Stripe customers that are not known to be deleted.
SELECT id, customer_id FROM stripe_customers WHERE id > @after AND deleted = 0 ORDER BY id LIMIT @n;

-- name: LinksToNothing :many
-- Links to Stripe customers that were never read.
SELECT l.remote_id, l.customer_id FROM links l
WHERE l.system = 'stripe' AND NOT EXISTS (SELECT 1 FROM stripe_customers s WHERE s.id = l.remote_id) ORDER BY l.remote_id LIMIT 500;

-- name: InvoiceByID :one
SELECT * FROM invoices WHERE id = ?;

-- name: RefundByID :one
SELECT * FROM refunds WHERE id = ?;

-- name: DisputeByID :one
SELECT * FROM disputes WHERE id = ?;

-- name: ChargeByID :one
SELECT * FROM charges WHERE id = ?;

-- name: PreviousStripeRun :one
-- The last run before this one that read Stripe whole.
SELECT * FROM runs WHERE state = 'complete' AND stripe_compared = 1 AND id < ? ORDER BY id DESC LIMIT 1;

-- name: EventsAbout :many
-- The newest events that name a Stripe customer, also those that were ignored.
SELECT id, type, object_id, source, ignored, created_at, received_at FROM events
WHERE customer = @customer ORDER BY created_at DESC, seq DESC LIMIT 50;

-- name: FindingByID :one
SELECT * FROM findings WHERE id = ?;

-- name: UpdateRunProgress :exec
UPDATE runs SET customers = ?, subscriptions = ?, contacts = ?, tickets = ? WHERE id = ?;

-- name: RunUnderWay :one
-- A run that somebody asked for since a time and that has not ended.
SELECT * FROM runs WHERE day = '' AND started_at >= @since AND state = 'running' ORDER BY id DESC LIMIT 1;

-- name: CountProposals :one
-- Open findings of a run that a person can have repaired.
SELECT CAST(COUNT(*) AS INTEGER) FROM findings WHERE run_id = ? AND state = 'open' AND repair = 'person' AND job_kind <> '';

-- name: ProposalsOfRun :many
SELECT * FROM findings WHERE run_id = @run_id AND state = 'open' AND repair = 'person' AND job_kind <> '' ORDER BY id LIMIT @n;

-- name: InsertRepair :one
INSERT INTO repairs (finding_id, asked_by, reason, state, before, created_at) VALUES (@finding_id, @asked_by, @reason, 'asked', @before, @now)
ON CONFLICT (finding_id) WHERE state = 'asked' DO NOTHING RETURNING id;

-- name: RepairByID :one
SELECT * FROM repairs WHERE id = ?;

-- name: RepairsOfFinding :many
SELECT * FROM repairs WHERE finding_id = ? ORDER BY id DESC;

-- name: FinishRepair :exec
UPDATE repairs SET state = ?, after = ?, error = ?, finished_at = ? WHERE id = ?;

-- name: FixFinding :exec
UPDATE findings SET state = 'fixed', fixed_at = @now, fixed_by = @fixed_by WHERE id = @id AND state IN ('open', 'dismissed');

-- name: FixSameJob :exec
-- The other findings of the same run that the job of one has mended.
UPDATE findings SET state = 'fixed', fixed_at = @now, fixed_by = @fixed_by
WHERE findings.state = 'open' AND findings.job_kind = @job_kind AND findings.job_key = @job_key AND findings.job_key <> '' AND findings.run_id = @run_id;

-- name: DismissFinding :execrows
UPDATE findings SET state = 'dismissed', dismissed_at = @now, dismissed_by = @who, dismissed_why = @why
WHERE findings.id = @id AND findings.state IN ('open', 'fixed')
  AND NOT EXISTS (SELECT 1 FROM findings o WHERE o.kind = findings.kind AND o.subject = findings.subject AND o.id <> findings.id AND o.state IN ('open', 'dismissed'));

-- name: ReopenFinding :execrows
UPDATE findings SET state = 'open', dismissed_at = 0, dismissed_by = '', dismissed_why = '' WHERE id = @id AND state = 'dismissed';

-- name: SetFindingLink :exec
UPDATE findings SET link_hash = @hash, link_until_at = @until WHERE id = @id;

-- name: FindingByLink :one
SELECT * FROM findings WHERE link_hash = @hash AND link_until_at > @now;

-- name: UseFindingLink :execrows
UPDATE findings SET link_until_at = 0 WHERE id = @id AND link_hash = @hash AND link_until_at > @now;

-- name: CountEventsOfCharge :one
-- Stored events that name no customer and a charge or payment.
SELECT CAST(COUNT(*) AS INTEGER) FROM events
WHERE customer = '' AND (charge <> '' AND charge = @charge OR payment_intent <> '' AND payment_intent = @payment_intent);

-- name: PageOfCustomers :many
-- Ids and addresses, for those who look for two with the same.
SELECT id, name, email FROM customers WHERE id IN (SELECT CAST(k.value AS INTEGER) FROM json_each(CAST(@ids AS TEXT)) k) ORDER BY id;

-- name: DeleteSubscription :exec
DELETE FROM subscriptions WHERE id = ?;

-- name: MarkStripeCustomerDeleted :exec
UPDATE stripe_customers SET deleted = 1 WHERE id = ?;

-- name: DeleteLink :exec
DELETE FROM links WHERE system = ? AND remote_id = ?;

-- name: KeepFindings :exec
-- What is open about a customer was not looked at by this run: it stays as it is, except the kinds of a JSON list.
UPDATE findings SET run_id = @run_id WHERE customer_id = @customer_id AND state IN ('open', 'dismissed') AND run_id < @run_id
  AND kind NOT IN (SELECT k.value FROM json_each(CAST(@except AS TEXT)) k);

-- name: CountRepaired :one
-- How often jobs have mended the same difference since a time.
SELECT CAST(COUNT(*) AS INTEGER) FROM findings
WHERE state = 'fixed' AND kind = @kind AND subject = @subject AND expected = @expected AND actual = @actual AND fixed_by = 'bursar' AND fixed_at >= @since;
