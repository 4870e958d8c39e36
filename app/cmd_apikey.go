package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"bursar/app/auth"
	"bursar/app/db"
)

type apikeyCmd struct {
	Add    apikeyAddCmd    `cmd:"" help:"Add a key for a program. Prints it once."`
	List   apikeyListCmd   `cmd:"" help:"List the keys: what they may do, until when, and when they were used last."`
	Revoke apikeyRevokeCmd `cmd:"" help:"End a key, at once and for good."`
}

type apikeyAddCmd struct {
	Name    string `arg:"" help:"What the key is for, like website."`
	Scope   string `help:"read (GET only) or write (all of the product API)." enum:"read,write" default:"write"`
	Expires string `help:"When it stops working, like 90d; without it never." placeholder:"DAYS"`
}

func (c apikeyAddCmd) Run(ctx context.Context, env *Environment) error {
	expires, err := parseExpiry(c.Expires, time.Now())
	if err != nil {
		return err
	}
	a, err := env.open(ctx, slog.LevelError)
	if err != nil {
		return err
	}
	defer a.Close()
	key, err := auth.AddAPIKey(ctx, a.DB, c.Name, auth.Scope(c.Scope), expires)
	if err != nil {
		return err
	}
	env.printf("%s\n", key)
	env.hint("This key is shown once. Send it as: Authorization: Bearer KEY. The API is described at %s/api/v1/openapi.json", a.Config.URL)
	return nil
}

// parseExpiry reads a number of days like 90d; nothing is the zero time.
func parseExpiry(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	number, isDays := strings.CutSuffix(text, "d")
	days, err := strconv.ParseInt(number, 10, 64)
	if err != nil || !isDays || days < 1 || days > 3650 {
		return time.Time{}, fmt.Errorf("--expires %q is not a number of days like 90d, up to 3650d", text)
	}
	return now.AddDate(0, 0, int(days)), nil
}

// apiKey is a key as it is listed, without its hash.
type apiKey struct {
	ID                                          int64
	Name, Prefix, Scope, State                  string
	CreatedAt, ExpiresAt, RevokedAt, LastUsedAt db.Time
}

type apikeyListCmd struct {
	JSON bool `name:"json" help:"Print JSON."`
}

func (c apikeyListCmd) Run(ctx context.Context, env *Environment) error {
	return env.reading(ctx, func(q *db.Queries) error {
		list, err := q.ListAPIKeys(ctx)
		keys := []apiKey{}
		rows := [][]any{{"NAME", "KEY", "MAY", "STATE", "MADE", "EXPIRES", "LAST USED"}}
		for _, k := range list {
			keys = append(keys, apiKey{k.ID, k.Name, k.Prefix, k.Scope, auth.KeyState(k), k.CreatedAt, k.ExpiresAt, k.RevokedAt, k.LastUsedAt})
			rows = append(rows, []any{k.Name, k.Prefix + "…", k.Scope, auth.KeyState(k), stamp(k.CreatedAt), stamp(k.ExpiresAt), stamp(k.LastUsedAt)})
		}
		if err != nil || c.JSON {
			return errors.Join(err, env.jsonIf(c.JSON, keys))
		}
		return env.table(rows)
	})
}

type apikeyRevokeCmd struct {
	Name string `arg:"" help:"Name of the key."`
}

func (c apikeyRevokeCmd) Run(ctx context.Context, env *Environment) error {
	a, err := env.open(ctx, slog.LevelError)
	if err != nil {
		return err
	}
	defer a.Close()
	err = a.DB.Tx(ctx, func(q *db.Queries) error {
		key, err := q.APIKeyByName(ctx, c.Name)
		if errors.Is(err, db.ErrNoRows) {
			return fmt.Errorf("there is no API key %q, or it is revoked already; bursar apikey list shows all", c.Name)
		}
		if err != nil {
			return err
		}
		if _, err := auth.RevokeAPIKey(ctx, q, key.ID); err != nil {
			return err
		}
		return auth.Audit(ctx, q, auth.ByCommand("apikeys.revoke", auth.KeyTarget(key.ID), key.Name))
	})
	if err != nil {
		return err
	}
	env.printf("%s is revoked: whoever uses it gets 401 from now on.\n", c.Name)
	return nil
}
