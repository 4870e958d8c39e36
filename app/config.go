package app

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // BURSAR_TIMEZONE works in a container without zone files

	"filippo.io/age"

	"bursar/app/auth"
	"bursar/app/backup"
	"bursar/app/connect"
	"bursar/app/crm"
	"bursar/app/mail"
	"bursar/app/money"
	"bursar/app/privacy"
	"bursar/app/queue"
	"bursar/app/redact"
	"bursar/app/remote"
	"bursar/app/server"
	"bursar/app/stripe"
)

// Config is what the environment says, checked.
type Config struct {
	DB               string
	Addr             string
	URL              string // public address, without a slash at the end
	Location         *time.Location
	WebhookSecrets   []string // current, previous; only serve needs them
	StripeKey        string
	ActionsKey       string // "" means that nothing is done with money
	MoneyCaps        money.Caps
	StripeBase       string            // "" is Stripe's
	Plans            map[string]string // price_… or prod_… to plan name
	SMTP             *mail.SMTP        // nil: mail stays in the outbox
	ReportTo         []string
	ReportAt         string
	RepairCap        int               // repairs that take something away, in one run that was asked to repair all
	MinutesPerAction int               // what one thing done by itself saves, as the founder guesses; 0: nothing is said of it
	AlertsTo         []string          // who gets the alerts; those of the report if nobody else is named
	SlackURL         string            // incoming webhook, a secret; "" for no Slack
	HeartbeatURL     string            // dead-man's switch, a secret; "" for none
	Proxies          []netip.Prefix    // in front of us, whose X-Forwarded-For is believed
	SecretKey        string            // base64; "" is the key file beside the database
	PasswordReset    bool              // by mail
	AllowInternal    []string          // host:port that may be called though it is inside, for remote.Options
	CRM              *connect.Settings // nil: the built-in one
	Desk             *connect.Settings // nil: the built-in one
	BackupTo         []age.Recipient   // public keys that backups are encrypted for; none: they are plain
	CRMFields        crm.Policies      // which fields of a contact are written how, with another CRM
	Keep             privacy.Retention
	Settings         []server.Setting
	Redact           redact.Redactor // knows the secrets among the settings
}

