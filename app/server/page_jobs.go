package server

import "net/http"

func (s *Server) jobsPage(w http.ResponseWriter, r *http.Request) error { return badRequest("not there yet") }

func (s *Server) jobPage(w http.ResponseWriter, r *http.Request) error { return badRequest("not there yet") }

func (s *Server) retryJobs(w http.ResponseWriter, r *http.Request) error { return badRequest("not there yet") }

func (s *Server) confirmDiscard(w http.ResponseWriter, r *http.Request) error { return badRequest("not there yet") }

func (s *Server) discardJobs(w http.ResponseWriter, r *http.Request) error { return badRequest("not there yet") }
