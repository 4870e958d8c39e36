package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	"bursar/app/connect"
	"bursar/app/db"
	"bursar/app/demo"
)

// demoVendor is a simulated CRM or desk of another company.
type demoVendor struct {
	http.Handler
	edit func(contact, plan string) // writes a plan into a contact by hand; nil where it keeps none
}

// newDemoVendor makes one by its name; nil if there is none. A new vendor is a case.
func newDemoVendor(name string) *demoVendor {
	switch name {
	case "hubspot":
		h := demo.NewHubSpot()
		return &demoVendor{h, func(contact, plan string) { h.Edit("contacts", contact, map[string]string{"bursar_plan": plan}) }}
	case "zendesk":
		return &demoVendor{demo.NewZendesk(), nil}
	case "intercom":
		i := demo.NewIntercom()
		return &demoVendor{i, func(contact, plan string) { i.Edit("contacts", contact, map[string]string{"bursar_plan": plan}) }}
	}
	return nil
}

// demoVendors are those that the demo was asked for, each on an address of its own on this machine.
type demoVendors struct {
	crm      *demoVendor // nil: the built-in one
	settings map[string]string
	servers  []*http.Server
	ended    chan error
}

// startVendors starts the simulated CRM and desk; one that is both is one.
func startVendors(crmName, deskName string) (v demoVendors, err error) {
	v = demoVendors{settings: map[string]string{"BURSAR_CRM": crmName, "BURSAR_DESK": deskName}, ended: make(chan error, 2)}
	allowed := ""
	for _, name := range slices.Compact(slices.Sorted(slices.Values([]string{crmName, deskName}))) {
		if name == "builtin" {
			continue
		}
		there := newDemoVendor(name)
		if there == nil {
			return v, errors.Join(fmt.Errorf("there is no simulated %q", name), v.close())
		}
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return v, errors.Join(fmt.Errorf("listen for the simulated %s: %w", name, err), v.close())
		}
		web := &http.Server{Handler: there, ReadHeaderTimeout: 5 * time.Second}
		go func() { v.ended <- web.Serve(listener) }()
		v.servers = append(v.servers, web)
		known := connect.Vendor{Name: name}
		v.settings[known.Setting(connect.TokenSuffix)] = rand.Text()
		v.settings[known.Setting(connect.BaseSuffix)] = "http://" + listener.Addr().String()
		allowed += "," + listener.Addr().String()
		if name == crmName {
			v.crm = there
		}
	}
	v.settings["BURSAR_ALLOW_INTERNAL"] = allowed
	return v, nil
}

// close stops them.
func (v demoVendors) close() error {
	var errs []error
	for _, web := range v.servers {
		errs = append(errs, web.Close(), unlessClosed(<-v.ended))
	}
	return errors.Join(errs...)
}

// goLive lets the connectors write: in the demo there is nothing to be careful with.
func goLive(ctx context.Context, a *App) error {
	for _, k := range a.Connectors {
		err := a.DB.Tx(ctx, func(q *db.Queries) error {
			_, err := q.SetConnectorMode(ctx, connect.Live, db.Now(), k.System)
			return err
		})
		if err != nil {
			return fmt.Errorf("let %s write: %w", k.System, err)
		}
	}
	return nil
}
