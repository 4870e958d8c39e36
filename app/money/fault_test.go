package money

import (
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"bursar/app/auth"
	"bursar/app/db"
	"bursar/app/demo"
	"bursar/app/queue"
	"bursar/app/stripe"
)

// TestALostAnswer breaks the one request in every way, and tries again later: there is one refund, and the
// action knows of it. Until then it says that nobody knows.
func TestALostAnswer(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		kind  demo.FaultKind
		count int
		first string // state after the first try
		last  string // and after the second
	}{
		{"the connection is cut after it, twice", demo.Drop, 2, Unknown, Done},
		{"half the answer", demo.HalfBody, 1, Unknown, Done},
		{"{} instead of the answer", demo.Empty, 1, Unknown, Done},
		{"500 after it", demo.BrokenAfter, 1, Unknown, Done},
		{"500 before it, repeated under the key", demo.ServerError, 1, Unknown, Unknown},
		{"too many requests", demo.RateLimited, 1, Running, Done},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t)
			p, id := o.buy(demo.BuyOptions{Price: "team"})
			a := o.asked(o.request(Refund, id, p.Charge, 1000))
			o.stripe.Fail(demo.APIFault{Method: http.MethodPost, Path: "/v1/refunds", Kind: row.kind, Count: row.count})
			if err := o.run(a.ID); (err == nil) != IsFinal(row.first) {
				t.Errorf("the first try: %v; without an error nobody tries again", err)
			}
			o.is(a.ID, row.first, "")
			if _, _, err := o.Ask(t.Context(), o.request(Refund, id, p.Charge, 1000)); !refusedFor(err, "not settled yet") {
				t.Errorf("another one meanwhile: %v", err)
			}
			err := o.run(a.ID)
			o.is(a.ID, row.last, "")
			want := []int64{1000}
			if row.last == Unknown {
				want = nil
				if err == nil {
					t.Error("nobody looks again")
				}
			}
			if got := o.refunds(p.Charge); !slices.Equal(got, want) {
				t.Errorf("Stripe gave back %v, want %v", got, want)
			}
			rows := strings.Join(o.audits(), "\n")
			if n := strings.Count(rows, " unknown "); n > 1 || (row.first == Unknown) != (n == 1) {
				t.Errorf("the audit says %s", rows)
			}
		})
	}
}

// net/http itself tries a request with an Idempotency-Key again, once, if its connection was used before: whether by
// that or by the next run, the money goes back once.
func TestAConnectionThatIsCutOnce(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p, id := o.buy(demo.BuyOptions{Price: "team"})
	a := o.asked(o.request(Refund, id, p.Charge, 1000))
	o.stripe.Fail(demo.APIFault{Method: http.MethodPost, Path: "/v1/refunds", Kind: demo.Drop, Count: 1})
	if err := o.run(a.ID); err != nil {
		o.is(a.ID, Unknown, "")
		if err := o.run(a.ID); err != nil {
			t.Error(err)
		}
	}
	o.is(a.ID, Done, "")
	if got := o.refunds(p.Charge); !slices.Equal(got, []int64{1000}) {
		t.Errorf("Stripe gave back %v, want 1000 once", got)
	}
}

// TestThe500ThatIsRepeated: Stripe failed, has done nothing and says so for a day. Once nothing can show any more
// the action has failed, and somebody may ask again, with another key.
func TestThe500ThatIsRepeated(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p, id := o.buy(demo.BuyOptions{Price: "team"})
	a := o.asked(o.request(Refund, id, p.Charge, 1000))
	o.stripe.Fail(demo.APIFault{Method: http.MethodPost, Path: "/v1/refunds", Kind: demo.ServerError})
	for range 3 {
		if err := o.run(a.ID); err == nil {
			t.Error("nobody looks again")
		}
		o.is(a.ID, Unknown, "")
	}
	o.later(3 * time.Minute)
	check(t, o.run(a.ID))
	o.is(a.ID, Failed, "Stripe failed at it and has done nothing")
	check(t, o.run(a.ID))
	b := o.asked(o.request(Refund, id, p.Charge, 1000))
	check(t, o.run(b.ID))
	o.is(b.ID, Done, "")
	if got := o.refunds(p.Charge); !slices.Equal(got, []int64{1000}) {
		t.Errorf("Stripe gave back %v", got)
	}
}

