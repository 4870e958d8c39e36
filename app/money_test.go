package app

import (
	"strings"
	"testing"

	"bursar/app/auth"
)

func TestTheSettingsOfMoneyActions(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, read, actions, caps string
		want                      string // part of the error, "" if it is taken
	}{
		{"none", "", "", "", ""},
		{"a restricted key", "rk_test_read", "rk_test_actions", "", ""},
		{"without a read key", "", "rk_live_actions", "", ""},
		{"no key at all", "", "whsec_0123456789abcdef", "", "STRIPE_ACTIONS_KEY: it is not a Stripe key"},
		{"of another mode", "rk_live_read", "rk_test_actions", "", "STRIPE_ACTIONS_KEY: one of STRIPE_API_KEY and STRIPE_ACTIONS_KEY is a live key"},
		{"caps", "", "", "owner=500.00/2000.00 USD, finance=100.00/300.00 USD", ""},
		{"caps without a currency", "", "", "finance=100.00/300.00", "BURSAR_MONEY_CAP:"},
	} {
		c, err := LoadConfig(func(name string) string {
			return map[string]string{"STRIPE_API_KEY": row.read, "STRIPE_ACTIONS_KEY": row.actions, "BURSAR_MONEY_CAP": row.caps}[name]
		})
		if row.want == "" && err != nil || row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)) {
			t.Errorf("%s: %v", row.name, err)
		}
		if err != nil && row.actions != "" && strings.Contains(err.Error(), row.actions) {
			t.Errorf("%s: the error repeats the key: %v", row.name, err)
		}
		if err == nil && c.MoneyCaps.Exceeded(auth.Finance, 25000, 0, "usd") == "" {
			t.Errorf("%s: finance refunds 250.00 USD alone", row.name)
		}
	}
	for _, key := range []string{"", "rk_live_0123456789", "sk_test_0123456789"} {
		if said := describeActionsKey(key); strings.Contains(said, "0123") || strings.Contains(said, "WARNING") != strings.HasPrefix(key, "sk_") {
			t.Errorf("%q is described as %s", key, said)
		}
	}
}
