-- name: CountEventsSince :one
-- Events that name a Stripe customer and were made since a time.
SELECT CAST(COUNT(*) AS INTEGER) FROM events WHERE customer = @customer AND created_at >= @since;

-- name: FindingAbout :one
-- The newest finding about a customer of ours or of Stripe that a run saw since a time.
SELECT * FROM findings
WHERE (customer_id = @customer_id OR job_key = @stripe_customer) AND last_at >= @since ORDER BY id DESC LIMIT 1;
