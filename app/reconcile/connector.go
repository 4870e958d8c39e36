package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"bursar/app/connect"
	"bursar/app/db"
)

// connector is that of an area (connect.AreaCRM, connect.AreaDesk) and the name of its vendor; false where Bursar's
// own stands in its place.
func (c *comparison) connector(ctx context.Context, area string) (row db.Connector, label string, known bool, err error) {
	for _, system := range c.Connectors {
		name, ok := strings.CutPrefix(system, area+":")
		if !ok {
			continue
		}
		row, err = c.DB.Read().Connector(ctx, system)
		if errors.Is(err, db.ErrNoRows) {
			return row, "", false, nil
		}
		if v, unknown := connect.ByName(name, area == connect.AreaDesk); unknown == nil {
			name = v.Label
		}
		return row, name, err == nil, err
	}
	return row, "", false, nil
}

// ofConnector is what the state of a connector tells, if it is the reason: it comes after what jobs tell, unless the
// connector is held, which is why they fail.
func (c *comparison) ofConnector(ctx context.Context, area string, jobs []db.Job) (reason, bool, error) {
	row, label, known, err := c.connector(ctx, area)
	if err != nil {
		return reason{}, false, fmt.Errorf("read the connector of the %s: %w", area, err)
	}
	if known && row.Mode == connect.Live && !row.HeldAt.IsZero() {
		return reason{cause: Paused, evidence: "Nothing is sent to " + label + " for now: " + strings.TrimRight(row.HeldReason, "."), at: row.HeldAt.Time}, true, nil
	}
	if r, ok, err := c.ofJob(ctx, jobs, area); ok || err != nil || !known {
		return r, ok, err
	}
	const copied = " What differs is the copy that Bursar keeps"
	switch row.Mode {
	case connect.Off:
		return reason{cause: ConnectorOff, evidence: label + " is off: nothing is read or written there." + copied, at: row.UpdatedAt.Time}, true, nil
	case connect.Observe:
		return reason{cause: ConnectorObserves, evidence: label + " is only observed: nothing is written there until it is live." + copied, at: row.UpdatedAt.Time}, true, nil
	}
	return reason{}, false, nil
}

const (
	repairsAWeek = 3 // of the same difference in the CRM or on the desk; then somebody, or something, wants it otherwise
	week         = 7 * 24 * time.Hour
)

// holdAgain leaves to a person what was repaired and came back: Bursar does not write against somebody for ever,
// nor to a system that takes nothing.
func (c *comparison) holdAgain(ctx context.Context, f *finding) error {
	if f.job == nil || !slices.Contains([]string{contactMissing, contactDiffers, ticketMissing, ticketLeftOpen}, f.kind) {
		return nil
	}
	n, err := c.DB.Read().CountRepaired(ctx, db.CountRepairedParams{Kind: f.kind, Subject: f.subject, Expected: f.expected, Actual: f.actual,
		Since: db.At(c.started.Add(-week))})
	if err != nil {
		return fmt.Errorf("how often %s %s was repaired: %w", f.kind, f.subject, err)
	}
	most := int64(repairsAWeek)
	if f.cause == ConnectorOff || f.cause == ConnectorObserves {
		most = 1
	}
	if n < most {
		return nil
	}
	f.hold = true
	times := "once"
	if n > 1 {
		times = fmt.Sprintf("%d times", n)
	}
	f.evidence = strings.TrimRight(f.evidence, ".") + ". It was repaired " + times + " within a week and came back the same: it waits for a person"
	return nil
}
