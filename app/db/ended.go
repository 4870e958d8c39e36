package db

import (
	"context"
	"database/sql"
	"fmt"
)

// Ended is what the file at newer says was ended, and the one at path, from before, has open again: in words, each with
// what ends it once more. Nobody may have one of them open.
func Ended(ctx context.Context, path, newer string) (list []string, err error) {
	const closed = "?mode=ro&immutable=1"
	conn, err := sql.Open("sqlite", fileURI(path)+closed+safety)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	conn.SetMaxOpenConns(1) // what is attached is one connection's
	if _, err := conn.ExecContext(ctx, "ATTACH ? AS newer", fileURI(newer)+closed); err != nil {
		return nil, fmt.Errorf("read %s: %w", newer, err)
	}
	rows, err := conn.QueryContext(ctx, `
		SELECT o.email || ' was disabled (page People)' FROM main.users o JOIN newer.users n ON n.id = o.id AND n.email = o.email
		WHERE o.disabled_at = 0 AND n.disabled_at <> 0
		UNION ALL SELECT o.email || ' had become ' || n.role || ' (page People)' FROM main.users o JOIN newer.users n ON n.id = o.id AND n.email = o.email
		WHERE n.disabled_at = 0 AND o.role <> n.role
		UNION ALL SELECT o.email || ' had changed the password, and must again (bursar user add makes a link)' FROM main.users o JOIN newer.users n ON n.id = o.id AND n.email = o.email
		WHERE n.disabled_at = 0 AND o.password_hash <> n.password_hash
		UNION ALL SELECT 'API key ' || o.name || ' was revoked (bursar apikey revoke ' || o.name || ')' FROM main.api_keys o JOIN newer.api_keys n ON n.hash = o.hash
		WHERE o.revoked_at = 0 AND n.revoked_at <> 0
		UNION ALL SELECT 'customer ' || o.id || ' was erased (bursar erase ' || o.id || ')' FROM main.customers o JOIN newer.customers n ON n.id = o.id
		WHERE o.erased_at = 0 AND n.erased_at <> 0`)
	if err != nil {
		return nil, fmt.Errorf("compare with %s: %w", newer, err)
	}
	defer rows.Close()
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return nil, err
		}
		list = append(list, line)
	}
	return list, rows.Err()
}
