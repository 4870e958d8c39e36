package connect

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// intercom speaks version 2.14 of Intercom's API. The shapes are those of descriptions/2.14/api.intercom.io.yaml in
// https://github.com/intercom/Intercom-OpenAPI.
func intercom() Vendor {
	return Vendor{
		Name: "intercom", Label: "Intercom", CRM: true, Desk: true, Base: "https://api.intercom.io",
		Token: "the access token of a private app of your workspace, from the Developer Hub, Configure, Authentication",
		// "This delay can take a few minutes", the reference says of new contacts in a search (POST /contacts/search).
		// Of tickets it says nothing, and they can be found by search only.
		Lag: 5 * time.Minute,
		// An app may call 10,000 times a minute (https://developers.intercom.com/docs/references/rest-api/errors/rate-limiting),
		// and search 1,000 times.
		Rate: 15, Burst: 15,
		NoTasks: true, NeedsContact: true,
		Options: []Option{
			{Suffix: "TICKET_TYPE", Help: "Id of the ticket type of Bursar's tickets. Without it Bursar makes one for your team only, called Bursar."},
			{Suffix: "TICKET_TEAMS", Help: "Id of the team that gets new tickets, or one for each queue, like billing=12,product=34."},
			{Suffix: "TICKET_ADMIN", Help: "Id of the teammate who gets new tickets."},
			{Suffix: "NOTE_ADMIN", Help: "Id of the teammate in whose name Bursar writes notes; else the one whose token it is."},
		},
		Open: func(c *Client, options map[string]string) Remote {
			c.Explain = intercomMessage
			c.Header.Set("Intercom-Version", intercomVersion)
			return &intercomRemote{c: c, options: options, names: map[string]string{}}
		},
		Verify: verifyIntercom,
	}
}

const intercomVersion = "2.14"

type intercomRemote struct {
	c       *Client
	options map[string]string

	mu    sync.Mutex
	own   *intercomOwn
	kind  *intercomType     // of tickets, nil until it was found
	names map[string]string // of teammates and teams, by path
}

// do calls the API. Intercom does not say which permission is missing, so this does.
func (i *intercomRemote) do(ctx context.Context, method, path string, in, out any) error {
	err := i.c.Do(ctx, method, path, in, out)
	var call *CallError
	if errors.As(err, &call) && (call.Status == http.StatusUnauthorized || call.Status == http.StatusForbidden) {
		call.Message = strings.TrimPrefix(fmt.Sprintf("%s; the app needs the permission %q for this", call.Message, intercomPermission(method, path)), "; ")
	}
	return err
}

// Find implements Remote.
func (i *intercomRemote) Find(ctx context.Context, r Record) (*Found, error) {
	switch r.Kind {
	case Contact:
		return i.findContact(ctx, r)
	case Ticket:
		return i.findTicket(ctx, r.Key)
	case Message:
		return i.findPart(ctx, r.Parent, func(p intercomPart) bool { return markedKey(p.Body) == r.Key })
	}
	return i.findNote(ctx, r)
}

// Read implements Remote.
func (i *intercomRemote) Read(ctx context.Context, kind Kind, id string) (*Found, error) {
	switch kind {
	case Contact:
		contact, at, err := i.contact(ctx, "/contacts/"+url.PathEscape(id))
		if contact == nil || err != nil {
			return nil, err
		}
		return contact.found(at), nil
	case Ticket:
		return i.readTicket(ctx, id)
	case Message:
		ticket, part, _ := strings.Cut(id, "/")
		return i.findPart(ctx, ticket, func(p intercomPart) bool { return string(p.ID) == part })
	}
	return i.readNote(ctx, id)
}

// Create implements Remote.
func (i *intercomRemote) Create(ctx context.Context, r Record) (string, error) {
	switch r.Kind {
	case Contact:
		return i.createContact(ctx, r)
	case Ticket:
		return i.createTicket(ctx, r)
	case Message:
		return i.createPart(ctx, r)
	}
	return i.createNote(ctx, r)
}

// Update implements Remote. A note is never changed: the API has no call for it.
func (i *intercomRemote) Update(ctx context.Context, id string, r Record) error {
	switch r.Kind {
	case Contact:
		return i.updateContact(ctx, id, r)
	case Ticket:
		return i.updateTicket(ctx, id, r)
	}
	return nil
}

