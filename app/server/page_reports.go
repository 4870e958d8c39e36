package server

import "net/http"

func (s *Server) reportsPage(w http.ResponseWriter, r *http.Request) error { return badRequest("not there yet") }

func (s *Server) reconcileNow(w http.ResponseWriter, r *http.Request) error { return badRequest("not there yet") }

func (s *Server) reportPage(w http.ResponseWriter, r *http.Request) error { return badRequest("not there yet") }
