package connect

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"bursar/app/crm"
	"bursar/app/db"
)

// CRM is the CRM of another company. What stands there is kept in the built-in one as well, as it was read or
// written last: pages show that, and in the modes off and observe it is all there is.
type CRM struct {
	*Keeper
	crm.Builtin
	Pages string // address of the customers' pages here, with a slash at the end
	own   string // what the keys of this Bursar's contacts begin with
}

var _ crm.CRM = (*CRM)(nil)

// NewCRM makes the CRM that a keeper writes to. url is the public address of Bursar.
func NewCRM(ctx context.Context, k *Keeper, url string) (*CRM, error) {
	own, err := ownKeys(ctx, k.DB)
	return &CRM{Keeper: k, Builtin: crm.Builtin{DB: k.DB}, Pages: url + "/admin/customers/", own: own}, err
}

// ownKeys tell the contacts of this Bursar from those that another one, with other customers under the same
// numbers, wrote into the same CRM.
func ownKeys(ctx context.Context, d *db.DB) (string, error) {
	at, err := d.Read().Meta(ctx, "installed_at")
	if errors.Is(err, db.ErrNoRows) {
		return "b-", nil
	}
	ms, parseErr := strconv.ParseInt(at, 10, 64)
	if err := errors.Join(err, parseErr); err != nil {
		return "", fmt.Errorf("read when this Bursar was set up: %w", err)
	}
	return "b" + strconv.FormatInt(ms, 36) + "-", nil
}

// isLost says that a key is of a customer whom a file knew before a backup took its place. Nobody has that number
// now (db.SkipNumbers), and whoever it was has another one by now.
func isLost(ctx context.Context, d *db.DB, key string) (bool, error) {
	restored, err := db.ReadRestored(ctx, d.Read())
	if err != nil || restored.At.IsZero() {
		return false, err
	}
	own, err := ownKeys(ctx, d)
	if err != nil {
		return false, err
	}
	text, ours := strings.CutPrefix(key, own)
	id, err := strconv.ParseInt(text, 10, 64)
	if !ours || err != nil {
		return false, nil
	}
	_, err = d.Read().CustomerByID(ctx, id)
	if errors.Is(err, db.ErrNoRows) {
		return true, nil
	}
	return false, err
}

// key of a customer's contact.
func (c *CRM) key(customerID int64) string { return c.own + strconv.FormatInt(customerID, 10) }

// customerOf is the customer of a key, or the one it was joined with; 0 if the contact is not this Bursar's.
func (c *CRM) customerOf(ctx context.Context, key string) (int64, error) {
	text, ours := strings.CutPrefix(key, c.own)
	id, err := strconv.ParseInt(text, 10, 64)
	if !ours || err != nil {
		return 0, nil
	}
	ref, err := c.Keeper.DB.Read().ExternalRef(ctx, c.System, string(Contact), key)
	if errors.Is(err, db.ErrNoRows) {
		return id, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read whose contact %s is: %w", key, err)
	}
	return ref.CustomerID, nil
}

// SaveContact implements crm.CRM.
func (c *CRM) SaveContact(ctx context.Context, contact crm.Contact) (string, error) {
	mode, err := c.mode(ctx)
	if err != nil {
		return "", err
	}
	if mode == Off {
		return c.Builtin.SaveContact(ctx, contact)
	}
	stands, same, err := c.standing(ctx, contact)
	if err != nil {
		return "", err
	}
	key := c.key(contact.CustomerID)
	if same && mode == Live {
		if skip, err := c.isSkipped(ctx, Contact, key); err != nil || skip {
			return stands, err
		}
	}
	fields := contact.Fields()
	fields[crm.FieldURL] = c.Pages + strconv.FormatInt(contact.CustomerID, 10)
	found, err := c.Save(ctx, Record{Kind: Contact, Key: key, Fields: fields,
		Person: Person{CustomerID: contact.CustomerID, Key: key, Name: contact.Name, Email: contact.Email}})
	if err != nil {
		return "", err
	}
	if is, err := erased(ctx, c.Keeper.DB.Read(), contact.CustomerID); err != nil || is {
		return found.ID, err // while the call was under way
	}
	if _, err := c.Builtin.SaveContact(ctx, crm.ContactOf(contact.CustomerID, found.Fields)); err != nil {
		return "", fmt.Errorf("keep the contact of customer %d as it stands: %w", contact.CustomerID, err)
	}
	return found.ID, nil
}

