package db

import (
	"database/sql"
	"database/sql/driver"
	"fmt"
	"time"
)

// Time is a column of unix milliseconds UTC. The zero Time is stored as 0: never, or not known.
type Time struct{ time.Time }

// At makes a column value of t, cut to the millisecond so that it reads back equal.
func At(t time.Time) Time {
	if t.IsZero() {
		return Time{}
	}
	return Time{time.UnixMilli(t.UnixMilli()).UTC()}
}

// Now is the present time as a column value.
func Now() Time { return At(time.Now()) }

// Scan reads a column.
func (t *Time) Scan(v any) error {
	ms, ok := v.(int64)
	if !ok {
		return fmt.Errorf("a time column holds %T, not an integer", v)
	}
	*t = Time{}
	if ms != 0 {
		t.Time = time.UnixMilli(ms).UTC()
	}
	return nil
}

// Value writes a column.
func (t Time) Value() (driver.Value, error) {
	if t.IsZero() {
		return int64(0), nil
	}
	return t.UnixMilli(), nil
}

// ID is a reference column that may be empty; 0 is NULL.
func ID(id int64) sql.NullInt64 { return sql.NullInt64{Int64: id, Valid: id != 0} }
