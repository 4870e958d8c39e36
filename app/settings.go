package app

import (
	"slices"
	"strings"

	"bursar/app/connect"
	"bursar/app/money"
	"bursar/app/redact"
	"bursar/app/server"
	"bursar/app/stripe"
)

// setting is a setting as the page shows it.
type setting struct {
	name, otherwise string
	secret          bool
	help            string // what it does or, where it is not set, would bring
}

// known are all settings but those of the vendors, for the page that shows them. LoadConfig reads them.
var known = [...]setting{
	{"STRIPE_WEBHOOK_SECRET", "", true, "Stripe signs events with it. One, or the current and the previous."},
	{"STRIPE_API_KEY", "", true, "A restricted read key: Bursar asks Stripe itself, and compares everybody each night."},
	{"STRIPE_ACTIONS_KEY", "", true, "A restricted write key: refunds, cancellations and changes of plan from the pages. Nothing else uses it."},
	{"STRIPE_API_BASE", "Stripe's", false, "Another address for Stripe's API, for a simulator."},
	{"BURSAR_PLANS", "", false, "Names of prices and products. A price without a name is reported."},
	{"BURSAR_MONEY_CAP", money.DefaultCaps, false, "How much money a role moves alone with refunds and changes of plan: one, and all of 24 hours. Above it a second person approves."},
	{"BURSAR_DB", "bursar.db", false, "The one file with everything in it."},
	{"BURSAR_ADDR", "127.0.0.1:8080", false, "Where Bursar listens."},
	{"BURSAR_URL", "http:// and the address", false, "Its public address, used in links."},
	{"BURSAR_TRUSTED_PROXIES", "", false, "Networks of the proxies in front of Bursar. Without them a visitor's address is the proxy's."},
	{"BURSAR_KEEP_PAYLOADS", "90", false, "For how many days the raw events are kept. Ids and records stay. 0 is for ever."},
	{"BURSAR_KEEP_MAILS", "400", false, "For how many days the outbox is kept. 0 is for ever."},
	{"BURSAR_ALLOW_INTERNAL", "", false, "Which host:port inside your network Bursar may call, separated by commas. Others are refused."},
	{"BURSAR_SECRET_KEY", "a file beside the database", true, "Seals the secrets of authenticator apps. 32 bytes in base64: openssl rand -base64 32."},
	{"BURSAR_BACKUP_TO", "", false, "Public keys (age1…) that backups are encrypted for, separated by commas: only their secret halves open one. bursar backup --new-key FILE makes one."},
	{"BURSAR_PASSWORD_RESET", "off", false, "mail: whoever forgot a password gets a link by mail. Needs a mail server."},
	{"BURSAR_CRM", "builtin", false, "Where the contacts live: builtin, or a CRM named in docs/connectors.md."},
	{"BURSAR_DESK", "builtin", false, "Where the tickets live: builtin, or a desk named in docs/connectors.md."},
	{"BURSAR_CRM_FIELDS", "name=fill,email=fill", false, "Fields of contacts that people write too: overwrite, fill where empty, never."},
	{"BURSAR_TIMEZONE", "UTC", false, "The company's time zone."},
	{"BURSAR_REPORT_AT", "0 7 * * *", false, "When the morning report comes."},
	{"BURSAR_REPORT_TO", "", false, "Who gets it. Without it the report stays in the outbox."},
	{"BURSAR_REPAIR_CAP", "5", false, "How many repairs that take something away one run may do when it is asked to repair all."},
	{"BURSAR_MINUTES_PER_ACTION", "2", false, "What one thing that Bursar does by itself would take a person: the report estimates the time given back with it. 0 leaves that out."},
	{"BURSAR_ALERTS_TO", "", false, "Who gets the alerts, if not those who get the report."},
	{"SLACK_WEBHOOK_URL", "", true, "An incoming webhook of Slack: alerts come there too."},
	{"BURSAR_HEARTBEAT_URL", "", true, "Called every minute while all is alive, as healthchecks.io has it; it tells you when Bursar itself is dead."},
	{"SMTP_URL", "", true, "The mail server. Without it mail stays in the outbox."},
	{"BURSAR_MAIL_FROM", "", false, "The sender of the mails."},
}