// TestThe500OfEveryKind: what shows at Stripe is known to have failed; a mail never shows, so nobody knows.
func TestThe500OfEveryKind(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		kind  Kind
		fault demo.FaultKind
		state string
	}{
		{Refund, demo.ServerError, Failed},
		{Refund, demo.BrokenAfter, Done},
		{ChangePlan, demo.ServerError, Failed},
		{ChangePlan, demo.BrokenAfter, Done},
		{CancelAtEnd, demo.ServerError, Failed},
		{CancelAtEnd, demo.BrokenAfter, Done},
		{Pause, demo.ServerError, Failed},
		{Pause, demo.BrokenAfter, Done},
		{CancelNow, demo.ServerError, Done}, // it has no key: to ask again is to try again
		{PayInvoice, demo.ServerError, Failed},
		{SendReceipt, demo.ServerError, Failed},
		{SendReceipt, demo.BrokenAfter, Done},
		{SendInvoice, demo.ServerError, Unknown},
		{SendInvoice, demo.BrokenAfter, Unknown},
	} {
		t.Run(string(row.kind), func(t *testing.T) {
			t.Parallel()
			o := newOffice(t)
			p, id := o.buy(demo.BuyOptions{Price: "starter"})
			o.stripe.Advance(10 * 24 * time.Hour)
			target := p.Subscription
			switch row.kind {
			case Refund, SendReceipt:
				target = p.Charge
			case PayInvoice, SendInvoice:
				invoice, err := o.stripe.FailPayment(p.Subscription)
				check(t, err)
				target = invoice
			}
			o.sync(p.Customer)
			r := o.request(row.kind, id, target, 100)
			switch row.kind {
			case ChangePlan:
				plan, _, err := o.plan(id, "team", 1, "always_invoice", time.Now())
				check(t, err)
				r.Params.Plan = &plan
			case Pause:
				r.Params.Behavior = "void"
			}
			a := o.asked(r)
			o.stripe.Fail(demo.APIFault{Method: http.MethodPost, Path: "/v1/", Kind: row.fault})
			o.stripe.Fail(demo.APIFault{Method: http.MethodDelete, Path: "/v1/", Kind: row.fault})
			if err := o.run(a.ID); err == nil {
				t.Error("no error")
			}
			o.is(a.ID, Unknown, "")
			_ = o.run(a.ID)
			o.later(3 * time.Minute)
			_ = o.run(a.ID)
			o.is(a.ID, row.state, "")
			if row.state == Failed { // and the next one is done, once
				again := r
				again.Token, again.Seen = r.Token+" again", o.seen(target)
				b := o.asked(again)
				if err := o.run(b.ID); row.kind != PayInvoice { // the card still declines
					check(t, err)
					o.is(b.ID, Done, "")
				}
			}
			if n := len(o.refunds(p.Charge)); n > 1 || n == 1 && row.kind != Refund {
				t.Errorf("%d refunds", n)
			}
		})
	}
}

// TestStripeMendsItLater: days after a 500 Stripe may still do what it failed at. Then a refund that somebody
// asked for again is not made beside it unseen.
func TestStripeMendsItLater(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p, id := o.buy(demo.BuyOptions{Price: "team"})
	a := o.asked(o.request(Refund, id, p.Charge, 1000))
	o.stripe.Fail(demo.APIFault{Method: http.MethodPost, Path: "/v1/refunds", Kind: demo.ServerError})
	_ = o.run(a.ID)
	o.later(3 * time.Minute)
	check(t, o.run(a.ID))
	o.is(a.ID, Failed, "")
	b := o.asked(o.request(Refund, id, p.Charge, 1000))
	other, err := stripe.NewActions("sk_test_stripe_itself", o.url).Refund(t.Context(), "the same request", p.Charge, 1000)
	check(t, err)
	o.relabel(other.ID, a.Key)
	check(t, o.run(b.ID))
	o.is(b.ID, Failed, "Stripe has made the refund of action 1 after all ("+other.ID+")")
	o.sync(p.Customer) // the page shows it now
	c := o.asked(o.request(Refund, id, p.Charge, 500))
	check(t, o.run(c.ID))
	o.is(c.ID, Done, "")
	if got := o.refunds(p.Charge); !slices.Equal(got, []int64{500, 1000}) {
		t.Errorf("Stripe gave back %v", got)
	}
}