// standing is the number of the contact here, and whether it says the same.
func (c *CRM) standing(ctx context.Context, contact crm.Contact) (id string, same bool, err error) {
	row, err := c.Keeper.DB.Read().ContactOf(ctx, contact.CustomerID)
	if errors.Is(err, db.ErrNoRows) {
		return "", false, nil
	}
	return strconv.FormatInt(row.ID, 10), err == nil && crm.Stored(row) == contact, err
}

// isSkipped says that a record was observed, and that only changes after that are to be written.
func (k *Keeper) isSkipped(ctx context.Context, kind Kind, key string) (bool, error) {
	ref, err := k.DB.Read().ExternalRef(ctx, k.System, string(kind), key)
	if errors.Is(err, db.ErrNoRows) {
		return false, nil
	}
	return ref.State == skipped, err
}

// AddTask implements crm.CRM.
func (c *CRM) AddTask(ctx context.Context, t crm.Task) error {
	if err := c.Builtin.AddTask(ctx, t); err != nil {
		return err
	}
	return c.saveTask(ctx, t.Cause)
}

// FinishTask implements crm.CRM.
func (c *CRM) FinishTask(ctx context.Context, cause string) error {
	if err := c.Builtin.FinishTask(ctx, cause); err != nil {
		return err
	}
	return c.saveTask(ctx, cause)
}

// saveTask writes a task as it stands here; none, or one that was done before it was ever written, is nothing.
func (c *CRM) saveTask(ctx context.Context, cause string) error {
	task, err := c.Keeper.DB.Read().TaskByCause(ctx, cause)
	if errors.Is(err, db.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the task of %s: %w", cause, err)
	}
	if c.Vendor.NoTasks {
		return c.noteTask(ctx, task)
	}
	state := Open
	if !task.DoneAt.IsZero() {
		state = Closed
	}
	return c.attach(ctx, Record{Kind: Task, Key: cause, Fields: crm.Fields{Subject: task.Title, Body: "", State: state}}, task.CustomerID)
}

// The keys of the notes that stand for a task begin with these.
const (
	toDoNote = "task:"
	doneNote = "done:"
)

// noteTask writes a task where there are only notes: one that says what is to be done, and one when it is.
func (c *CRM) noteTask(ctx context.Context, task db.Task) error {
	done := !task.DoneAt.IsZero()
	if done {
		_, err := c.Keeper.DB.Read().ExternalRef(ctx, c.System, string(Note), toDoNote+task.Cause)
		if errors.Is(err, db.ErrNoRows) {
			return nil // it was done before anybody was asked to
		}
		if err != nil {
			return fmt.Errorf("read the note of task %s: %w", task.Cause, err)
		}
	}
	err := c.attach(ctx, Record{Kind: Note, Key: toDoNote + task.Cause, Fields: crm.Fields{Body: "To do: " + task.Title}}, task.CustomerID)
	if err != nil || !done {
		return err
	}
	return c.attach(ctx, Record{Kind: Note, Key: doneNote + task.Cause, Fields: crm.Fields{Body: "Done: " + task.Title}}, task.CustomerID)
}

// AddNote implements crm.CRM.
func (c *CRM) AddNote(ctx context.Context, n crm.Note) error {
	if err := c.Builtin.AddNote(ctx, n); err != nil {
		return err
	}
	note, err := c.Keeper.DB.Read().NoteByCause(ctx, n.Cause)
	if err != nil {
		return fmt.Errorf("read the note of %s: %w", n.Cause, err)
	}
	return c.attach(ctx, Record{Kind: Note, Key: note.Cause, Fields: crm.Fields{Body: note.Text}}, note.CustomerID)
}

// attach writes what hangs on the contact of a customer. The contact has a job of its own: until that is done,
// this one waits.
func (c *CRM) attach(ctx context.Context, r Record, customerID int64) error {
	mode, err := c.mode(ctx)
	if err != nil || mode == Off {
		return err
	}
	if skip, err := c.isSkipped(ctx, r.Kind, r.Key); err != nil || skip && mode == Live {
		return err
	}
	r.Person = Person{CustomerID: customerID, Key: c.key(customerID)}
	ref, err := c.Keeper.DB.Read().ExternalRef(ctx, c.System, string(Contact), r.Person.Key)
	if err != nil && !errors.Is(err, db.ErrNoRows) {
		return fmt.Errorf("read the contact of customer %d: %w", customerID, err)
	}
	if ref.State == skipped && mode == Live {
		return nil // on whose contact nothing is written
	}
	if r.Parent = ref.RemoteID; r.Parent == "" && mode == Live {
		return fmt.Errorf("the contact of customer %d is not in %s yet", customerID, c.Vendor.Label)
	}
	r.Person.ContactID = r.Parent
	_, err = c.Save(ctx, r)
	return err
}
