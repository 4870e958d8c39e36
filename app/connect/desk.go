package connect

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"bursar/app/crm"
	"bursar/app/db"
	"bursar/app/queue"
	"bursar/app/support"
)

// Desk is the support desk of another company. Every ticket is one of the built-in desk too: what is written here,
// by a rule or a person, is pushed there by a job, and what people do there comes back (Pull).
type Desk struct {
	*Keeper
	support.Builtin
	Contacts string // the system whose contacts this vendor's tickets may name, "" if its CRM is another's
	own      string
}

var _ support.Desk = (*Desk)(nil)

// NewDesk makes the desk that a keeper writes to. contacts is the system of the CRM.
func NewDesk(ctx context.Context, k *Keeper, contacts string) (*Desk, error) {
	own, err := ownKeys(ctx, k.DB)
	d := &Desk{Keeper: k, Builtin: support.Builtin{DB: k.DB}, own: own}
	if contacts == "crm:"+k.Vendor.Name {
		d.Contacts = contacts
	}
	return d, err
}

// PushTicket is the job that makes a ticket stand at the vendor as it does here, with all its messages.
type PushTicket struct{ Cause string }

func (PushTicket) Kind() string  { return "push_ticket" }
func (a PushTicket) Key() string { return a.Cause }

// Handle registers the job of the desk.
func (d *Desk) Handle(w *queue.Worker) {
	queue.Handle(w, queue.Options{System: "desk"}, func(ctx context.Context, a PushTicket) error { return d.Push(ctx, a.Cause) })
}

// Open implements support.Desk. The reference is that of the ticket here: the vendor's comes later.
func (d *Desk) Open(ctx context.Context, t support.Ticket) (string, error) {
	var id int64
	err := d.Keeper.DB.Tx(ctx, func(q *db.Queries) (err error) {
		if id, _, err = support.Open(ctx, q, t); err != nil {
			return err
		}
		return queue.Insert(ctx, q, PushTicket{t.Cause})
	})
	return support.Reference(id), err
}

// Close implements support.Desk.
func (d *Desk) Close(ctx context.Context, cause, note string) error {
	if err := d.Builtin.Close(ctx, cause, note); err != nil {
		return err
	}
	return d.Keeper.DB.Tx(ctx, func(q *db.Queries) error { return queue.Insert(ctx, q, PushTicket{cause}) })
}

// Note implements support.Desk.
func (d *Desk) Note(ctx context.Context, cause string, e support.Event) error {
	if err := d.Builtin.Note(ctx, cause, e); err != nil {
		return err
	}
	return d.Keeper.DB.Tx(ctx, func(q *db.Queries) error { return queue.Insert(ctx, q, PushTicket{cause}) })
}

// Push makes the ticket of a cause stand at the vendor: the ticket with its first message, then each other message
// once, then its status.
func (d *Desk) Push(ctx context.Context, cause string) error {
	mode, err := d.mode(ctx)
	if err != nil || mode == Off {
		return err
	}
	defer d.locks.lock("whole " + cause)()
	q := d.Keeper.DB.Read()
	t, err := q.TicketByCause(ctx, cause)
	if errors.Is(err, db.ErrNoRows) {
		return nil // a close of what never was
	}
	if err != nil {
		return fmt.Errorf("read the ticket of %s: %w", cause, err)
	}
	if skip, err := d.leaveOut(ctx, t, mode); err != nil || skip {
		return err
	}
	messages, err := q.MessagesOf(ctx, t.ID)
	if err != nil {
		return fmt.Errorf("read the messages of %s: %w", cause, err)
	}
	r, err := d.record(ctx, t, messages)
	if err != nil {
		return err
	}
	found, err := d.Save(ctx, r)
	if err != nil || mode != Live {
		return err
	}
	if err := d.pushMessages(ctx, r, found.ID, messages); err != nil {
		return err
	}
	return d.agree(ctx, t, found, r)
}

// leaveOut says that a ticket is not to be written: the owner wanted only what came later, or it was closed before
// anything was to be written.
func (d *Desk) leaveOut(ctx context.Context, t db.Ticket, mode string) (bool, error) {
	ref, err := d.Keeper.DB.Read().ExternalRef(ctx, d.System, string(Ticket), t.Cause)
	if errors.Is(err, db.ErrNoRows) || err == nil && mode != Live {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read what is known of %s: %w", t.Cause, err)
	}
	if ref.State == observed && t.Status == Closed {
		ref.State = skipped
		return true, d.saveRef(ctx, ref)
	}
	return ref.State == skipped, nil
}

