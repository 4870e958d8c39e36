package privacy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"bursar/app/customer"
	"bursar/app/db"
)

// Errors that Erase wraps.
var (
	ErrLive = errors.New("a subscription is live")                    // somebody still pays, or will
	ErrOpen = errors.New("something with their money is not settled") // an action that waits, runs, or is not known to have worked
)

// Erased says what Erase did.
type Erased struct {
	Customer int64
	Rows     map[string]int64 // by table: removed, emptied or cleaned
	InFile   bool             // a text is still in the bytes of the file, as another row has it too
	Todo     []string         // what Bursar cannot erase, and how
}

// Erase takes a person out of every table and out of the bytes of the file, and remembers hashes of their ids and e-mails, so
// that no webhook, replay, comparison or call of the product brings them back. The customer's row keeps its number and
// nothing else; the audit keeps what was done to that number. While a subscription is live it is ErrLive, unless force is true;
// while an action with money is open it is ErrOpen.
// note is called in the same transaction, for the audit. db.ErrNoRows if there is no such customer.
//
// Everything is in one transaction: after an error nothing was erased. An error of cleaning the file comes with
// an Erased that says what was done.
func Erase(ctx context.Context, d *db.DB, id int64, force bool, note func(*db.Queries) error) (*Erased, error) {
	e := &Erased{Customer: id, Rows: map[string]int64{}}
	var p Person
	err := d.Tx(ctx, func(q *db.Queries) (err error) {
		live, err := q.CountLiveSubscriptions(ctx, id)
		if err != nil {
			return err
		}
		if live > 0 && !force {
			return fmt.Errorf("%w: cancel it in Stripe first, or it is charged for somebody nobody knows", ErrLive)
		}
		open, err := q.CountOpenActions(ctx, id)
		if err != nil {
			return err
		}
		if open > 0 {
			return fmt.Errorf("%w: approve, decline or settle it first", ErrOpen)
		}
		if p, err = Load(ctx, q, id); err != nil {
			return err
		}
		if err := e.remember(ctx, q, p); err != nil {
			return err
		}
		if err := e.remove(ctx, q, p); err != nil {
			return err
		}
		return note(q)
	})
	if err != nil {
		return nil, fmt.Errorf("erase customer %d: %w", id, err)
	}
	e.Todo = elsewhere(p, d.Path())
	e.InFile, err = d.Forget(ctx, p.texts()...)
	if err != nil {
		return e, fmt.Errorf("customer %d is erased, but the file may still hold old pages: %w", id, err)
	}
	return e, nil
}

// remember keeps hashes of all the person is known by.
func (e *Erased) remember(ctx context.Context, q *db.Queries, p Person) error {
	return errors.Join(
		customer.MarkErased(ctx, q, customer.StripeName, p.Stripe...),
		customer.MarkErased(ctx, q, customer.UserName, p.Users...),
		customer.MarkErased(ctx, q, customer.ObjectName, p.Objects...),
		customer.MarkErased(ctx, q, customer.EmailName, p.Emails...))
}

// remove goes through all the tables.
func (e *Erased) remove(ctx context.Context, q *db.Queries, p Person) error {
	count := func(table string, n int64) {
		if n > 0 {
			e.Rows[table] += n
		}
	}
	for _, t := range tables {
		statement := ""
		switch {
		case t.erase == remove:
			statement = "DELETE FROM " + t.name + " WHERE " + t.about
		case strings.HasPrefix(t.erase, "SET"):
			statement = "UPDATE " + t.name + " " + t.erase + " WHERE " + t.about
		default:
			continue
		}
		n, err := q.Change(ctx, statement, p.json())
		if err != nil {
			return err
		}
		count(t.name, n)
	}
	n, err := q.EraseCustomer(ctx, db.Now(), p.ID)
	if err != nil {
		return fmt.Errorf("empty the record: %w", err)
	}
	count("customers", n)
	w := newWords(p.Words)
	for _, t := range tables {
		n, err := clean(ctx, q, t, p, w)
		if err != nil {
			return fmt.Errorf("take words out of %s: %w", t.name, err)
		}
		count(t.name, n)
	}
	return nil
}

// clean takes the words of a person out of rows of a table that are about others. Where one is left all the same, the
// whole text goes.
func clean(ctx context.Context, q *db.Queries, t table, p Person, w words) (changed int64, err error) {
	key := cmp.Or(t.key, "id")
	for _, column := range t.texts {
		rows, err := q.Rows(ctx, "SELECT "+key+" AS id, "+column+" AS text FROM "+t.name+
			" WHERE EXISTS (SELECT 1 FROM json_each(?1, '$.probes') w WHERE instr(lower("+column+"), lower(w.value)) > 0)", p.json())
		if err != nil {
			return changed, err
		}
		for _, row := range rows {
			text, _ := row["text"].(string)
			cleaned := w.remove(text)
			if cleaned == text {
				continue // a part of another word
			}
			n, err := q.Change(ctx, "UPDATE "+t.name+" SET "+column+" = ? WHERE "+key+" = ?", cleaned, row["id"])
			if err != nil {
				return changed, err
			}
			changed += n
		}
	}
	return changed, nil
}

// elsewhere is what is left to do by hand.
func elsewhere(p Person, path string) []string {
	var todo []string
	if len(p.Stripe) > 0 {
		todo = append(todo, "Stripe: redact the customer with all that belongs to it ("+strings.Join(p.Stripe, ", ")+"), or delete it in the Dashboard, "+
			"which keeps its payments. Fraud checks may keep a payment for 90 days: https://docs.stripe.com/privacy/deletion-requests")
	}
	if len(p.Remote) > 0 {
		todo = append(todo, "CRM and support desk: delete these there, with what hangs on them ("+strings.Join(p.Remote, ", ")+")")
	}
	return append(todo,
		"Your own product: delete the user, or stop sending it to Bursar, which answers 410 from now on",
		"Mails that were sent already, and tickets that people were mailed, are in their mailboxes",
		"Backups of "+path+" made before now still hold the person until you delete them; after restoring one, erase again",
		"Logs hold ids of Stripe at most; they go when your system throws them away")
}
