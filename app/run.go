package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"runtime/debug"
	"strings"

	"github.com/alecthomas/kong"

	"bursar/app/redact"
)

// Environment is what a command takes from the outside.
type Environment struct {
	Files  fs.FS // schema.sql and web/
	Getenv func(string) string
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
}

// Exit codes of the commands.
const (
	exitOK         = 0
	exitError      = 1
	exitDrift      = 3 // reconcile: something differed
	exitIncomplete = 4 // reconcile: not everything could be read
)

// exit is an error that only sets the exit code; its text was printed already.
type exit int

func (e exit) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

type commands struct {
	Demo      demoCmd      `cmd:"" help:"Show what Bursar does, with a simulated company on this machine only."`
	Serve     serveCmd     `cmd:"" help:"Receive Stripe's webhooks, do the jobs, send the morning report."`
	Reconcile reconcileCmd `cmd:"" help:"Compare Stripe, Bursar, the contacts and the tickets now, repair what is safe, and mail the report."`
	Backfill  backfillCmd  `cmd:"" help:"Read everything that Stripe has: the customers and subscriptions of an account that was there before Bursar."`
	Replay    replayCmd    `cmd:"" help:"Take in events from a file: JSON lines, or a list as Stripe's API gives it."`
	Jobs      jobsCmd      `cmd:"" help:"List, show and retry jobs."`
	Events    eventsCmd    `cmd:"" help:"List and show the stored Stripe events."`
	Customers customersCmd `cmd:"" help:"List, search and show customers; join two that are one, and take them apart."`
	Mail      mailCmd      `cmd:"" help:"List and show the mails in the outbox."`
	Audit     auditCmd     `cmd:"" help:"List who did what, and check that nobody changed it."`
	User      userCmd      `cmd:"" help:"Add the people who may sign in."`
	Apikey    apikeyCmd    `cmd:"" help:"Add, list and revoke keys for the product API."`
	Backup    backupCmd    `cmd:"" help:"Write a checked copy of the whole file, while Bursar runs; encrypted if BURSAR_BACKUP_TO says for whom."`
	Restore   restoreCmd   `cmd:"" help:"Put a backup in the place of the file, or prove that it could be."`
	DriftLab  driftLabCmd  `cmd:"" hidden:"" help:"Put a simulated company out of step in every way, and measure what is found and healed."`
	Export    exportCmd    `cmd:"" help:"Print everything stored about one person, as JSON."`
	Erase     eraseCmd     `cmd:"" help:"Erase one person for good."`
	Version   versionCmd   `cmd:"" help:"Print the version."`
}

const description = `Bursar keeps Stripe, the CRM and the support desk of a small software company in step.

It runs on one SQLite file (BURSAR_DB, default bursar.db). Settings come from the environment; the README lists them.

Start with:
  STRIPE_WEBHOOK_SECRET=whsec_… bursar serve`

// Run runs one command and returns its exit code.
func Run(ctx context.Context, args []string, env Environment) int {
	var cmds commands
	code := -1
	parser, err := kong.New(&cmds, kong.Name("bursar"), kong.Description(description), kong.UsageOnError(),
		kong.Writers(env.Stdout, env.Stderr), kong.Exit(func(c int) { code = c }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}))
	if err != nil {
		fmt.Fprintln(env.Stderr, err)
		return exitError
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	chosen, err := parser.Parse(args)
	if code >= 0 { // --help has printed itself
		return code
	}
	if err != nil {
		parser.FatalIfErrorf(err)
		return exitError
	}
	chosen.BindTo(ctx, (*context.Context)(nil))
	return exitCode(secretsOf(env.Getenv).Error(chosen.Run(&env)), env.Stderr)
}

func exitCode(err error, stderr io.Writer) int {
	var code exit
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &code):
		return int(code)
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(stderr, "bursar: stopped")
		return exitError
	}
	fmt.Fprintf(stderr, "bursar: %v\n", err)
	return exitError
}

// config reads the settings, or says everything that is wrong with them.
func (e *Environment) config() (Config, error) {
	c, err := LoadConfig(e.Getenv)
	if err != nil {
		return c, fmt.Errorf("these settings are wrong:\n  %s", strings.ReplaceAll(err.Error(), "\n", "\n  "))
	}
	return c, nil
}

// open joins the parts for a command; quiet ones log only what goes wrong.
func (e *Environment) open(ctx context.Context, level slog.Level) (*App, error) {
	c, err := e.config()
	if err != nil {
		return nil, err
	}
	return New(ctx, c, e.Files, e.logger(level))
}

func (e *Environment) logger(level slog.Level) *slog.Logger {
	return slog.New(redact.Handler{Redactor: secretsOf(e.Getenv), Next: slog.NewTextHandler(e.Stderr, &slog.HandlerOptions{Level: level})})
}

func (e *Environment) printf(format string, args ...any) { fmt.Fprintf(e.Stdout, format, args...) }

// hint is for the person, not for the program that reads the output.
func (e *Environment) hint(format string, args ...any) { fmt.Fprintf(e.Stderr, format+"\n", args...) }

func (e *Environment) json(v any) error {
	enc := json.NewEncoder(e.Stdout)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

type versionCmd struct{}

func (versionCmd) Run(env *Environment) error {
	env.printf("bursar %s\n", version())
	return nil
}

// release is set by the linker in released builds.
var release = ""

// version is the release, or the commit it was built from.
func version() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return "development, commit " + s.Value[:min(12, len(s.Value))]
		}
	}
	return "development"
}