// relabel gives a refund the metadata of an action.
func (o *office) relabel(refund, key string) {
	o.t.Helper()
	req, err := http.NewRequestWithContext(o.t.Context(), "POST", o.url+"/v1/refunds/"+refund, strings.NewReader("metadata[action_id]="+key))
	check(o.t, err)
	req.Header.Set("Authorization", "Bearer sk_test_stripe_itself")
	res, err := http.DefaultClient.Do(req)
	check(o.t, err)
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		o.t.Fatalf("label the refund: %d", res.StatusCode)
	}
}

// later lets time pass: at Stripe, which forgets keys, and in the rows.
func (o *office) later(d time.Duration) {
	o.stripe.Advance(d)
	ms := d.Milliseconds()
	o.exec("UPDATE actions SET asked_at = asked_at - ?, sent_at = max(sent_at - ?, 0), resent_at = max(resent_at - ?, 0)", ms, ms, ms)
}

// TestResumedAfterADay: the refund is there and its key is forgotten; the row knows of neither.
func TestResumedAfterADay(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]func(o *office, a int64){
		"the answer was lost": func(o *office, _ int64) {
			o.stripe.Fail(demo.APIFault{Method: http.MethodPost, Path: "/v1/refunds", Kind: demo.Drop, Count: 2})
		},
		"a copy of the file from before it is restored": func(o *office, a int64) {
			if err := o.run(a); err != nil {
				o.t.Error(err)
			}
			o.exec("UPDATE actions SET state = 'approved', sent_at = 0, resent_at = 0, stripe_object = '', settled_at = 0")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t)
			p, id := o.buy(demo.BuyOptions{Price: "team"})
			a := o.asked(o.request(Refund, id, p.Charge, 1000))
			before(o, a.ID)
			_ = o.run(a.ID) // the first way loses the answer, the second finds the refund
			o.later(25 * time.Hour)
			check(t, o.run(a.ID))
			o.is(a.ID, Done, "")
			if got := o.refunds(p.Charge); !slices.Equal(got, []int64{1000}) {
				t.Errorf("Stripe gave back %v", got)
			}
			if n := o.writesOf("/v1/refunds"); n > 2 {
				t.Errorf("Stripe was asked %d times", n)
			}
		})
	}
}

// TestInARestoredFileNothingIsAskedForAgain: the copy is from before the action was settled, whose outcome and what came
// after it got lost.
func TestInARestoredFileNothingIsAskedForAgain(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		request func(o *office, p demo.Purchase, id int64) Request
		since   func(o *office, a db.Action, p demo.Purchase) // the copy was made
		state   string
		text    string
	}{
		{"a refund that was made", refundOf, func(o *office, a db.Action, _ demo.Purchase) { check(o.t, o.run(a.ID)) }, Done, "the refund is made"},
		{"a refund that was not", refundOf, func(*office, db.Action, demo.Purchase) {}, Failed, "Stripe does not show it, and it is not asked for again"},
		{"a cancellation that somebody took back", cancellationOf, func(o *office, a db.Action, p demo.Purchase) {
			check(o.t, o.run(a.ID))
			keep, err := o.Money.Stripe.CancelAtPeriodEnd(o.t.Context(), "another-key", p.Subscription, false)
			if err != nil || keep.CancelAtPeriodEnd {
				o.t.Fatal(keep, err)
			}
		}, Failed, "not asked for again"},
		{"a cancellation that stands", cancellationOf, func(o *office, a db.Action, _ demo.Purchase) { check(o.t, o.run(a.ID)) }, Done, "the subscription"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t)
			p, id := o.buy(demo.BuyOptions{Price: "team"})
			a := o.asked(row.request(o, p, id))
			row.since(o, a, p)
			writes := len(o.writes)
			o.exec("UPDATE actions SET state = 'unknown', sent_at = 0, resent_at = 0, stripe_object = '', settled_at = 0")
			o.later(25 * time.Hour)
			check(t, o.DB.Tx(t.Context(), func(q *db.Queries) error {
				return db.KeepRestored(t.Context(), q, db.Restored{At: time.Now(), CopyAt: time.Now().Add(-25 * time.Hour)})
			}))
			check(t, o.run(a.ID))
			o.is(a.ID, row.state, row.text)
			if len(o.writes) != writes {
				t.Errorf("Stripe was asked to %s", o.writes[writes:])
			}
		})
	}
	o := newOffice(t)
	check(t, o.DB.Tx(t.Context(), func(q *db.Queries) error {
		return db.KeepRestored(t.Context(), q, db.Restored{At: time.Now().Add(-time.Hour), CopyAt: time.Now().Add(-25 * time.Hour)})
	}))
	p, id := o.buy(demo.BuyOptions{Price: "team"})
	a := o.asked(refundOf(o, p, id))
	check(t, o.run(a.ID))
	o.is(a.ID, Done, "the refund is made") // what is asked for afterwards is done
}

