package app

import (
	"os"
	"strings"
	"testing"
)

func TestTheReadmeNamesEverySetting(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range known {
		if !strings.Contains(string(readme), "| `"+k.name+"` |") {
			t.Errorf("%s is not in the table of settings", k.name)
		}
	}
}

func TestSettingsShowLittleOfASecret(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ value, want string }{
		"a long one":  {"rk_live_0123456789abcdef", "…cdef"},
		"two of them": {"whsec_0123456789abcdef, whsec_0123456789ghijkl", "…cdef, …ijkl"},
		"a short one": {"whsec_012", "…"},
	} {
		if got := mask(c.value); got != c.want {
			t.Errorf("%s is shown as %s, want %s", name, got, c.want)
		}
	}
	for _, s := range describeSettings(func(string) string { return "smtp://ada:swordfish-0123456@mail" }) {
		if secret := s.Name == "SMTP_URL" || s.Name == "STRIPE_API_KEY" || s.Name == "STRIPE_WEBHOOK_SECRET"; secret && strings.Contains(s.Value, "swordfish") {
			t.Errorf("%s shows %s", s.Name, s.Value)
		}
	}
}

func TestServeSaysWhatItsStripeKeyMayDo(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]string{
		"":                       "events only",
		"rk_live_0123456789abcd": "restricted key, live mode",
		"rk_test_0123456789abcd": "restricted key, test mode",
		"sk_test_0123456789abcd": "secret key, test mode",
		"sk_live_0123456789abcd": "secret key, live mode",
	} {
		says := describeStripeKey(key)
		warns := strings.Contains(says, "WARNING") && strings.Contains(says, "create a restricted key")
		if !strings.HasPrefix(says, want) || warns != strings.HasPrefix(key, "sk_") || key != "" && strings.Contains(says, "0123") {
			t.Errorf("%s: %s", key, says)
		}
	}
}
