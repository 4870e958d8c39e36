package server

import "net/http"

func (s *Server) signInPage(w http.ResponseWriter, r *http.Request) error { return badRequest("not there yet") }

func (s *Server) signIn(w http.ResponseWriter, r *http.Request) error { return badRequest("not there yet") }

func (s *Server) welcome(w http.ResponseWriter, r *http.Request) error { return badRequest("not there yet") }

func (s *Server) signOut(w http.ResponseWriter, r *http.Request) error { return badRequest("not there yet") }