func refundOf(o *office, p demo.Purchase, id int64) Request {
	return o.request(Refund, id, p.Charge, 1000)
}

func cancellationOf(o *office, p demo.Purchase, id int64) Request {
	return o.request(CancelAtEnd, id, p.Subscription, 0)
}

// TestStripeIsDown: nothing is sent, nothing is unknown, and it is done when Stripe is back.
func TestStripeIsDown(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p, id := o.buy(demo.BuyOptions{Price: "team"})
	a := o.asked(o.request(Refund, id, p.Charge, 1000))
	o.stripe.Down(true)
	if err := o.run(a.ID); err == nil {
		t.Error("no error")
	}
	o.is(a.ID, Approved, "")
	o.stripe.Down(false)
	check(t, o.run(a.ID))
	o.is(a.ID, Done, "")
}

// TestAKeyThatMayNot: nothing is sent later, behind somebody's back, when the key is mended.
func TestAKeyThatMayNot(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p, id := o.buy(demo.BuyOptions{Price: "team"})
	a := o.asked(o.request(Refund, id, p.Charge, 1000))
	o.stripe.Revoke(actionsKey)
	check(t, o.run(a.ID))
	o.is(a.ID, Failed, "Stripe was not asked")
	if got := o.refunds(p.Charge); len(got) > 0 {
		t.Errorf("Stripe gave back %v", got)
	}
}

// TestPeopleChangeMeanwhile: who may is asked again when the job runs, also before a second try.
func TestPeopleChangeMeanwhile(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		change string // SQL, about who asked
		want   string // part of the outcome; "" if it is done
	}{
		{"nothing", "", ""},
		{"the role is taken", "UPDATE users SET role = 'support' WHERE email = 'finance@example.com'", "is support now, and may not"},
		{"disabled", "UPDATE users SET disabled_at = 1 WHERE email = 'finance@example.com'", "was disabled"},
		{"a larger role", "UPDATE users SET role = 'owner' WHERE email = 'finance@example.com'", ""},
	} {
		for _, sent := range []bool{false, true} {
			t.Run(row.name, func(t *testing.T) {
				t.Parallel()
				o := newOffice(t)
				p, id := o.buy(demo.BuyOptions{Price: "team"})
				r := o.request(Refund, id, p.Charge, 1000)
				r.User = o.people[auth.Finance]
				a := o.asked(r)
				if sent { // and Stripe had not done it
					o.stripe.Fail(demo.APIFault{Method: http.MethodPost, Path: "/v1/refunds", Kind: demo.RateLimited})
					if err := o.run(a.ID); err == nil {
						t.Error("no error")
					}
				}
				if row.change != "" {
					o.exec(row.change)
				}
				err := o.run(a.ID)
				if sent && row.want != "" {
					if err == nil || IsFinal(o.action(a.ID).State) {
						t.Errorf("at once: %v, %s; the first request may be under way", err, o.action(a.ID).State)
					}
					o.later(3 * time.Minute)
					err = o.run(a.ID)
				}
				check(t, err)
				state, want := Done, []int64{1000}
				if row.want != "" {
					state, want = Failed, nil
				}
				o.is(a.ID, state, row.want)
				if got := o.refunds(p.Charge); !slices.Equal(got, want) {
					t.Errorf("Stripe gave back %v", got)
				}
				if last := o.audits()[len(o.audits())-1]; !strings.Contains(last, " "+state+" ") {
					t.Errorf("the audit ends with %s", last)
				}
			})
		}
	}
}

