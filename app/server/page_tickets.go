package server

import "net/http"

func (s *Server) ticketsPage(w http.ResponseWriter, r *http.Request) error { return badRequest("not there yet") }

func (s *Server) openTicket(w http.ResponseWriter, r *http.Request) error { return badRequest("not there yet") }

func (s *Server) ticketPage(w http.ResponseWriter, r *http.Request) error { return badRequest("not there yet") }

func (s *Server) noteTicket(w http.ResponseWriter, r *http.Request) error { return badRequest("not there yet") }

func (s *Server) closeTicket(w http.ResponseWriter, r *http.Request) error { return badRequest("not there yet") }

func (s *Server) reopenTicket(w http.ResponseWriter, r *http.Request) error { return badRequest("not there yet") }
