package server

import "net/http"

func (s *Server) activityPage(w http.ResponseWriter, r *http.Request) error { return badRequest("not there yet") }
