package server

import "net/http"

func (s *Server) takeNotice(w http.ResponseWriter, r *http.Request) *notice { return nil }
