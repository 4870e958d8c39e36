package server

import (
	"net/http/httptest"
	"strings"
	"testing"

	"bursar/app/auth"
	"bursar/app/demo"
	"bursar/app/stripe"
)

func TestTheStripePage(t *testing.T) {
	t.Parallel()
	const swept = `INSERT INTO sweeps (state, undelivered, since_at, mark_at, gap_at, listed, found, missing, late_ms, error, started_at, finished_at) VALUES `
	const fill = `INSERT INTO backfills (reason, state, cursor, error, started_at, updated_at, finished_at) VALUES `
	for _, row := range []struct {
		name string
		key  bool
		sql  string
		want []string
	}{
		{"without a key", false, "", []string{"Only webhooks tell Bursar", "no STRIPE_API_KEY", "!Read everything</button>"}},
		{"before the first sweep", true, "", []string{"list of events has not been read yet", "Endpoint not known", "Read everything", "It has not been done."}},
		{"all is well", true, swept + `('complete', 1, @now, @now, 0, 7, 0, 0, 0, '', @now - 60000, @now);
			INSERT INTO endpoint_checks VALUES (1, 1, '', '[]', @now)`, []string{"Events arrive as they should.", "Endpoint as it should be", "also what Stripe could not deliver"}},
		{"the endpoint may not be read", true, swept + `('complete', 0, @now, @now, 0, 7, 0, 0, 0, '', @now - 60000, @now);
			INSERT INTO endpoint_checks VALUES (1, 0, 'give it the permission Webhook Endpoints: Read', '[]', @now)`, []string{"Events arrive as they should.", "How the endpoint is set up is not known.", "Endpoint not known give it the permission"}},
		{"the endpoint was looked at long ago", true, swept + `('complete', 0, @now, @now, 0, 7, 0, 0, 0, '', @now - 60000, @now);
			INSERT INTO endpoint_checks VALUES (1, 1, '', '[]', @now - 20000000)`, []string{"is not known", "more than three hours ago", "!as it should be"}},
		{"webhooks are silent", true, swept + `('complete', 0, @now, @now, 0, 7, 3, 3, 7200000, '', @now - 60000, @now)`,
			[]string{"Webhooks are not arriving: 3 events came in 24 hours by asking Stripe.", "the oldest 2 hours late", "no webhook brings them"}},
		{"some webhooks are lost", true, swept + `('complete', 0, @now, @now, 0, 7, 1, 1, 900000, '', @now - 60000, @now);
			INSERT INTO endpoint_checks VALUES (1, 1, '', '[]', @now);
			INSERT INTO events (id, type, livemode, source, created_at, received_at, payload) VALUES ('evt_1', 'invoice.paid', 0, 'webhook', @now, @now, X'7b7d')`,
			[]string{"Events arrive, but no webhook brought 1 event of the last 24 hours."}},
		{"the list cannot be read", true, swept + `('incomplete', 0, @now, @now, 0, 100, 0, 0, 0, 'Stripe cannot be reached: <script>', @now - 60000, @now)`,
			[]string{"could not be read whole lately", "Stripe cannot be reached: <script>"}},
		{"a problem of the endpoint", true, swept + `('complete', 0, @now, @now, 0, 7, 0, 0, 0, '', @now - 60000, @now);
			INSERT INTO endpoint_checks VALUES (1, 1, '', '[{"kind":"disabled","endpoint":"we_1","text":"The endpoint is disabled.","fix":"Enable it.","severe":true,"since":"2026-01-01T00:00:00Z"}]', @now)`,
			[]string{"not as it should be", "The endpoint is disabled. Enable it.", "we_1", "Endpoint 1 to look at"}},
		{"a backfill at its list", true, fill + `('asked for', 'customers', 'cus_9', '', @now, @now, 0)`, []string{"Everything is being read from Stripe.", "Listing: 0 customers", "!Read everything</button>"}},
		{"a backfill at its records", true, fill + `('asked for', 'records', '', 'Stripe cannot be reached', @now, @now, 0);
			INSERT INTO backfill_items VALUES (1, 'customer', 'cus_1', 'cus_1', @now, ''), (1, 'customer', 'cus_2', 'cus_2', 0, '')`, []string{"1 of 2 customers read", "trying again", "Stripe cannot be reached"}},
		{"a backfill that lacks something", true, fill + `('asked for', 'incomplete', '', 'of 5 customers, 4 are stored', @now, @now, @now)`, []string{"not complete", "of 5 customers, 4 are stored"}},
		{"requests", true, `INSERT INTO stripe_reads SELECT date('now'), 'sweep', 5000; INSERT INTO stripe_reads SELECT date('now', '-10 days'), 'compare', 3123; INSERT INTO stripe_reads SELECT date('now', '-40 days'), 'sweep', 99999; INSERT INTO stripe_reads SELECT date('now'), 'sync', 77`,
			[]string{"8,123 of the 10,000 requests that Bursar allows itself of its own accord; 77 more", "3,123 the nightly comparison", "!99,999"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			a := newAdmin(t)
			if row.key {
				a.Billing.Stripe = stripe.New("rk_test_1", "http://127.0.0.1:1")
			}
			a.execNow(row.sql)
			text, body := a.open(auth.Owner, stripePath)
			for _, w := range row.want {
				where := text
				if strings.Contains(w, "button>") {
					where = body
				}
				shows(t, "the page", where, w)
			}
			shows(t, "the page", body, "!<script>")
			if _, body := a.open(auth.Support, stripePath); strings.Contains(body, stripePath+"/backfill") {
				t.Error("support has the button")
			}
		})
	}
}

