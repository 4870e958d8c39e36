// Bursar keeps Stripe, the CRM and the support desk of a small software company in step.
package main

import (
	"context"
	"embed"
	"os"
	"os/signal"
	"syscall"

	"bursar/app"
)

// files are embedded here because only the top folder can see them.
//
//go:embed schema.sql web
var files embed.FS

func main() {
	// Whatever is written, by SQLite as well, is the owner's alone.
	syscall.Umask(0o077)
	// The first signal asks to stop, a second one stops at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(app.Run(ctx, os.Args[1:], app.Environment{Files: files, Getenv: os.Getenv, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}))
}
