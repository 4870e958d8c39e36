package app

import (
	"context"
	"log/slog"

	"bursar/app/alert"
	"bursar/app/auth"
)

// Commands that change who may do what, and the backup.

type userCmd struct {
	Add userAddCmd `cmd:"" help:"Add somebody, or make a new sign-in link for them. Prints the link once."`
}

type userAddCmd struct {
	Role  string `help:"owner, finance or support." enum:"owner,finance,support" required:""`
	Email string `arg:"" help:"E-mail address to sign in with."`
}

func (c userAddCmd) Run(ctx context.Context, env *Environment) error {
	a, err := env.open(ctx, slog.LevelError)
	if err != nil {
		return err
	}
	defer a.Close()
	link, err := auth.AddUser(ctx, a.DB, c.Email, auth.Role(c.Role), a.Config.URL)
	if err != nil {
		return err
	}
	env.printf("%s can sign in once with this link, within 48 hours:\n%s\n", c.Email, link)
	return nil
}

type backupCmd struct {
	File string `arg:"" help:"New file to write; an existing one is left alone."`
}

func (c backupCmd) Run(ctx context.Context, env *Environment) error {
	a, err := env.open(ctx, slog.LevelError)
	if err != nil {
		return err
	}
	defer a.Close()
	if err := a.DB.Backup(ctx, c.File); err != nil {
		return err
	}
	if err := a.audit(ctx, auth.ByCommand("file.backup", c.File, "")); err != nil {
		return err
	}
	if err := alert.BackedUp(ctx, a.DB); err != nil {
		env.hint("The copy is good, but the time of it could not be noted: %v", err)
	}
	env.printf("%s is a whole, checked copy. It holds customers' data; keep it as safe as the original.\n", c.File)
	return nil
}