// LoadConfig reads the settings. Its error lists everything that is wrong, each with a hint; what is
// right is in the Config all the same.
func LoadConfig(getenv func(string) string) (Config, error) {
	or := func(name, otherwise string) string {
		if v := strings.TrimSpace(getenv(name)); v != "" {
			return v
		}
		return otherwise
	}
	c := Config{
		DB:         or("BURSAR_DB", "bursar.db"),
		Addr:       or("BURSAR_ADDR", "127.0.0.1:8080"),
		StripeKey:  or("STRIPE_API_KEY", ""),
		ActionsKey: or("STRIPE_ACTIONS_KEY", ""),
		StripeBase: or("STRIPE_API_BASE", ""),
		ReportAt:   or("BURSAR_REPORT_AT", "0 7 * * *"),
		Location:   time.UTC,
		Settings:   describeSettings(getenv),
		Redact:     secretsOf(getenv),
	}
	c.URL = strings.TrimRight(or("BURSAR_URL", "http://"+c.Addr), "/")
	var wrong []error
	check := func(name string, err error) {
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", name, err))
		}
	}
	var err error
	if _, _, err = net.SplitHostPort(c.Addr); err != nil {
		check("BURSAR_ADDR", fmt.Errorf("%q is not host:port like 127.0.0.1:8080", c.Addr))
	}
	check("BURSAR_URL", checkURL(c.URL))
	if c.StripeBase != "" {
		check("STRIPE_API_BASE", checkURL(c.StripeBase))
	}
	check("STRIPE_API_KEY", checkStripeKey(c.StripeKey))
	check("STRIPE_ACTIONS_KEY", checkActionsKey(c.ActionsKey, c.StripeKey))
	c.MoneyCaps, err = money.ParseCaps(or("BURSAR_MONEY_CAP", money.DefaultCaps))
	check("BURSAR_MONEY_CAP", err)
	c.WebhookSecrets, err = parseSecrets(or("STRIPE_WEBHOOK_SECRET", ""))
	check("STRIPE_WEBHOOK_SECRET", err)
	c.Proxies, err = parseProxies(or("BURSAR_TRUSTED_PROXIES", ""))
	check("BURSAR_TRUSTED_PROXIES", err)
	c.Keep.Payloads, err = parseDays(or("BURSAR_KEEP_PAYLOADS", "90"))
	check("BURSAR_KEEP_PAYLOADS", err)
	c.Keep.Mails, err = parseDays(or("BURSAR_KEEP_MAILS", "400"))
	check("BURSAR_KEEP_MAILS", err)
	c.AllowInternal, err = remote.ParseAllow(or("BURSAR_ALLOW_INTERNAL", ""))
	check("BURSAR_ALLOW_INTERNAL", err)
	c.Plans, err = parsePlans(or("BURSAR_PLANS", ""))
	check("BURSAR_PLANS", err)
	c.ReportTo, err = mail.ParseAddresses(or("BURSAR_REPORT_TO", ""))
	check("BURSAR_REPORT_TO", err)
	c.AlertsTo, err = mail.ParseAddresses(or("BURSAR_ALERTS_TO", or("BURSAR_REPORT_TO", "")))
	check("BURSAR_ALERTS_TO", err)
	c.SlackURL, c.HeartbeatURL = or("SLACK_WEBHOOK_URL", ""), or("BURSAR_HEARTBEAT_URL", "")
	check("SLACK_WEBHOOK_URL", checkSecretURL(c.SlackURL))
	check("BURSAR_HEARTBEAT_URL", checkSecretURL(c.HeartbeatURL))
	if zone, err := time.LoadLocation(or("BURSAR_TIMEZONE", "UTC")); err != nil || zone == time.Local {
		check("BURSAR_TIMEZONE", fmt.Errorf("%q is not a time zone like Europe/Berlin", or("BURSAR_TIMEZONE", "UTC")))
	} else {
		c.Location = zone
	}
	c.RepairCap, err = strconv.Atoi(or("BURSAR_REPAIR_CAP", "5"))
	if err != nil || c.RepairCap < 0 {
		check("BURSAR_REPAIR_CAP", fmt.Errorf("%q is not a number like 5", or("BURSAR_REPAIR_CAP", "5")))
	}
	c.MinutesPerAction, err = strconv.Atoi(or("BURSAR_MINUTES_PER_ACTION", "2"))
	if err != nil || c.MinutesPerAction < 0 || c.MinutesPerAction > 60 {
		check("BURSAR_MINUTES_PER_ACTION", fmt.Errorf("%q is not a number of minutes from 0 to 60", or("BURSAR_MINUTES_PER_ACTION", "2")))
	}
	check("BURSAR_REPORT_AT", queue.Schedule{Spec: c.ReportAt, Location: c.Location}.Validate())
	if raw := or("SMTP_URL", ""); raw != "" {
		smtp, err := mail.ParseSMTP(raw, or("BURSAR_MAIL_FROM", ""))
		if err != nil {
			wrong = append(wrong, err) // it names its settings itself
		}
		c.SMTP = &smtp
	}
	if c.SecretKey = or("BURSAR_SECRET_KEY", ""); c.SecretKey != "" {
		_, err := auth.ParseKey(c.SecretKey)
		check("BURSAR_SECRET_KEY", err)
	}
	c.BackupTo, err = backup.ParseRecipients(or("BURSAR_BACKUP_TO", ""))
	check("BURSAR_BACKUP_TO", err)
	c.PasswordReset, err = parseReset(or("BURSAR_PASSWORD_RESET", ""), c.SMTP != nil)
	check("BURSAR_PASSWORD_RESET", err)
	c.CRM, err = vendorOf(getenv, or("BURSAR_CRM", "builtin"), false)
	check("BURSAR_CRM", err)
	c.Desk, err = vendorOf(getenv, or("BURSAR_DESK", "builtin"), true)
	check("BURSAR_DESK", err)
	c.CRMFields, err = crm.ParsePolicies(or("BURSAR_CRM_FIELDS", ""))
	check("BURSAR_CRM_FIELDS", err)
	return c, errors.Join(wrong...)
}

// vendorOf reads the settings of the vendor with a name; nil for the built-in one.
func vendorOf(getenv func(string) string, name string, desk bool) (*connect.Settings, error) {
	if name == "builtin" {
		return nil, nil
	}
	v, err := connect.ByName(name, desk)
	if err != nil {
		return nil, err
	}
	s, err := v.Load(getenv, checkURL)
	return &s, err
}

