package stripe

import "encoding/json"

// Bare is the event without what it is about: its id, by which it is known again, its type, times and mode.
func (e Event) Bare() Event {
	bare := Event{ID: e.ID, Type: e.Type, APIVersion: e.APIVersion, Account: e.Account, Livemode: e.Livemode, CreatedAt: e.CreatedAt}
	bare.Payload, _ = json.Marshal(struct { // strings, a number and a bool only
		ID       string `json:"id"`
		Object   string `json:"object"`
		Type     string `json:"type"`
		Created  int64  `json:"created"`
		Livemode bool   `json:"livemode"`
	}{e.ID, "event", e.Type, e.CreatedAt.Unix(), e.Livemode})
	return bare
}
