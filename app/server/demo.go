package server

// Demo is the panel of bursar demo.
type Demo struct{}
