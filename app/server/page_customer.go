package server

import "net/http"

func (s *Server) customerPage(w http.ResponseWriter, r *http.Request) error { return badRequest("not there yet") }

func (s *Server) syncCustomer(w http.ResponseWriter, r *http.Request) error { return badRequest("not there yet") }
