// Package crowd is many customers who agree everywhere, for benchmarks: the rows of a file, and a stand-in for
// Stripe that makes up its lists, in a process of its own, so that what is measured is Bursar's alone.
package crowd

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Fill writes n customers who agree with a stand-in of the same number and time. Their purchases began then.
func Fill(ctx context.Context, file *sql.DB, n int, began time.Time) error {
	numbers := fmt.Sprintf("WITH RECURSIVE k (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < %d) ", n)
	values := strings.NewReplacer("%s", numbers, " AT", " "+strconv.FormatInt(began.UnixMilli(), 10),
		" END", " "+strconv.FormatInt(began.AddDate(0, 1, 0).UnixMilli(), 10))
	for _, statement := range rows {
		if _, err := file.ExecContext(ctx, values.Replace(statement)); err != nil {
			return fmt.Errorf("fill %.40s: %w", statement, err)
		}
	}
	return nil
}

// rows are a statement for each table, with %s for the numbers from 1 to n.
var rows = [...]string{
	`INSERT INTO customers (id, name, email, plan, status, access, access_reason, last_paid_at, last_payment_status, last_payment_amount, last_payment_currency, source, as_of_at, created_at, updated_at, synced_at)
		%sSELECT i, 'User ' || i, 'user' || i || '@example.com', 'Team', 'active', 'full', 'the subscription is active', AT, 'paid', 4900, 'usd', 'api', AT, AT, AT, AT FROM k`,
	`INSERT INTO stripe_customers (id, customer_id, name, email, deleted, source, as_of_at, confirmed_at, created_at, whole_at)
		%sSELECT printf('cus_%08d', i), i, 'User ' || i, 'user' || i || '@example.com', 0, 'api', AT, AT, AT, AT FROM k`,
	`INSERT INTO links (system, remote_id, customer_id, created_at) %sSELECT 'stripe', printf('cus_%08d', i), i, AT FROM k`,
	`INSERT INTO subscriptions (id, stripe_customer, customer_id, status, price, product, plan, quantity, amount, currency, interval, interval_count, cancel_at_period_end,
		current_period_end_at, cancel_at, canceled_at, ended_at, trial_end_at, pause_behavior, pause_resumes_at, created_at)
		%sSELECT printf('sub_%08d', i), printf('cus_%08d', i), i, 'active', 'price_00000001', 'prod_1', 'Team', 1, 4900, 'usd', 'month', 1, 0, END, 0, 0, 0, 0, '', 0, AT FROM k`,
	`INSERT INTO invoices (id, stripe_customer, customer_id, subscription, charge, payment_intent, number, status, billing_reason, amount_due, amount_paid, currency, attempts, failed, error,
		hosted_url, next_attempt_at, paid_at, created_at)
		%sSELECT printf('in_%08d', i), printf('cus_%08d', i), i, printf('sub_%08d', i), '', '', '', 'paid', '', 4900, 4900, 'usd', 1, 0, '', '', 0, AT, AT FROM k`,
	`INSERT INTO checkouts (id, stripe_customer, customer_id, user_id, mode, status, payment_status, payment_failed, subscription, amount, currency, completed_at, activated_at, created_at)
		%sSELECT printf('cs_test_%08d', i), printf('cus_%08d', i), i, '', 'subscription', 'complete', 'paid', 0, printf('sub_%08d', i), 4900, 'usd', AT, AT, AT FROM k`,
	`INSERT INTO contacts (customer_id, name, email, stripe_ids, access, mrr, currency, next_invoice_at, lifecycle, plan, status, last_paid_at, created_at, updated_at)
		%sSELECT i, 'User ' || i, 'user' || i || '@example.com', printf('cus_%08d', i), 'full', '49', 'USD', END, 'customer', 'Team', 'active', AT, AT, AT FROM k`,
}
