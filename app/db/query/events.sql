-- name: InsertEvent :execrows
-- Zero rows: the id was stored before.
INSERT INTO events (id, type, api_version, account, livemode, object_type, object_id, customer, charge, payment_intent, invoice, source, ignored, created_at, received_at, payload)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO NOTHING;

-- name: EventByID :one
SELECT * FROM events WHERE id = ?;

-- name: ListEvents :many
-- The newest events below seq @before, payloads left out; '' stands for any type and any customer.
SELECT seq, id, type, api_version, livemode, object_type, object_id, customer, source, ignored, created_at, received_at
FROM events
WHERE seq < @before AND (CAST(@type AS TEXT) = '' OR type = @type) AND (CAST(@customer AS TEXT) = '' OR customer = @customer)
ORDER BY seq DESC LIMIT @n;

-- name: EventsOfCustomer :many
-- Everything stored about one Stripe customer since a time: events that name it, and those without
-- a customer whose charge, payment or invoice one of its events names, or whose charge the API told of.
SELECT e.* FROM events e WHERE e.customer = @customer AND e.ignored = '' AND e.purged_at = 0 AND e.created_at >= @since
UNION ALL
SELECT o.* FROM events o
WHERE o.customer = '' AND o.ignored = '' AND o.purged_at = 0 AND o.created_at >= @since AND (
     (o.charge <> '' AND o.charge IN (
        SELECT c.object_id FROM events c WHERE c.customer = @customer
        UNION SELECT c.charge FROM events c WHERE c.customer = @customer
        UNION SELECT ch.id FROM stripe_customers sc JOIN charges ch ON ch.customer_id = sc.customer_id AND ch.stripe_customer = sc.id
        WHERE sc.id = @customer))
  OR (o.payment_intent <> '' AND o.payment_intent IN (
        SELECT c.object_id FROM events c WHERE c.customer = @customer
        UNION SELECT c.payment_intent FROM events c WHERE c.customer = @customer))
  OR (o.invoice <> '' AND o.invoice IN (
        SELECT c.object_id FROM events c WHERE c.customer = @customer)));

-- name: NewsOf :many
-- The events of a Stripe customer after a seq.
SELECT type, object_id, payment_intent FROM events WHERE customer = @customer AND seq > @after AND ignored = '';

-- name: SetEventCustomer :exec
UPDATE events SET customer = @customer WHERE id = @id AND customer = '';

-- name: CustomerOfObjects :one
-- The Stripe customer whose mirror or events name one of these ids.
SELECT stripe_customer FROM charges WHERE charges.id = @charge
UNION ALL
SELECT stripe_customer FROM invoices WHERE invoices.id = @invoice
UNION ALL
SELECT e.customer FROM events e WHERE e.customer <> '' AND e.object_id IN (@charge, @payment_intent, @invoice) AND e.object_id <> ''
UNION ALL
SELECT e.customer FROM events e WHERE e.customer <> '' AND e.charge <> '' AND e.charge = @charge
UNION ALL
SELECT e.customer FROM events e WHERE e.customer <> '' AND e.payment_intent <> '' AND e.payment_intent = @payment_intent
LIMIT 1;

-- name: CountEventsOfNobody :one
-- Events about money whose customer nobody could name.
SELECT CAST(COUNT(*) AS INTEGER) FROM events o
WHERE o.customer = '' AND o.ignored = '' AND (o.charge <> '' OR o.payment_intent <> '' OR o.invoice <> '')
  AND NOT EXISTS (SELECT 1 FROM events c WHERE c.customer <> '' AND c.object_id <> '' AND c.object_id IN (o.charge, o.payment_intent, o.invoice))
  AND NOT EXISTS (SELECT 1 FROM events c WHERE c.customer <> '' AND c.charge <> '' AND c.charge = o.charge)
  AND NOT EXISTS (SELECT 1 FROM events c WHERE c.customer <> '' AND c.payment_intent <> '' AND c.payment_intent = o.payment_intent);

-- name: CountEvents :one
SELECT CAST(COUNT(*) AS INTEGER) AS total, CAST(COUNT(CASE WHEN ignored <> '' THEN 1 END) AS INTEGER) AS ignored_total
FROM events WHERE received_at >= @since;

-- name: LastEvent :one
SELECT received_at FROM events ORDER BY seq DESC LIMIT 1;