// List implements Remote.
func (i *intercomRemote) List(ctx context.Context, kind Kind, since time.Time) iter.Seq2[Found, error] {
	page := i.contactPage
	if kind == Ticket {
		page = i.ticketPage
	}
	return func(yield func(Found, error) bool) {
		seen := map[string]bool{}
		for after := ""; ; {
			list, next, err := page(ctx, since, after)
			if err == nil && seen[next] {
				err = i.c.Unreadable("a list that goes in a circle")
			}
			if err != nil {
				yield(Found{}, err)
				return
			}
			for _, found := range list {
				if found.Key != "" && !yield(found, nil) {
					return
				}
			}
			if next == "" {
				return
			}
			after, seen[next] = next, true
		}
	}
}

// Check implements Remote.
func (i *intercomRemote) Check(ctx context.Context, prepare bool) error {
	if _, err := i.whose(ctx); err != nil {
		return outcome(fmt.Errorf("ask whose token this is: %w", err))
	}
	if i.options[AreaOption] == AreaDesk {
		return i.checkTickets(ctx, prepare)
	}
	return i.checkContacts(ctx, prepare)
}

// intercomOwn says whose token it is (GET /me).
type intercomOwn struct {
	ID  intercomID `json:"id"`
	App struct {
		Workspace string `json:"id_code"`
	} `json:"app"`
}

// whose asks for it once.
func (i *intercomRemote) whose(ctx context.Context) (intercomOwn, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.own != nil {
		return *i.own, nil
	}
	var own intercomOwn
	err := i.do(ctx, "GET", "/me", nil, &own)
	if err == nil && own.ID == "" {
		err = i.c.Unreadable("nobody's token")
	}
	if err == nil {
		i.own = &own
	}
	return own, err
}

// author is the teammate in whose name a note is written.
func (i *intercomRemote) author(ctx context.Context) (string, error) {
	if id := i.options["NOTE_ADMIN"]; id != "" {
		return id, nil
	}
	own, err := i.whose(ctx)
	return string(own.ID), err
}

// markedHTML is a text with the mark of its key, as Intercom keeps notes.
func markedHTML(r Record) string {
	text := r.Fields[Body]
	if author := r.Fields[Author]; author != "" && author != "bursar" {
		text = author + ":\n" + text
	}
	return "<p>" + strings.ReplaceAll(html.EscapeString(text+"\n"+mark(r.Key)), "\n", "<br>") + "</p>"
}

// verifyIntercom checks the signature on the raw body
// (https://developers.intercom.com/docs/webhooks, "X-Hub-Signature"). It has no time in it: an old one that comes
// again does no harm, because all it does is to have the ticket read.
func verifyIntercom(w Webhook) ([]string, error) {
	mac := hmac.New(sha1.New, []byte(w.Secret))
	mac.Write(w.Body)
	given, err := hex.DecodeString(strings.TrimPrefix(w.Header.Get("X-Hub-Signature"), "sha1="))
	if err != nil || !hmac.Equal(given, mac.Sum(nil)) {
		return nil, ErrSignature
	}
	var event struct {
		Topic string `json:"topic"`
		Data  struct {
			Item struct {
				Type   string     `json:"type"`
				ID     intercomID `json:"id"`
				Ticket struct {
					ID intercomID `json:"id"`
				} `json:"ticket"` // of a part
			} `json:"item"`
		} `json:"data"`
	}
	if err := json.Unmarshal(w.Body, &event); err != nil {
		return nil, fmt.Errorf("read a webhook: %w", err)
	}
	id := event.Data.Item.Ticket.ID
	if event.Data.Item.Type == "ticket" {
		id = event.Data.Item.ID
	}
	if !strings.HasPrefix(event.Topic, "ticket.") || id == "" {
		return nil, nil // a ping, or about something else
	}
	return []string{string(id)}, nil
}

// intercomNumber is a value as the API wants an id that is a number.
func intercomNumber(id string) any {
	if n, err := strconv.ParseInt(id, 10, 64); err == nil {
		return n
	}
	return id
}
