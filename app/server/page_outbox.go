package server

import "net/http"

func (s *Server) outboxPage(w http.ResponseWriter, r *http.Request) error { return badRequest("not there yet") }

func (s *Server) mailPage(w http.ResponseWriter, r *http.Request) error { return badRequest("not there yet") }

func (s *Server) mailHTML(w http.ResponseWriter, r *http.Request) error { return badRequest("not there yet") }
