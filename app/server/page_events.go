package server

import "net/http"

func (s *Server) eventsPage(w http.ResponseWriter, r *http.Request) error { return badRequest("not there yet") }

func (s *Server) eventPage(w http.ResponseWriter, r *http.Request) error { return badRequest("not there yet") }

func (s *Server) replayEvent(w http.ResponseWriter, r *http.Request) error { return badRequest("not there yet") }
