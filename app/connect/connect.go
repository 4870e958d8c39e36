// Package connect keeps the systems of other companies in step: a CRM, a support desk. A vendor is one file that
// says how its API is called (Remote) and one row in Vendors. What is the same for all of them is here: that each
// thing is created once (keep.go), which fields are written (fields.go), whether anything may be written at all
// (mode.go), and how to behave towards somebody else's server (call.go).
package connect

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"time"

	"golang.org/x/time/rate"

	"bursar/app/crm"
)

// Kind is a kind of record.
type Kind string

// The kinds of records. A CRM has the first three, a desk the others.
const (
	Contact Kind = "contact"
	Task    Kind = "task"
	Note    Kind = "note"
	Ticket  Kind = "ticket"
	Message Kind = "message" // in a ticket
)

// Record is what should stand over there.
type Record struct {
	Kind   Kind
	Key    string // ours, the same on every try: what was created once is found by it
	Person Person // whom it is about
	Parent string // remote id of what it hangs on: the contact of a task or note, the ticket of a message
	Fields crm.Fields
}

// Person is a customer as other systems know people.
type Person struct {
	CustomerID int64 // 0: nobody Bursar knows
	Key        string
	Name       string
	Email      string
	ContactID  string // of the contact at the same vendor, "" if Bursar keeps none there
}

// Found is a record as it stands over there.
type Found struct {
	ID       string
	Key      string     // "" if it has none of ours yet
	Fields   crm.Fields // as Bursar would write them; those it does not keep are missing
	URL      string     // of its page for people
	Status   string     // of a ticket, in the vendor's word
	Assignee string     // of a ticket: a name or an address, "" nobody
	At       time.Time  // when it was asked for: what was written after that is newer
}

// Remote is the API of one vendor, and nothing else: it remembers nothing and repeats nothing. Errors are those of
// Client.Do. A record that is not there is nil and no error.
type Remote interface {
	// Create makes a record and returns its id. Where one with this key, or one that may not be there twice, exists,
	// it may return that one's, or ErrConflict.
	Create(ctx context.Context, r Record) (id string, err error)
	// Find looks for the record of a key, or one that is the same person or thing, by reading and not in an index
	// that lags. It is asked before a create, so that what is there is adopted.
	Find(ctx context.Context, r Record) (*Found, error)
	// Read reads a record by its id.
	Read(ctx context.Context, kind Kind, id string) (*Found, error)
	// Update writes the given fields of a record, and its key.
	Update(ctx context.Context, id string, r Record) error
	// List reads all records of a kind that have a key of ours: contacts, or tickets. With since it may leave out
	// those that did not change after it. It ends with an error if it could not read them all.
	List(ctx context.Context, kind Kind, since time.Time) iter.Seq2[Found, error]
	// Check asks whether the token is good. With prepare it makes what must be there before the first write, such as
	// properties; without, it changes nothing. Its error says to a person what is missing and how to mend it.
	Check(ctx context.Context, prepare bool) error
}

// ErrConflict is what Create returns when the vendor says that there is one already.
var ErrConflict = errors.New("there is one already")

// Vendor is a row of the table of vendors.
type Vendor struct {
	Name  string // as in BURSAR_CRM and BURSAR_DESK; the settings are its upper case and _TOKEN, _API_BASE
	Label string
	CRM   bool
	Desk  bool
	Base  string // of the API; "" if each customer of the vendor has an own one, which must be set
	Token string // what to put into the token setting, and where to get it
	// Absorbs are the kinds of which a repeated Create makes no second one, because the vendor has a unique key.
	Absorbs []Kind
	Lag     time.Duration // how long a created record may not be found; 0 is DefaultLag
	// NoTasks: it has none, and a task is a note there, with a second one when it is done.
	NoTasks bool
	// NeedsContact: a ticket is somebody's there. One that Bursar keeps in its CRM is waited for, so that the ticket
	// does not make a second.
	NeedsContact bool
	Rate         rate.Limit // requests a second
	Burst        int
	Options      []Option // further settings
	// Authorize makes the Authorization header of the token. Nil: the token is a bearer token.
	Authorize func(token string, options map[string]string) string
	Open      func(c *Client, options map[string]string) Remote
	// Verify checks the signature of a webhook on the raw body, and returns the ids of the tickets it is about.
	// Nil: the vendor sends none, and what changed is listed every minute.
	Verify func(w Webhook) (tickets []string, err error)
}

// Option is a setting that only this vendor has: its environment name is the vendor's with this suffix.
type Option struct {
	Suffix    string // like TICKET_PIPELINE
	Otherwise string
	Secret    bool
	Help      string
}

// Webhook is a request that a vendor sent.
type Webhook struct {
	URL    string // as the vendor called it
	Header http.Header
	Body   []byte
	Secret string
	Now    time.Time
}

// ErrSignature is what Verify returns for a request that the vendor did not sign, or signed too long ago.
var ErrSignature = errors.New("the signature is not the vendor's, or it is too old")

// DefaultLag is longer than the indexes of the vendors lag as far as is known.
const DefaultLag = 90 * time.Second

// lag of a vendor.
func (v Vendor) lag() time.Duration {
	if v.Lag == 0 {
		return DefaultLag
	}
	return v.Lag
}
