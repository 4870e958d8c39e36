-- name: SaveStripeCustomer :exec
-- A blank name or e-mail, as a deleted customer has, never wipes a known one, nor does an event that does
-- not tell the creation. Deletion is final: a reading of later events alone does not know of it.
INSERT INTO stripe_customers (id, customer_id, name, email, deleted, source, as_of_at, confirmed_at, created_at, whole_at, read_seq)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET customer_id = excluded.customer_id,
  name = CASE excluded.name WHEN '' THEN stripe_customers.name ELSE excluded.name END,
  email = CASE excluded.email WHEN '' THEN stripe_customers.email ELSE excluded.email END,
  deleted = max(stripe_customers.deleted, excluded.deleted), source = excluded.source, as_of_at = excluded.as_of_at,
  confirmed_at = max(stripe_customers.confirmed_at, excluded.confirmed_at),
  created_at = CASE excluded.created_at WHEN 0 THEN stripe_customers.created_at ELSE excluded.created_at END,
  whole_at = CASE excluded.whole_at WHEN 0 THEN stripe_customers.whole_at ELSE excluded.whole_at END,
  read_seq = max(stripe_customers.read_seq, excluded.read_seq);

-- name: ReadWholeNext :exec
-- What was read of a Stripe customer does not tell what they paid any more.
UPDATE stripe_customers SET whole_at = 0 WHERE id = ?;

-- name: StripeCustomer :one
SELECT * FROM stripe_customers WHERE id = ?;

-- name: StripeCustomersOf :many
SELECT * FROM stripe_customers WHERE customer_id = ? ORDER BY created_at, id;

