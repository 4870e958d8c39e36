package server

import "net/http"

// Setting is one thing that is configured, as it may be shown: of secrets the last four characters.
type Setting struct {
	Name  string // of the environment variable
	Value string // "" if it is not set
	From  string // environment, or default
	Help  string // what it does or, where it is not set, would bring
}

type settingsPage struct {
	page
	Set, Missing []Setting
}

// settingsPage says what is configured. It changes nothing: what the environment says is changed there,
// and secrets can neither be read nor replaced by whoever gets hold of a session.
func (s *Server) settingsPage(w http.ResponseWriter, r *http.Request) error {
	p := settingsPage{page: s.page(w, r, "Settings")}
	for _, one := range s.Settings {
		if one.Value == "" {
			p.Missing = append(p.Missing, one)
		} else {
			p.Set = append(p.Set, one)
		}
	}
	return s.render(w, http.StatusOK, "settings", p)
}
