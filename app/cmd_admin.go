package app

import (
	"context"
	"log/slog"

	"bursar/app/auth"
)

// Commands that change who may do what.

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
