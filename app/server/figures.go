package server

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"bursar/app/customer"
	"bursar/app/db"
)

// activationWindow is the time that the figure of paid-to-active is about.
const activationWindow = 7 * 24 * time.Hour

// activationLimit is how long a purchase may take to give access before it counts as missed.
const activationLimit = 2 * time.Minute

// figures are counts over all customers, which take too long for every page.
type figures struct {
	Customers    int64
	ByAccess     []count // every level, also those nobody has
	Activations  int     // purchases within activationWindow
	PaidToActive string  // 95 % of them took no longer
	InstalledAt  db.Time // zero: not known
	MissedAt     db.Time // of the newest purchase that took longer than activationLimit, zero: none since InstalledAt
}

type count struct {
	Name string
	N    int64
}

// Many is the number with a comma before every three digits.
func (c count) Many() string { return thousands(c.N) }

// figuresCache keeps figures for fifty times as long as counting took: pages under load then spend at
// most two percent of their time on it, and a small file is always counted afresh.
type figuresCache struct {
	mu    sync.Mutex
	last  figures
	until time.Time
}

const figuresPatience = 50

func (c *figuresCache) get(ctx context.Context, q *db.Queries) (figures, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	start := time.Now()
	if start.Before(c.until) {
		return c.last, nil
	}
	f, err := readFigures(ctx, q)
	if err != nil {
		return figures{}, fmt.Errorf("count the customers: %w", err)
	}
	now := time.Now()
	c.last, c.until = f, now.Add(figuresPatience*now.Sub(start))
	return f, nil
}

func readFigures(ctx context.Context, q *db.Queries) (f figures, err error) {
	access, err := q.CountByAccess(ctx)
	if err != nil {
		return f, err
	}
	counts := map[string]int64{}
	for _, row := range access {
		counts[row.Access] = row.N
		f.Customers += row.N
	}
	for _, level := range []string{customer.Full, customer.Grace, customer.Pending, customer.None} {
		f.ByAccess = append(f.ByAccess, count{level, counts[level]})
	}
	return f, f.readActivations(ctx, q)
}

func (f *figures) readActivations(ctx context.Context, q *db.Queries) error {
	now := time.Now()
	took, err := q.Activations(ctx, db.At(now.Add(-activationWindow)))
	if err != nil {
		return err
	}
	if f.Activations = len(took); f.Activations > 0 {
		f.PaidToActive = spell(time.Duration(took[(len(took)*95+99)/100-1]) * time.Millisecond) // by nearest rank
	}
	installed, err := q.Meta(ctx, "installed_at")
	if errors.Is(err, db.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	ms, err := strconv.ParseInt(installed, 10, 64)
	if err != nil {
		return fmt.Errorf("installed_at: %w", err)
	}
	f.InstalledAt = db.At(time.UnixMilli(ms))
	missed, err := q.LastMissedActivation(ctx, f.InstalledAt, db.At(now.Add(-activationLimit)))
	if missed > 0 {
		f.MissedAt = db.At(time.UnixMilli(missed))
	}
	return err
}

// DaysWithoutMiss are whole days since a purchase last waited too long for access.
func (f figures) DaysWithoutMiss() int {
	since := f.InstalledAt
	if !f.MissedAt.IsZero() {
		since = f.MissedAt
	}
	return int(time.Since(since.Time) / (24 * time.Hour))
}

// Total is the number of customers.
func (f figures) Total() string { return thousands(f.Customers) }

// spell writes how long something took.
func spell(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	}
	return fmt.Sprintf("%.0f h", d.Hours())
}
