package connect

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
)

// intercomID is an id, which is a string in most places and a number in some.
type intercomID string

// UnmarshalJSON implements json.Unmarshaler.
func (id *intercomID) UnmarshalJSON(text []byte) error {
	*id = intercomID(strings.Trim(string(text), `"`))
	if *id == "null" || *id == "0" { // nobody is "0"
		*id = ""
	}
	return nil
}

// intercomPages says where a list goes on.
type intercomPages struct {
	Next json.RawMessage `json:"next"` // null, the place to start after, or a whole address
}

// after is the place where the list goes on, "" at its end.
func (p intercomPages) after() string {
	var next struct {
		StartingAfter string `json:"starting_after"`
	}
	if json.Unmarshal(p.Next, &next) == nil {
		return next.StartingAfter
	}
	var address string
	json.Unmarshal(p.Next, &address) // a list that says it another way ends here
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Query().Get("starting_after")
}

// intercomError is the body of every error.
type intercomError struct {
	Errors []struct {
		Code    string `json:"code"`
		Message string `json:"message"`
		Field   string `json:"field"`
	} `json:"errors"`
}

// intercomMessage is what an error says: its messages, or its codes where it has none.
func intercomMessage(_ int, body []byte) string {
	var e intercomError
	if json.Unmarshal(body, &e) != nil || len(e.Errors) == 0 {
		return usualMessage(0, body)
	}
	var said []string
	for _, one := range e.Errors {
		text := one.Message
		if text == "" {
			text = one.Code
		}
		if one.Field != "" {
			text = one.Field + ": " + text
		}
		said = append(said, text)
	}
	return strings.Join(said, "; ")
}

// intercomPermission is what a call needs, in the words of
// https://developers.intercom.com/docs/build-an-integration/learn-more/authentication/oauth-scopes.
func intercomPermission(method, path string) string {
	writes := method != http.MethodGet && !strings.HasSuffix(path, "/search")
	switch {
	case strings.HasPrefix(path, "/me"), strings.HasPrefix(path, "/admins"), strings.HasPrefix(path, "/teams"):
		return "Read admins"
	case strings.HasPrefix(path, "/ticket") && writes:
		return "Write tickets"
	case strings.HasPrefix(path, "/ticket"):
		return "Read tickets"
	case strings.HasPrefix(path, "/data_attributes") && writes:
		return "Write data attributes"
	case writes:
		return "Write users and companies"
	}
	return "Read and list users and companies"
}

// isStatus says that the vendor answered with a status.
func isStatus(err error, status int) bool {
	var call *CallError
	return errors.As(err, &call) && call.Status == status
}
