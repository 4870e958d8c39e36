// Package privacy gives out everything stored about one person, takes it away, and throws away what has become old.
package privacy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"bursar/app/db"
)

// Person is a customer with all the names that rows about them go by. As JSON it is the one parameter of the statements
// in tables.go.
type Person struct {
	ID      int64    `json:"id"`
	Emails  []string `json:"emails"`
	Names   []string `json:"names"` // of the person; companies and people share them
	Stripe  []string `json:"stripe"`
	Users   []string `json:"users"`
	Links   []string `json:"links"`   // all ids in other systems, those above as well
	Objects []string `json:"objects"` // invoices, charges, payments … at Stripe
	Remote  []string `json:"remote"`  // contacts, tickets … at other companies, like crm:hubspot contact 123
	Tickets []int64  `json:"tickets"`
	Events  []int64  `json:"events"` // seq
	Keys    []string `json:"keys"`   // of jobs
	Words   []string `json:"words"`  // of the above, what is theirs alone and long enough to be looked for in texts
	Probes  []string `json:"probes"` // parts of the words that are in every text with one of them
}

// ErrNobody and ErrSeveral are wrapped by Find.
var (
	ErrNobody  = errors.New("there is nobody like that")
	ErrSeveral = errors.New("these are several")
)

// Find gives the id of the customer that who stands for: our number (12, or #12 where 12 is also
// somebody's user id), an id in Stripe or another system, the product's
// user id, or an e-mail address. Where it fits several it is ErrSeveral, and all of them are named: a person is never
// guessed.
func Find(ctx context.Context, q *db.Queries, who string) (int64, error) {
	who = strings.TrimSpace(who)
	reasons := map[int64][]string{}
	number, only := strings.CutPrefix(who, "#")
	id, err := strconv.ParseInt(number, 10, 64)
	isNumber := err == nil
	if isNumber {
		if _, err := q.CustomerByID(ctx, id); err == nil {
			reasons[id] = append(reasons[id], "the number")
		} else if !errors.Is(err, db.ErrNoRows) {
			return 0, fmt.Errorf("look for customer %d: %w", id, err)
		}
	}
	links, err := q.CustomersWithLink(ctx, who)
	if err != nil {
		return 0, fmt.Errorf("look for %s: %w", who, err)
	}
	for _, l := range links {
		if only || isNumber && l.System != "user" { // the contacts and tickets of Bursar itself have numbers as well
			continue
		}
		reasons[l.CustomerID] = append(reasons[l.CustomerID], "its id in "+l.System)
	}
	if strings.Contains(who, "@") {
		ids, err := q.CustomersWithEmail(ctx, who)
		if err != nil {
			return 0, fmt.Errorf("look for an e-mail address: %w", err)
		}
		for _, id := range ids {
			reasons[id] = append(reasons[id], "the e-mail address")
		}
	}
	switch len(reasons) {
	case 0:
		return 0, ErrNobody
	case 1:
		for id := range reasons {
			return id, nil
		}
	}
	var list []string
	for id, why := range reasons {
		list = append(list, fmt.Sprintf("customer %d (%s)", id, strings.Join(slices.Compact(why), ", ")))
	}
	slices.Sort(list)
	return 0, fmt.Errorf("%w: %s; say which by its number, like #12", ErrSeveral, strings.Join(list, ", "))
}

// Load gathers the names of a customer; db.ErrNoRows if there is none with this id.
func Load(ctx context.Context, q *db.Queries, id int64) (p Person, err error) {
	record, err := q.CustomerByID(ctx, id)
	if err != nil {
		return p, fmt.Errorf("load customer %d: %w", id, err)
	}
	p = Person{ID: id}
	p.addName(record.Name, record.Email)
	for _, step := range []func(context.Context, *db.Queries) error{p.addLinks, p.addNames, p.addObjects, p.addTickets, p.addEvents, p.addKeys, p.addWords} {
		if err := step(ctx, q); err != nil {
			return p, fmt.Errorf("load customer %d: %w", id, err)
		}
	}
	return p, nil
}

func (p *Person) addName(name, email string) {
	p.Names = appendNew(p.Names, name)
	p.Emails = appendNew(p.Emails, email)
}

