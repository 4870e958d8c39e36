package db

import (
	"context"
	"database/sql"
	"sync"
)

// preparer is a connection, or a pool of them.
type preparer interface {
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// statements prepares each statement once, on each connection that runs it: parsing the same SQL again and
// again would cost more than running it. There are no more of them than queries in query/*.sql.
type statements struct {
	on     preparer
	finish bool // a statement that was begun runs to its end, though its caller has gone

	mu       sync.RWMutex
	prepared map[string]*sql.Stmt
}

func newStatements(on preparer) *statements {
	return &statements{on: on, prepared: map[string]*sql.Stmt{}}
}

// close lets go of the statements. An open one would keep SQLite from folding the WAL into the file.
func (s *statements) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, stmt := range s.prepared {
		stmt.Close()
	}
	clear(s.prepared)
}

// PrepareContext gives the statement of a query. Whoever is slower of two that prepare it gets the other's.
func (s *statements) PrepareContext(ctx context.Context, query string) (*sql.Stmt, error) {
	s.mu.RLock()
	stmt := s.prepared[query]
	s.mu.RUnlock()
	if stmt != nil {
		return stmt, nil
	}
	stmt, err := s.on.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if first := s.prepared[query]; first != nil {
		stmt.Close()
		return first, nil
	}
	s.prepared[query] = stmt
	return stmt, nil
}

func (s *statements) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	ctx = s.bound(ctx)
	stmt, err := s.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return stmt.ExecContext(ctx, args...)
}

func (s *statements) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	ctx = s.bound(ctx)
	stmt, err := s.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(ctx, args...)
}

func (s *statements) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	ctx = s.bound(ctx)
	stmt, err := s.PrepareContext(ctx, query)
	if err != nil {
		return s.on.QueryRowContext(ctx, query, args...) // gives the same error, in a Row
	}
	return stmt.QueryRowContext(ctx, args...)
}

// bound is the context that a statement runs under.
func (s *statements) bound(ctx context.Context) context.Context {
	if s.finish {
		return context.WithoutCancel(ctx)
	}
	return ctx
}