-- name: SaveSubscription :exec
INSERT INTO subscriptions (id, stripe_customer, customer_id, status, price, product, plan, quantity, amount, currency, interval, interval_count,
  cancel_at_period_end, current_period_end_at, cancel_at, canceled_at, ended_at, trial_end_at, pause_behavior, pause_resumes_at, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET stripe_customer = excluded.stripe_customer, customer_id = excluded.customer_id, status = excluded.status,
  price = excluded.price, product = excluded.product, plan = excluded.plan, quantity = excluded.quantity, amount = excluded.amount,
  currency = excluded.currency, interval = excluded.interval, interval_count = excluded.interval_count,
  cancel_at_period_end = excluded.cancel_at_period_end, current_period_end_at = excluded.current_period_end_at, cancel_at = excluded.cancel_at,
  canceled_at = excluded.canceled_at, ended_at = excluded.ended_at, trial_end_at = excluded.trial_end_at,
  pause_behavior = excluded.pause_behavior, pause_resumes_at = excluded.pause_resumes_at, created_at = excluded.created_at;

-- name: SubscriptionByID :one
SELECT * FROM subscriptions WHERE id = ?;

-- name: SubscriptionsOf :many
SELECT * FROM subscriptions WHERE customer_id = ? ORDER BY created_at, id;

-- name: LiveSubscriptions :many
SELECT * FROM subscriptions WHERE id > @after AND status NOT IN ('canceled', 'incomplete_expired') ORDER BY id LIMIT @n;

-- name: PlanOfPrice :one
-- A name seen earlier for this price.
SELECT plan FROM subscriptions WHERE price = ? AND plan <> '' LIMIT 1;

-- name: SaveInvoice :exec
-- What paid it never changes back to unknown: newer versions of its events do not tell.
INSERT INTO invoices (id, stripe_customer, customer_id, subscription, charge, payment_intent, number, status, billing_reason, amount_due, amount_paid, currency,
  attempts, failed, error, hosted_url, next_attempt_at, paid_at, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET stripe_customer = excluded.stripe_customer, customer_id = excluded.customer_id, subscription = excluded.subscription,
  charge = CASE excluded.charge WHEN '' THEN charge ELSE excluded.charge END,
  payment_intent = CASE excluded.payment_intent WHEN '' THEN payment_intent ELSE excluded.payment_intent END,
  number = excluded.number, status = excluded.status,
  billing_reason = excluded.billing_reason, amount_due = excluded.amount_due, amount_paid = excluded.amount_paid, currency = excluded.currency,
  attempts = excluded.attempts, failed = excluded.failed, error = excluded.error, hosted_url = excluded.hosted_url,
  next_attempt_at = excluded.next_attempt_at, paid_at = excluded.paid_at, created_at = excluded.created_at;

-- name: InvoicesOf :many
-- The newest 100, oldest first.
SELECT * FROM (SELECT * FROM invoices i WHERE i.customer_id = ? ORDER BY i.created_at DESC, i.id DESC LIMIT 100) ORDER BY created_at, id;

-- name: SaveCharge :exec
-- What it paid never changes back to unknown: newer versions of its events do not tell.
INSERT INTO charges (id, stripe_customer, customer_id, invoice, payment_intent, status, amount, amount_refunded, currency, disputed, failure_code, failure_message, receipt_url, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET stripe_customer = excluded.stripe_customer, customer_id = excluded.customer_id,
  invoice = CASE excluded.invoice WHEN '' THEN invoice ELSE excluded.invoice END,
  payment_intent = CASE excluded.payment_intent WHEN '' THEN payment_intent ELSE excluded.payment_intent END, status = excluded.status, amount = excluded.amount, amount_refunded = excluded.amount_refunded,
  currency = excluded.currency, disputed = excluded.disputed, failure_code = excluded.failure_code, failure_message = excluded.failure_message,
  receipt_url = excluded.receipt_url, created_at = excluded.created_at;

-- name: ChargesOf :many
-- The newest 100, oldest first.
SELECT * FROM (SELECT * FROM charges c WHERE c.customer_id = ? ORDER BY c.created_at DESC, c.id DESC LIMIT 100) ORDER BY created_at, id;

-- name: SaveRefund :exec
INSERT INTO refunds (id, stripe_customer, customer_id, charge, payment_intent, status, amount, currency, reason, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET stripe_customer = excluded.stripe_customer, customer_id = excluded.customer_id, charge = excluded.charge,
  payment_intent = excluded.payment_intent, status = excluded.status, amount = excluded.amount, currency = excluded.currency,
  reason = excluded.reason, created_at = excluded.created_at;

-- name: RefundsOf :many
SELECT * FROM refunds WHERE customer_id = ? ORDER BY created_at, id;

-- name: SaveDispute :exec
INSERT INTO disputes (id, stripe_customer, customer_id, charge, payment_intent, status, reason, amount, currency, evidence_due_at, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET stripe_customer = excluded.stripe_customer, customer_id = excluded.customer_id, charge = excluded.charge,
  payment_intent = excluded.payment_intent, status = excluded.status, reason = excluded.reason, amount = excluded.amount,
  currency = excluded.currency, evidence_due_at = excluded.evidence_due_at, created_at = excluded.created_at;

-- name: DisputesOf :many
SELECT * FROM disputes WHERE customer_id = ? ORDER BY created_at, id;

-- name: SaveCheckout :exec
-- completed_at and activated_at are facts of their own: a reading that does not know them leaves them.
INSERT INTO checkouts (id, stripe_customer, customer_id, user_id, mode, status, payment_status, payment_failed, subscription, amount, currency, completed_at, activated_at, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?)
ON CONFLICT (id) DO UPDATE SET stripe_customer = excluded.stripe_customer, customer_id = excluded.customer_id, user_id = excluded.user_id,
  mode = excluded.mode, status = excluded.status, payment_status = excluded.payment_status,
  payment_failed = max(payment_failed, excluded.payment_failed), subscription = excluded.subscription, amount = excluded.amount,
  currency = excluded.currency, completed_at = CASE excluded.completed_at WHEN 0 THEN completed_at ELSE excluded.completed_at END,
  created_at = excluded.created_at;

-- name: CheckoutsOf :many
SELECT * FROM checkouts WHERE customer_id = ? ORDER BY created_at, id;

-- name: CheckoutByID :one
SELECT * FROM checkouts WHERE id = ?;

-- name: CheckoutCompletedAt :one
-- When Stripe says a checkout was completed; the object itself does not tell.
SELECT e.created_at FROM events e WHERE e.object_id = ? AND e.type = 'checkout.session.completed' AND e.customer <> '' AND e.ignored = ''
ORDER BY e.created_at LIMIT 1;

-- name: ActivateCheckouts :exec
-- When one gave access that was completed after the copy of a restored file was made got lost: it is not called late.
UPDATE checkouts SET activated_at = IIF(completed_at > @copy_at AND completed_at < @restored_at, completed_at, CAST(@now AS INTEGER))
WHERE customer_id = @customer_id AND activated_at = 0 AND status = 'complete' AND mode = 'subscription';

-- name: Activations :many
-- How long each checkout completed since a time took to give access, in milliseconds, shortest first.
-- What was bought before Bursar was installed did not wait for it.
SELECT CAST(max(activated_at - completed_at, 0) AS INTEGER) AS took FROM checkouts
WHERE completed_at >= @since AND activated_at > 0
  AND completed_at >= (SELECT CAST(m.value AS INTEGER) - 1000 FROM meta m WHERE m.name = 'installed_at') ORDER BY took;
