package app

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"

	"bursar/app/auth"
	"bursar/app/customer"
	"bursar/app/db"
	"bursar/app/privacy"
)

// Commands about one person's data.

type exportCmd struct {
	Customer string `arg:"" help:"Number of the customer, cus_…, your own user id, or e-mail address."`
	Output   string `help:"New file to write; an existing one is left alone." placeholder:"FILE"`
}

func (exportCmd) Help() string {
	return `Prints JSON: everything stored about one person, by the tables of the file. Lines about other people are left out.`
}

func (c exportCmd) Run(ctx context.Context, env *Environment) error {
	a, err := env.open(ctx, slog.LevelError)
	if err != nil {
		return err
	}
	defer a.Close()
	id, err := privacy.Find(ctx, a.DB.Read(), c.Customer)
	if err != nil {
		return err
	}
	export, err := privacy.Read(ctx, a.DB.Read(), id)
	if err != nil {
		return err
	}
	if err := a.audit(ctx, auth.ByCommand("customers.export", fmt.Sprintf("customer %d", id), "")); err != nil {
		return err
	}
	if c.Output == "" {
		return env.json(export)
	}
	f, err := os.OpenFile(c.Output, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("export to %s: %w", c.Output, err)
	}
	to := *env
	to.Stdout = f
	if err := errors.Join(to.json(export), f.Close()); err != nil {
		return fmt.Errorf("export to %s: %w", c.Output, err)
	}
	env.printf("%s holds everything stored about customer %d. Keep it as safe as the original.\n", c.Output, id)
	return nil
}

type eraseCmd struct {
	Customer string `arg:"" help:"Number of the customer, cus_…, your own user id, or e-mail address."`
	Yes      bool   `help:"Do not ask for the number to be typed."`
	Force    string `help:"Erase although a subscription is live, and note why." placeholder:"WHY"`
	Readmit  bool   `help:"Take somebody in again who was erased: say their cus_…, user id or e-mail address."`
}

func (eraseCmd) Help() string {
	return `Takes a person out of every table and out of the bytes of the file. It cannot be undone. Hashes of the ids and e-mail
addresses stay, so that no webhook, replay or comparison brings them back; a new purchase is a new customer.`
}

func (c eraseCmd) Run(ctx context.Context, env *Environment) error {
	a, err := env.open(ctx, slog.LevelError)
	if err != nil {
		return err
	}
	defer a.Close()
	if c.Readmit {
		return c.readmit(ctx, env, a)
	}
	id, err := privacy.Find(ctx, a.DB.Read(), c.Customer)
	if err != nil {
		return err
	}
	record, err := a.DB.Read().CustomerByID(ctx, id)
	if err != nil {
		return err
	}
	if !c.Yes {
		env.hint("This erases customer %d, %s <%s>, for good. Make an export first if you may need one.\nType the number of the customer to go on:", id, record.Name, record.Email)
		typed, err := bufio.NewReader(env.Stdin).ReadString('\n')
		if strings.TrimSpace(typed) != fmt.Sprint(id) {
			return errors.Join(errors.New("this is not its number; nothing was erased"), err)
		}
	}
	erased, err := privacy.Erase(ctx, a.DB, id, c.Force != "", func(q *db.Queries) error {
		entry := auth.ByCommand("customers.erase", fmt.Sprintf("customer %d", id), "")
		entry.Reason = c.Force
		return auth.Audit(ctx, q, entry)
	})
	if errors.Is(err, privacy.ErrLive) {
		err = fmt.Errorf("%w; or say why they are erased all the same with --force WHY", err)
	}
	if erased == nil {
		return err
	}
	printErased(env, erased)
	return err
}

func printErased(env *Environment, e *privacy.Erased) {
	env.printf("Customer %d is erased: ", e.Customer)
	for i, table := range slices.Sorted(maps.Keys(e.Rows)) {
		if i > 0 {
			env.printf(", ")
		}
		env.printf("%s %d", table, e.Rows[table])
	}
	env.printf(".\n")
	if e.InFile {
		env.printf("Their name or e-mail address is still in the file: another row, which is not about them, has the same words.\n")
	}
	env.printf("What Bursar could not erase:\n")
	for _, todo := range e.Todo {
		env.printf("  [ ] %s\n", todo)
	}
}

func (c eraseCmd) readmit(ctx context.Context, env *Environment, a *App) error {
	known := false
	err := a.DB.Tx(ctx, func(q *db.Queries) (err error) {
		known, err = customer.Readmit(ctx, q, c.Customer)
		return errors.Join(err, auth.Audit(ctx, q, auth.ByCommand("customers.readmit", "", "")))
	})
	if err != nil {
		return err
	}
	if !known {
		return errors.New("nobody known by that was erased")
	}
	env.printf("They are taken in again, by the next event or comparison.\n")
	return nil
}