func TestTheBackfillButton(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	a.execNow("")
	s := a.stripe()
	api := httptest.NewServer(s)
	t.Cleanup(api.Close)
	a.Billing.Stripe = stripe.New("rk_test_1", api.URL)
	_, err := s.Buy(demo.BuyOptions{Email: "ada@example.com", Name: "Ada"})
	check(t, err)
	first, second := a.submit(auth.Owner, stripePath+"/backfill", nil), a.submit(auth.Owner, stripePath+"/backfill", nil)
	shows(t, "the notice", first, "Bursar reads everything that Stripe has.")
	shows(t, "the second notice", second, "under way already")
	check(t, a.worker.WorkOff(t.Context()))
	text, _ := a.open(auth.Owner, stripePath)
	shows(t, "the page", text, "complete 1 customer and 1 subscription are listed at Stripe, and all is stored here", "asked for by owner@example.com")
	if rows := strings.Join(a.audits(10), "\n"); strings.Count(rows, "stripe.backfill") != 1 {
		t.Errorf("the audit says:\n%s", rows)
	}
}

func TestTodayTellsOfAGap(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	a.execNow(`INSERT INTO sweeps (state, undelivered, since_at, mark_at, gap_at, listed, found, missing, late_ms, error, started_at, finished_at)
		VALUES ('complete', 1, @now, @now, @now - 3456000000, 7, 0, 0, 0, '', @now - 60000, @now);
		INSERT INTO backfills (reason, state, cursor, error, started_at, updated_at, finished_at) VALUES ('away', 'records', '', '', @now - 60000, @now, 0);
		INSERT INTO backfill_items VALUES (1, 'customer', 'cus_1', 'cus_1', @now, ''), (1, 'customer', 'cus_2', 'cus_2', 0, '')`)
	text, _ := a.open(auth.Support, "/admin")
	shows(t, "Today", text, "Bursar did not read Stripe's events for 39 days", "read anew: 1 of 2 customers so far", "See how far it is")
	a.execNow(`UPDATE backfills SET state = 'complete', finished_at = @now`)
	text, _ = a.open(auth.Support, "/admin")
	shows(t, "Today after it", text, "!did not read")
}

func TestHealthTellsOfTheSweep(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	a.Billing.Stripe = stripe.New("rk_test_1", "http://127.0.0.1:1")
	if _, h := a.ask(); h.Sweep != nil || h.Status != "ok" {
		t.Errorf("before the first: %+v", h)
	}
	a.execNow(`INSERT INTO sweeps (state, undelivered, since_at, mark_at, gap_at, listed, found, missing, late_ms, error, started_at, finished_at)
		VALUES ('complete', 1, @now, @now, 0, 7, 4, 4, 100, '', @now, @now)`)
	if _, h := a.ask(); h.Sweep == nil || h.Sweep.Missing != 4 || !h.Sweep.Silent || h.Status != "degraded" {
		t.Errorf("when webhooks are silent: %+v", h)
	}
}
