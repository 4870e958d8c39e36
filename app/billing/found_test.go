package billing

import (
	"fmt"
	"testing"
	"time"

	"bursar/app/customer"
	"bursar/app/db"
	"bursar/app/db/dbtest"
	"bursar/app/stripe"
)

// A refund's event names no customer. If a reading of less began after it came and before it was found whose it
// is, the next reads payments, whatever other news it has.
func TestARefundThatIsFoundLate(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	b := &Billing{DB: dbtest.New(t)}
	told := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	receive := func(kind, object string) {
		t.Helper()
		e, err := stripe.DecodeEvent(fmt.Appendf(nil, `{"id":"evt_%d","type":%q,"created":1,"data":{"object":%s}}`, time.Now().UnixNano(), kind, object))
		told(err)
		_, err = b.Receive(ctx, e, Webhook)
		told(err)
	}
	reads := func() bool {
		t.Helper()
		parts, err := newsOf(ctx, b.DB.Read(), "cus_1")
		told(err)
		return parts.Payments
	}
	read := func(whole bool) {
		t.Helper()
		seq, err := b.DB.Read().LastEventSeq(ctx)
		told(err)
		told(b.DB.Tx(ctx, func(q *db.Queries) error {
			id, err := customer.Bind(ctx, q, "cus_1", "")
			if err != nil {
				return err
			}
			return b.mirror(ctx, q, id, stripe.State{Customer: stripe.Customer{ID: "cus_1"}, Source: stripe.SourceAPI, AsOf: time.Now(),
				Charges: []stripe.Charge{{ID: "ch_1"}}, Parts: stripe.Parts{Payments: whole, Checkouts: whole}}, seq)
		}))
	}
	update := func() { receive("customer.updated", `{"id":"cus_1","object":"customer"}`) }

	if !reads() {
		t.Error("the first reading leaves payments out")
	}
	read(true)
	if update(); reads() {
		t.Error("a new address leads to a reading of payments")
	}
	receive("refund.created", `{"id":"re_1","object":"refund","charge":"ch_1"}`)
	read(false)
	if update(); reads() {
		t.Fatal("the refund is known of: this proves nothing")
	}
	rows, err := b.DB.Read().ListEvents(ctx, db.ListEventsParams{Before: 1 << 60, Type: "refund.created", N: 1})
	told(err)
	told(b.findCustomer(ctx, rows[0].ID))
	if !reads() {
		t.Error("the refund that was found is not read")
	}
	read(false)
	if !reads() {
		t.Error("a reading that began before it was found counts as one of it")
	}
	read(true)
	if update(); reads() {
		t.Error("payments are read for ever")
	}
	// Whose it is may be found in the middle of a reading of everything that began before the refund.
	before, err := b.DB.Read().LastEventSeq(ctx)
	told(err)
	receive("refund.created", `{"id":"re_2","object":"refund","charge":"ch_1"}`)
	rows, err = b.DB.Read().ListEvents(ctx, db.ListEventsParams{Before: 1 << 60, Type: "refund.created", N: 1})
	told(err)
	told(b.findCustomer(ctx, rows[0].ID))
	told(b.DB.Tx(ctx, func(q *db.Queries) error {
		return b.mirror(ctx, q, 1, stripe.State{Customer: stripe.Customer{ID: "cus_1"}, Source: stripe.SourceAPI, AsOf: time.Now(),
			Parts: stripe.All}, before)
	}))
	if update(); !reads() {
		t.Error("a refund that came while everything was read is not read")
	}
}
