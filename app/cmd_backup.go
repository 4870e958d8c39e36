package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"time"

	"bursar/app/alert"
	"bursar/app/auth"
	"bursar/app/backup"
	"bursar/app/db"
)

// Commands about copies of the file.

type backupCmd struct {
	File   string `arg:"" help:"New file to write; an existing one is left alone."`
	NewKey bool   `help:"Write no copy but a new key, and print the setting that encrypts backups for it."`
}

func (backupCmd) Help() string {
	return `With BURSAR_BACKUP_TO the copy is encrypted with age: this machine cannot read it, only who has the secret key can.
Make the key where it is to stay, not on the server: bursar backup --new-key bursar-backup.key`
}

func (c backupCmd) Run(ctx context.Context, env *Environment) error {
	if c.NewKey {
		return c.newKey(env)
	}
	a, err := env.open(ctx, slog.LevelError)
	if err != nil {
		return err
	}
	defer a.Close()
	if err := backup.Write(ctx, a.DB, c.File, a.Config.BackupTo); err != nil {
		return err
	}
	if err := a.audit(ctx, auth.ByCommand("file.backup", c.File, "")); err != nil {
		return err
	}
	if err := alert.BackedUp(ctx, a.DB); err != nil {
		env.hint("The copy is good, but the time of it could not be noted: %v", err)
	}
	if len(a.Config.BackupTo) > 0 {
		env.printf("%s is a whole copy, checked and then encrypted. Only the secret keys of BURSAR_BACKUP_TO open it.\n", c.File)
		return nil
	}
	env.printf("%s is a whole, checked copy. It holds customers' data; keep it as safe as the original.\n", c.File)
	return nil
}

func (c backupCmd) newKey(env *Environment) error {
	public, err := backup.NewKey(c.File)
	if err != nil {
		return err
	}
	env.printf("BURSAR_BACKUP_TO=%s\n", public)
	env.hint("%s holds the secret key. Without it no backup can be opened: keep it in two places, neither of them the server.", c.File)
	return nil
}

type restoreCmd struct {
	File    string `arg:"" help:"A backup, plain or encrypted, or the copy from before an upgrade."`
	Key     string `help:"File with the secret key of an encrypted backup." placeholder:"FILE"`
	Replace bool   `help:"Set a file that is there aside, under a name that is printed."`
	Check   bool   `help:"Only prove that it can be restored, and say what it holds."`
}

func (restoreCmd) Help() string {
	return `Stop bursar serve first, and on the old machine too. The restored file sends nothing that waited when the copy was made,
asks for no money again, and its connectors observe until somebody lets them write. What happened at Stripe since comes
back by itself with STRIPE_API_KEY; what people did here since does not.`
}

func (c restoreCmd) Run(ctx context.Context, env *Environment) error {
	config, err := env.config()
	if err != nil {
		return err
	}
	schema, err := fs.ReadFile(env.Files, "schema.sql")
	if err != nil {
		return fmt.Errorf("read the schema: %w", err)
	}
	r := backup.Restore{File: c.File, DB: config.DB, Schema: string(schema), Replace: c.Replace}
	if c.Key != "" {
		if r.Keys, err = backup.ReadKey(c.Key); err != nil {
			return err
		}
	}
	if c.Check {
		return c.check(ctx, env, r, config)
	}
	contents, err := r.Run(ctx)
	switch {
	case errors.Is(err, backup.ErrExists):
		return fmt.Errorf("%w; --replace sets it aside", err)
	case err != nil:
		return err
	}
	env.printf("%s is restored from %s.\n", config.DB, c.File)
	env.tellContents(contents)
	env.tellStopped(contents.Stopped)
	env.tellChecks(contents)
	env.tellKey(config, contents)
	if contents.Aside != "" {
		env.printf("\nThe file that was there is %s. Remove it when you are sure.\n", contents.Aside)
	}
	return nil
}

// check notes that it went well where there is a file that can keep it.
func (c restoreCmd) check(ctx context.Context, env *Environment, r backup.Restore, config Config) error {
	contents, err := r.Check(ctx)
	if err != nil {
		return err
	}
	env.printf("%s can be restored.\n", c.File)
	env.tellContents(contents)
	if _, err := os.Stat(config.DB); err != nil {
		env.hint("There is no file at BURSAR_DB, so nobody is told that a backup was proven.")
		return nil
	}
	d, err := db.Open(ctx, config.DB, r.Schema)
	if err != nil {
		return err
	}
	err = d.Tx(ctx, func(q *db.Queries) error { return alert.TriedBackup(ctx, q, contents.CopyAt) })
	return errors.Join(err, d.Close())
}

func (e *Environment) tellContents(c backup.Contents) {
	e.printf("  written   %s (the last event, entry or sign of life in it)\n", utc(c.CopyAt))
	e.printf("  holds     %s, %s, %s, %s, %s\n", count(c.Customers, "customer"), count(c.CountContentsRow.Contacts, "contact"),
		count(c.Tickets, "ticket"), count(c.Events, "event"), count(c.Mails, "mail"))
	if c.AuditBroken != "" {
		e.printf("  WARNING   %s\n", c.AuditBroken)
	}
}

func (e *Environment) tellStopped(s backup.Stopped) {
	e.printf("\nStopped, since it may have been done after the copy was made:\n")
	for _, line := range []struct {
		n    int64
		what string
	}{{s.Mails, "mail"}, {s.Jobs, "job"}} {
		if line.n > 0 {
			e.printf("  %s that waited\n", count(line.n, line.what))
		}
	}
	if s.Actions > 0 {
		e.printf("  %s with money: looked for at Stripe, and not asked for again (page Money)\n", count(s.Actions, "action"))
	}
	for _, system := range s.Connectors {
		e.printf("  %s only observes; look at what it would write, and let it write again (page Connectors)\n", system)
	}
	e.printf("  scheduled runs that were due; the next come at their time\n  sessions and one-time links: everybody signs in again\n")
}

// tellChecks names what a copy brings back that was ended after it was made: it does not know of that.
func (e *Environment) tellChecks(c backup.Contents) {
	e.printf("\nCheck what was ended after %s, since the copy does not know of it:\n", utc(c.CopyAt))
	if c.Compared {
		for _, line := range c.Ended {
			e.printf("  %s\n", line)
		}
		e.printf("  and what the file that was there does not know of either\n")
	}
	e.printf("  people who may sign in, with the roles, passwords and second factors of then: %s\n", names(c.People))
	e.printf("  API keys that open something: %s\n", names(c.APIKeys))
	e.printf("  people who were erased since: erase them again (bursar erase)\n")
}

// tellKey says that the key file is missing: it is in no copy.
func (e *Environment) tellKey(config Config, c backup.Contents) {
	if _, err := os.Stat(config.DB + ".key"); err == nil || config.SecretKey != "" || c.Apps == 0 {
		return
	}
	e.hint("\n%s.key is not here. Put your copy of it there before bursar serve starts, or set BURSAR_SECRET_KEY: without it nobody's authenticator app works.", config.DB)
}

func names(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

// count writes a number with its word.
func count(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func utc(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
