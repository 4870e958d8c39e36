package db

import (
	"context"
	"database/sql"
	"fmt"
	"os"
)

// applicationID marks a file as Bursar's in SQLite's header ("Burs").
const applicationID = 0x42757273

// steps lift older files: steps[i] leads from user_version i+1 to i+2. Together with an old file they
// must end in exactly schema.sql.
var steps = []string{}

// migrate creates the tables in an empty file, lifts an older one after copying it, and refuses what
// is newer or not Bursar's. All of it happens in one transaction: a crash leaves the old file.
func migrate(ctx context.Context, db *sql.DB, path, schema string) error {
	current := len(steps) + 1
	var version, appID, tables int
	row := db.QueryRowContext(ctx, `SELECT (SELECT user_version FROM pragma_user_version), (SELECT application_id FROM pragma_application_id),
		(SELECT COUNT(*) FROM sqlite_schema)`)
	if err := row.Scan(&version, &appID, &tables); err != nil {
		return fmt.Errorf("read its version: %w", err)
	}
	switch {
	case tables > 0 && appID != applicationID:
		return fmt.Errorf("this is a SQLite file of another program; set BURSAR_DB to a new path")
	case version > current:
		return fmt.Errorf("the file was written by a newer Bursar (version %d, this program knows %d); run that one, or restore the copy made before its upgrade", version, current)
	case version == current:
		return nil
	case tables == 0:
		return apply(ctx, db, 0, []string{schema})
	}
	before := fmt.Sprintf("%s.before-v%d", path, current)
	if err := os.Remove(before); err != nil && !os.IsNotExist(err) {
		return err
	}
	if err := copyFile(ctx, path, before); err != nil {
		return fmt.Errorf("copy it to %s before the upgrade: %w", before, err)
	}
	return apply(ctx, db, version, steps[version-1:])
}

// apply runs texts on a file of version from. Another process may have been faster: then there is
// nothing to do.
func apply(ctx context.Context, db *sql.DB, from int, texts []string) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	var version int
	if err := tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil || version != from {
		return err
	}
	texts = append(texts[:len(texts):len(texts)],
		fmt.Sprintf("PRAGMA user_version = %d; PRAGMA application_id = %d", len(steps)+1, applicationID))
	for _, text := range texts {
		if _, err := tx.ExecContext(ctx, text); err != nil {
			return fmt.Errorf("migrate from version %d: %w", from, err)
		}
	}
	return tx.Commit()
}