// TestTheRefundIsThereAndTheRoleIsNot: what Stripe did is done, whoever may what by now.
func TestTheRefundIsThereAndTheRoleIsNot(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p, id := o.buy(demo.BuyOptions{Price: "team"})
	a := o.asked(o.request(Refund, id, p.Charge, 1000))
	o.stripe.Fail(demo.APIFault{Method: http.MethodPost, Path: "/v1/refunds", Kind: demo.Drop, Count: 2})
	if err := o.run(a.ID); err == nil {
		t.Error("no error")
	}
	o.exec("UPDATE users SET disabled_at = 1")
	check(t, o.run(a.ID))
	o.is(a.ID, Done, "")
}

// TestKilled ends a process with SIGKILL at every step of a refund, lets another one go on, and counts.
func TestKilled(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"asked", "looked", "marked", "answered", "settled"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t)
			p, _ := o.buy(demo.BuyOptions{Price: "team"})
			path := o.DB.Path()
			check(t, o.DB.Close())
			if err := o.child(path, p.Charge, step); err == nil || !strings.Contains(err.Error(), "killed") {
				t.Fatalf("the process that should die: %v", err)
			}
			check(t, o.child(path, p.Charge, ""))
			o.open(path)
			a, err := o.DB.Read().ActionByToken(t.Context(), childToken)
			check(t, err)
			o.is(a.ID, Done, "")
			if got := o.refunds(p.Charge); !slices.Equal(got, []int64{1000}) {
				t.Errorf("Stripe gave back %v", got)
			}
			var asked, done int
			for _, row := range o.audits() {
				if strings.Contains(row, " asked ") {
					asked++
				}
				if strings.Contains(row, " done ") {
					done++
				}
			}
			if asked != 1 || done != 1 {
				t.Errorf("the audit says asked %d times, done %d times", asked, done)
			}
		})
	}
}

const childToken = "the form of the child"

// child runs TestChild in a process of its own, which dies at a step if one is named.
func (o *office) child(path, charge, step string) error {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(o.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestChild$")
	cmd.Env = append(os.Environ(), "MONEY_CHILD="+path, "MONEY_STRIPE="+o.url, "MONEY_CHARGE="+charge, "MONEY_STEP="+step)
	cmd.Dir, _ = filepath.Abs(".")
	out, err := cmd.CombinedOutput()
	if err != nil && step == "" {
		o.t.Logf("%s", out)
	}
	return err
}

// TestChild is the process that TestKilled kills: it asks for a refund unless that was asked for already, and
// works on its jobs until it is settled.
func TestChild(t *testing.T) {
	path := os.Getenv("MONEY_CHILD")
	if path == "" {
		t.Skip("it is run by TestKilled")
	}
	o := &office{t: t, url: os.Getenv("MONEY_STRIPE"), people: map[auth.Role]auth.User{}}
	o.open(path)
	o.at = func(step string) {
		if step == os.Getenv("MONEY_STEP") {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
	}
	owner, err := o.DB.Read().UserByEmail(t.Context(), "owner@example.com")
	check(t, err)
	o.people[auth.Owner] = auth.User{ID: owner.ID, Email: owner.Email, Role: auth.Owner}
	r := o.request(Refund, 1, os.Getenv("MONEY_CHARGE"), 1000)
	r.Token = childToken
	a, _, err := o.Ask(t.Context(), r)
	check(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- o.worker.Run(ctx) }()
	for !IsFinal(a.State) {
		time.Sleep(5 * time.Millisecond)
		a = o.action(a.ID)
	}
	stop()
	if err := <-ended; !errors.Is(err, context.Canceled) { // it was settled before the worker had begun
		check(t, err)
	}
	// Whatever is left to do is done after the kill as well.
	if jobs, err := o.DB.Read().ListJobs(t.Context(), db.ListJobsParams{Before: 1 << 62, State: queue.Discarded, N: 10}); err != nil || len(jobs) > 0 {
		t.Errorf("jobs gave up: %v, %v", jobs, err)
	}
}