// vendorSettings are those of the vendors that are chosen.
func vendorSettings(getenv func(string) string) (list []setting) {
	for _, v := range connect.Vendors() {
		if v.Name != strings.TrimSpace(getenv("BURSAR_CRM")) && v.Name != strings.TrimSpace(getenv("BURSAR_DESK")) {
			continue
		}
		list = append(list, setting{v.Setting(connect.TokenSuffix), "", true, "How " + v.Label + " lets Bursar in: " + v.Token + "."},
			setting{v.Setting(connect.BaseSuffix), v.Base, false, "Address of its API."})
		if v.Verify != nil {
			list = append(list, setting{v.Setting(connect.SecretSuffix), "", true, "What " + v.Label + " signs its webhooks with. Without it tickets are asked for every minute."})
		}
		for _, o := range v.Options {
			list = append(list, setting{v.Setting(o.Suffix), o.Otherwise, o.Secret, o.Help})
		}
	}
	return list
}

// describeSettings says what is set and where it comes from. Of a secret it shows the last four characters.
func describeSettings(getenv func(string) string) []server.Setting {
	var list []server.Setting
	for _, k := range slices.Concat(known[:], vendorSettings(getenv)) {
		s := server.Setting{Name: k.name, Value: strings.TrimSpace(getenv(k.name)), From: "environment", Help: k.help}
		switch {
		case s.Value == "":
			s.Value, s.From = k.otherwise, "default"
		case k.secret:
			s.Value = mask(s.Value)
		}
		list = append(list, s)
	}
	return list
}

// secretsOf takes the values of the secret settings out of texts, and whatever else looks like a secret.
func secretsOf(getenv func(string) string) redact.Redactor {
	var secrets []string
	for _, k := range slices.Concat(known[:], vendorSettings(getenv)) {
		if value := strings.TrimSpace(getenv(k.name)); k.secret && value != "" {
			secrets = append(secrets, value)
			for part := range strings.SplitSeq(value, ",") {
				secrets = append(secrets, strings.TrimSpace(part))
			}
		}
	}
	return redact.New(secrets...)
}

// describeStripeKey says what a key may do, as far as its form tells.
func describeStripeKey(key string) string {
	mode := "test mode"
	if stripe.Livemode(key) {
		mode = "live mode"
	}
	switch {
	case key == "":
		return "events only; with STRIPE_API_KEY Bursar also asks Stripe itself"
	case strings.HasPrefix(key, "rk_"):
		return "restricted key, " + mode + "; it may do what was ticked for it in Stripe, and Bursar only reads with it"
	}
	return "secret key, " + mode + `
           WARNING: this key may do everything in the account: refund, pay out, delete. Bursar only reads with it.
           In Stripe under Developers, API keys, create a restricted key with Read for Customers, Subscriptions,
           Invoices, Charges, Refunds, Disputes, Checkout Sessions, Products and Events. Set it as STRIPE_API_KEY, then roll this one.`
}

// mask keeps the last four characters of a secret, or of each of several, where that leaves enough hidden.
func mask(secrets string) string {
	var masked []string
	for s := range strings.SplitSeq(secrets, ",") {
		s = strings.TrimSpace(s)
		last := ""
		if len(s) >= 16 {
			last = s[len(s)-4:]
		}
		masked = append(masked, "…"+last)
	}
	return strings.Join(masked, ", ")
}

// describeActionsKey says what can be done with money.
func describeActionsKey(key string) string {
	switch {
	case key == "":
		return "nothing is done with money; with STRIPE_ACTIONS_KEY the pages refund, cancel and change plans"
	case strings.HasPrefix(key, "rk_"):
		return "the pages refund, cancel and change plans with a restricted key"
	}
	return "the pages refund, cancel and change plans with a secret key" + `
           WARNING: this key may do everything in the account. In Stripe under Developers, API keys, create a restricted
           key with write for Charges and Refunds, Subscriptions and Invoices, and read for Prices and Products.`
}
