package app

import (
	"context"
	"fmt"
	"log/slog"

	"bursar/app/auth"
	"bursar/app/db"
	"bursar/app/mail"
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
	var made auth.Invitation
	err = a.DB.Tx(ctx, func(q *db.Queries) (err error) {
		if made, err = auth.AddUser(ctx, q, c.Email, auth.Role(c.Role), a.Config.URL); err != nil {
			return err
		}
		e := auth.ByCommand("people.invite", c.Email, c.Role)
		if err := auth.Audit(ctx, q, e); err != nil {
			return err
		}
		return a.accounts().Invited(ctx, q, made.User, made.New, mail.Change{By: e.Actor})
	})
	if err != nil {
		return fmt.Errorf("add user %s: %w", c.Email, err)
	}
	env.printf("%s can sign in once with this link, within 48 hours:\n%s\n", c.Email, made.Link)
	return nil
}
