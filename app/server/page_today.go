package server

import "net/http"

func (s *Server) todayPage(w http.ResponseWriter, r *http.Request) error { return badRequest("not there yet") }

func (s *Server) live(w http.ResponseWriter, r *http.Request) error { return badRequest("not there yet") }
