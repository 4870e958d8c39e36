package app

import "context"

type serveCmd struct{}

func (serveCmd) Run(ctx context.Context, env *Environment) error { return nil }

type userCmd struct{}
type apikeyCmd struct{}
type backupCmd struct {
	File string `arg:"" help:"New file to write."`
}
