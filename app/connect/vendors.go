package connect

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/time/rate"

	"bursar/app/crm"
	"bursar/app/db"
)

// Vendors are all there are. A new one is a file beside this one, a double in package demo, and a row here.
func Vendors() []Vendor { return []Vendor{hubspot(), zendesk(), intercom()} }

// ByName finds a vendor that can be a CRM, or a desk. Its error names those that can.
func ByName(name string, desk bool) (Vendor, error) {
	names := []string{"builtin"}
	for _, v := range Vendors() {
		if desk && v.Desk || !desk && v.CRM {
			if v.Name == name {
				return v, nil
			}
			names = append(names, v.Name)
		}
	}
	return Vendor{}, fmt.Errorf("%q is not one of %s", name, strings.Join(names, ", "))
}

// Settings are what a vendor is reached with.
type Settings struct {
	Vendor  Vendor
	Token   string
	Base    string            // of the API, without a slash at the end
	Secret  string            // that the vendor signs its webhooks with
	Options map[string]string // by suffix
}

// Setting is the environment name of one of a vendor's settings, like HUBSPOT_TOKEN.
func (v Vendor) Setting(suffix string) string { return strings.ToUpper(v.Name) + "_" + suffix }

// The settings that every vendor has.
const (
	TokenSuffix  = "TOKEN"
	BaseSuffix   = "API_BASE"
	SecretSuffix = "WEBHOOK_SECRET"
)

// Load reads the settings of a vendor. checkURL says what is wrong with an address.
func (v Vendor) Load(getenv func(string) string, checkURL func(string) error) (Settings, error) {
	get := func(suffix string) string { return strings.TrimSpace(getenv(v.Setting(suffix))) }
	s := Settings{Vendor: v, Token: get(TokenSuffix), Base: strings.TrimRight(get(BaseSuffix), "/"), Secret: get(SecretSuffix), Options: map[string]string{}}
	var wrong []error
	if s.Token == "" {
		wrong = append(wrong, fmt.Errorf("%s: it is needed to reach %s: %s", v.Setting(TokenSuffix), v.Label, v.Token))
	}
	switch {
	case s.Base == "" && v.Base == "":
		wrong = append(wrong, fmt.Errorf("%s: it is needed to reach %s, which has an address of its own for each company", v.Setting(BaseSuffix), v.Label))
	case s.Base == "":
		s.Base = v.Base
	default:
		if err := checkURL(s.Base); err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", v.Setting(BaseSuffix), err))
		}
	}
	for _, o := range v.Options {
		s.Options[o.Suffix] = o.Otherwise
		if value := get(o.Suffix); value != "" {
			s.Options[o.Suffix] = value
		}
	}
	return s, errors.Join(wrong...)
}

// What a connector is for. Open gets it among the options.
const (
	AreaOption = "AREA"
	AreaCRM    = "crm"
	AreaDesk   = "desk"
)

// Connect makes the keeper of a connector: area is AreaCRM or AreaDesk. A connector that is new observes.
func (s Settings) Connect(ctx context.Context, d *db.DB, area string, web *http.Client, policies crm.Policies) (*Keeper, error) {
	k := &Keeper{DB: d, System: area + ":" + s.Vendor.Name, Vendor: s.Vendor, Policies: policies, watch: &watch{}}
	authorization := "Bearer " + s.Token
	if s.Vendor.Authorize != nil {
		authorization = s.Vendor.Authorize(s.Token, s.Options)
	}
	client := &Client{Label: s.Vendor.Label, Base: s.Base, HTTP: web, Limit: rate.NewLimiter(s.Vendor.Rate, s.Vendor.Burst),
		Header: http.Header{"Authorization": {authorization}}, watch: k.watch}
	options := maps.Clone(s.Options)
	options[AreaOption] = area
	k.Remote = s.Vendor.Open(client, options)
	err := d.Tx(ctx, func(q *db.Queries) error { return q.AddConnector(ctx, k.System, Observe, db.Now()) })
	if err != nil {
		return nil, fmt.Errorf("add the connector %s: %w", k.System, err)
	}
	return k, nil
}

// absorbs says that a repeated create of a kind makes no second one.
func (v Vendor) absorbs(kind Kind) bool { return slices.Contains(v.Absorbs, kind) }