// record is a ticket as it is created. What it says is not written again later: people work on it there.
func (d *Desk) record(ctx context.Context, t db.Ticket, messages []db.Message) (Record, error) {
	r := Record{Kind: Ticket, Key: t.Cause, Fields: crm.Fields{Subject: t.Subject, Queue: t.Queue, Priority: t.Priority,
		Tags: "bursar," + t.Queue, State: Open}}
	if len(messages) > 0 {
		r.Fields[Body], r.Fields[Author] = messages[0].Body, messages[0].Author
	}
	if !t.CustomerID.Valid {
		return r, nil
	}
	c, err := d.Keeper.DB.Read().CustomerByID(ctx, t.CustomerID.Int64)
	if err != nil {
		return r, fmt.Errorf("read the customer of %s: %w", t.Cause, err)
	}
	r.Person = Person{CustomerID: c.ID, Key: d.own + strconv.FormatInt(c.ID, 10), Name: c.Name, Email: c.Email}
	if d.Contacts != "" {
		ref, err := d.Keeper.DB.Read().ExternalRef(ctx, d.Contacts, string(Contact), r.Person.Key)
		if err != nil && !errors.Is(err, db.ErrNoRows) {
			return r, fmt.Errorf("read the contact of customer %d: %w", c.ID, err)
		}
		if r.Person.ContactID = ref.RemoteID; ref.RemoteID != "" {
			r.Fields[About] = ref.RemoteID
		}
		if d.Vendor.NeedsContact && ref.RemoteID == "" && ref.State != skipped {
			return r, d.awaitContact(ctx, c.ID)
		}
	}
	return r, nil
}

// Linked queues that the open tickets of a customer are pushed again, now that there is a contact they can name. It
// is called in the transaction in which the contact is linked.
func (d *Desk) Linked(ctx context.Context, q *db.Queries, contact db.ExternalRef) error {
	tickets, err := q.TicketsOf(ctx, db.ID(contact.CustomerID))
	for _, t := range tickets {
		if err == nil && t.Status == Open {
			err = queue.Insert(ctx, q, PushTicket{t.Cause})
		}
	}
	return err
}

// awaitContact says that a ticket waits for the contact it is to hang on, unless nobody is about to make one.
func (d *Desk) awaitContact(ctx context.Context, customerID int64) error {
	var modes [2]string
	for n, system := range []string{d.Contacts, d.System} {
		c, err := d.Keeper.DB.Read().Connector(ctx, system)
		if err != nil {
			return fmt.Errorf("read the mode of %s: %w", system, err)
		}
		modes[n] = c.Mode
	}
	if modes[0] != Live || modes[1] != Live {
		return nil
	}
	return fmt.Errorf("the contact of customer %d is not in %s yet", customerID, d.Vendor.Label)
}

// pushMessages writes every message but the first, which is the ticket's text. One that came from there has no
// need to go back.
func (d *Desk) pushMessages(ctx context.Context, ticket Record, id string, messages []db.Message) error {
	for n, m := range messages {
		if n == 0 || m.Author == d.Vendor.Name {
			continue
		}
		key := ticket.Key + "/" + m.Key
		ref, err := d.Keeper.DB.Read().ExternalRef(ctx, d.System, string(Message), key)
		if err == nil && ref.State == linked || err == nil && ref.State == skipped {
			continue // said is said: nobody reads it again to see whether it was deleted
		}
		if err != nil && !errors.Is(err, db.ErrNoRows) {
			return fmt.Errorf("read what is known of a message of %s: %w", ticket.Key, err)
		}
		_, err = d.Save(ctx, Record{Kind: Message, Key: key, Person: ticket.Person, Parent: id, Fields: crm.Fields{Body: m.Body, Author: m.Author}})
		if err != nil {
			return err
		}
	}
	return nil
}

// agree brings the status in step: what changed since both sides said the same wins, here or there.
func (d *Desk) agree(ctx context.Context, t db.Ticket, found Found, r Record) error {
	row, err := d.Keeper.DB.Read().DeskTicket(ctx, t.ID)
	if err != nil && !errors.Is(err, db.ErrNoRows) {
		return fmt.Errorf("read how %s stood: %w", t.Cause, err)
	}
	if row.RemoteID != found.ID {
		row = db.DeskTicket{TicketID: t.ID, System: d.System, RemoteID: found.ID, Agreed: Open}
	}
	there := found.Fields[State]
	if t.Status != row.Agreed && there == row.Agreed {
		r.Fields = crm.Fields{State: t.Status}
		if err := d.Remote.Update(ctx, found.ID, r); err != nil {
			return outcome(fmt.Errorf("make ticket %s %s: %w", found.ID, t.Status, err))
		}
		there, found.Status = t.Status, ""
		if again, err := d.Remote.Read(ctx, Ticket, found.ID); err == nil && again != nil {
			found = *again
		}
	}
	return d.take(ctx, row, found, there)
}

// take keeps how a ticket stands there, and follows a change of its status here.
func (d *Desk) take(ctx context.Context, row db.DeskTicket, found Found, there string) error {
	err := d.Keeper.DB.Tx(ctx, func(q *db.Queries) error {
		t, err := q.TicketByID(ctx, row.TicketID)
		if err != nil {
			return err
		}
		if there != row.Agreed && t.Status == row.Agreed {
			if there == Closed {
				_, err = support.Close(ctx, q, t.ID, d.Vendor.Name, "Solved in "+d.Vendor.Label+by(found)+".")
			} else {
				_, err = support.Reopen(ctx, q, t.ID, d.Vendor.Name)
			}
			if err != nil {
				return err
			}
		}
		return q.SaveDeskTicket(ctx, db.SaveDeskTicketParams{TicketID: row.TicketID, System: d.System, RemoteID: found.ID, URL: found.URL,
			Status: found.Status, Assignee: found.Assignee, Agreed: there, AsOfAt: db.Now()})
	})
	if err != nil {
		return fmt.Errorf("keep how ticket %s stands: %w", found.ID, err)
	}
	return nil
}

func by(found Found) string {
	if found.Assignee == "" {
		return ""
	}
	return " by " + found.Assignee
}
