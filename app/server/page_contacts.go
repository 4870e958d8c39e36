package server

import "net/http"

func (s *Server) contactsPage(w http.ResponseWriter, r *http.Request) error { return badRequest("not there yet") }
