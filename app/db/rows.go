package db

import (
	"context"
	"fmt"
)

// Row is a row by the names of its columns: int64, float64, string, []byte or nil.
type Row map[string]any

// Rows gives what a query finds. It is for exports of whole rows, which no struct can name; the query is a constant of
// our own and all that comes from outside is bound.
func (q *Queries) Rows(ctx context.Context, query string, args ...any) ([]Row, error) {
	rows, err := q.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var list []Row
	for rows.Next() {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		row := Row{}
		for i, name := range columns {
			row[name] = values[i]
		}
		list = append(list, row)
	}
	return list, rows.Err()
}

// Change runs a statement, as Rows runs a query, and says how many rows it changed.
func (q *Queries) Change(ctx context.Context, statement string, args ...any) (int64, error) {
	result, err := q.db.ExecContext(ctx, statement, args...)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", statement, err)
	}
	return result.RowsAffected()
}
