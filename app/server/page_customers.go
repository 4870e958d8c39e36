package server

import "net/http"

func (s *Server) customersPage(w http.ResponseWriter, r *http.Request) error { return badRequest("not there yet") }
