package server

import "net/http"

func (s *Server) peoplePage(w http.ResponseWriter, r *http.Request) error { return badRequest("not there yet") }

func (s *Server) invite(w http.ResponseWriter, r *http.Request) error { return badRequest("not there yet") }

func (s *Server) changeRole(w http.ResponseWriter, r *http.Request) error { return badRequest("not there yet") }

func (s *Server) disableUser(w http.ResponseWriter, r *http.Request) error { return badRequest("not there yet") }

func (s *Server) enableUser(w http.ResponseWriter, r *http.Request) error { return badRequest("not there yet") }