func appendNew[T comparable](list []T, value T) []T {
	var zero T
	if value == zero || slices.Contains(list, value) {
		return list
	}
	return append(list, value)
}

func (p *Person) addLinks(ctx context.Context, q *db.Queries) error {
	links, err := q.LinksOfCustomer(ctx, p.ID)
	for _, l := range links {
		p.Links = append(p.Links, l.RemoteID)
		switch l.System {
		case "stripe":
			p.Stripe = append(p.Stripe, l.RemoteID)
		case "user":
			p.Users = append(p.Users, l.RemoteID)
		}
	}
	return err
}

func (p *Person) addNames(ctx context.Context, q *db.Queries) error {
	rows, err := q.StripeCustomersOf(ctx, p.ID)
	for _, r := range rows {
		p.addName(r.Name, r.Email)
		p.Stripe = appendNew(p.Stripe, r.ID)
	}
	if err != nil {
		return err
	}
	contact, err := q.ContactOf(ctx, p.ID)
	if errors.Is(err, db.ErrNoRows) {
		return nil
	}
	p.addName(contact.Name, contact.Email)
	return err
}

// strings reads one column of texts, of the rows about the person.
func (p *Person) strings(ctx context.Context, q *db.Queries, query string) (list []string, err error) {
	rows, err := q.Rows(ctx, query, p.json())
	for _, r := range rows {
		for _, value := range r {
			if s, ok := value.(string); ok {
				list = appendNew(list, s)
			}
		}
	}
	return list, err
}

func (p *Person) numbers(ctx context.Context, q *db.Queries, query string) (list []int64, err error) {
	rows, err := q.Rows(ctx, query, p.json())
	for _, r := range rows {
		for _, value := range r {
			if n, ok := value.(int64); ok {
				list = appendNew(list, n)
			}
		}
	}
	return list, err
}

func (p *Person) addObjects(ctx context.Context, q *db.Queries) (err error) {
	if p.Objects, err = p.strings(ctx, q, objectsOf); err != nil {
		return err
	}
	p.Remote, err = p.strings(ctx, q, remoteOf)
	return err
}

func (p *Person) addTickets(ctx context.Context, q *db.Queries) (err error) {
	p.Tickets, err = p.numbers(ctx, q, ticketsOf)
	return err
}

func (p *Person) addEvents(ctx context.Context, q *db.Queries) (err error) {
	p.Events, err = p.numbers(ctx, q, eventsOf)
	return err
}

// addKeys are what jobs about the person are about.
func (p *Person) addKeys(ctx context.Context, q *db.Queries) error {
	keys, err := p.strings(ctx, q, keysOf)
	p.Keys = append(append(keys, p.Stripe...), strconv.FormatInt(p.ID, 10))
	return err
}

// shortestWord is how long a word must be to be looked for: a shorter one is a part of others.
const shortestWord = 4

// addWords leaves out what another customer has as well: a text with it may be about them.
func (p *Person) addWords(ctx context.Context, q *db.Queries) error {
	for _, email := range p.Emails {
		others, err := q.CustomersWithEmail(ctx, email)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(others, func(id int64) bool { return id != p.ID }) {
			p.Words = append(p.Words, email)
		}
	}
	for _, name := range p.Names {
		others, err := q.OthersNamed(ctx, p.ID, name)
		if err != nil {
			return err
		}
		if others == 0 {
			p.Words = append(p.Words, name)
		}
	}
	p.Words = append(p.Words, p.Stripe...)
	for _, user := range p.Users {
		if len(user) >= 2*shortestWord { // a bare number is in many texts
			p.Words = append(p.Words, user)
		}
	}
	p.Words = slices.DeleteFunc(p.Words, func(w string) bool { return len(w) < shortestWord })
	p.Probes = probes(p.Words)
	return nil
}

// texts are the words that people read, without ids.
func (p *Person) texts() []string {
	return slices.DeleteFunc(slices.Clone(p.Words), func(w string) bool { return slices.Contains(p.Stripe, w) || slices.Contains(p.Users, w) })
}

func (p *Person) json() string {
	b, _ := json.Marshal(p) // strings and numbers only
	return string(b)
}