// parseReset refuses a reset that nobody would get.
func parseReset(how string, canMail bool) (bool, error) {
	switch {
	case how == "" || how == "off":
		return false, nil
	case how != "mail":
		return false, fmt.Errorf("%q is not mail or off", how)
	case !canMail:
		return false, errors.New("mail needs SMTP_URL and BURSAR_MAIL_FROM")
	}
	return true, nil
}

func checkURL(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("%q is not a URL like https://bursar.example.com", raw)
	}
	return nil
}

// checkSecretURL never repeats the address: whoever knows it can use it.
func checkSecretURL(raw string) error {
	if raw == "" {
		return nil
	}
	if checkURL(raw) != nil {
		return errors.New("it is not a whole URL like https://hooks.example.com/…")
	}
	return nil
}

// checkStripeKey never repeats the key: it may be a live one.
func checkStripeKey(key string) error {
	switch {
	case key == "", strings.HasPrefix(key, "rk_"), strings.HasPrefix(key, "sk_"):
		return nil
	case strings.HasPrefix(key, "pk_"):
		return errors.New("this is a publishable key; make a restricted key (rk_…) with read access in Stripe under Developers, API keys")
	}
	return errors.New("it is not a Stripe key; make a restricted key (rk_…) with read access in Stripe under Developers, API keys")
}

// checkActionsKey refuses a key that would act in another mode than what the pages show.
func checkActionsKey(key, readKey string) error {
	switch {
	case key == "":
		return nil
	case !strings.HasPrefix(key, "rk_") && !strings.HasPrefix(key, "sk_"):
		return errors.New("it is not a Stripe key; make a restricted key (rk_…) in Stripe under Developers, API keys; the README lists what to tick")
	case readKey != "" && stripe.Livemode(key) != stripe.Livemode(readKey):
		return errors.New("one of STRIPE_API_KEY and STRIPE_ACTIONS_KEY is a live key and the other a test key; take both from the same mode")
	}
	return nil
}

func parseSecrets(list string) ([]string, error) {
	var secrets []string
	for s := range strings.SplitSeq(list, ",") {
		s = strings.TrimSpace(s)
		if s == "" {
			continue
		}
		if !strings.HasPrefix(s, "whsec_") || len(s) < 16 {
			return nil, errors.New("it is not a signing secret (whsec_…); find it in Stripe under Developers, Webhooks, your endpoint, or in the output of stripe listen")
		}
		secrets = append(secrets, s)
	}
	if len(secrets) > 2 {
		return nil, errors.New("give one secret, or the current and the previous one separated by a comma")
	}
	return secrets, nil
}

func parseProxies(list string) ([]netip.Prefix, error) {
	var proxies []netip.Prefix
	for entry := range strings.SplitSeq(list, ",") {
		entry = strings.TrimSpace(entry)
		if entry == "" {
			continue
		}
		p, err := netip.ParsePrefix(entry)
		if err != nil {
			return nil, fmt.Errorf("%q is not a network like 127.0.0.1/32 or 10.0.0.0/8", entry)
		}
		proxies = append(proxies, p)
	}
	return proxies, nil
}

// parseDays reads a number of days, of which 0 stands for ever.
func parseDays(days string) (time.Duration, error) {
	n, err := strconv.Atoi(days)
	if err != nil || n < 0 || n > 36500 {
		return 0, fmt.Errorf("%q is not a number of days like 90; 0 is for ever", days)
	}
	return time.Duration(n) * 24 * time.Hour, nil
}

func parsePlans(list string) (map[string]string, error) {
	plans := map[string]string{}
	for entry := range strings.SplitSeq(list, ",") {
		entry = strings.TrimSpace(entry)
		if entry == "" {
			continue
		}
		id, name, ok := strings.Cut(entry, "=")
		id, name = strings.TrimSpace(id), strings.TrimSpace(name)
		if !ok || name == "" || !strings.HasPrefix(id, "price_") && !strings.HasPrefix(id, "prod_") && !strings.HasPrefix(id, "plan_") {
			return nil, fmt.Errorf("%q is not like price_123=Team or prod_456=Team; separate several with commas", entry)
		}
		plans[id] = name
	}
	return plans, nil
}

// errNoSecret is what serve says without a signing secret: an empty one would let anybody in.
var errNoSecret = errors.New(`STRIPE_WEBHOOK_SECRET is not set. Bursar only takes events that Stripe signed.
  Stripe Dashboard: Developers, Webhooks, your endpoint, Signing secret (whsec_…).
  On your own machine: stripe listen --forward-to localhost:8080/api/webhooks/stripe prints one.`)
