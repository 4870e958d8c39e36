package reconcile

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"bursar/app/automation"
	"bursar/app/crm"
	"bursar/app/support"
)

// idSet holds ids as eight bytes each: a map of a million of them would take ten times the memory. Two ids
// that share their eight bytes would hide that one of them is missing: one night in a hundred million.
type idSet struct {
	seed   maphash.Seed
	hashes []uint64
	sorted bool
}

func newIDSet() *idSet { return &idSet{seed: maphash.MakeSeed()} }

func (s *idSet) add(id string) {
	s.hashes, s.sorted = append(s.hashes, maphash.String(s.seed, id)), false
}

func (s *idSet) has(id string) bool {
	if !s.sorted {
		slices.Sort(s.hashes)
		s.sorted = true
	}
	_, ok := slices.BinarySearch(s.hashes, maphash.String(s.seed, id))
	return ok
}

// contacts are those of the CRM. What they say lies in a file without a name, which is gone with the run; in
// memory is only where to find it.
type contacts struct {
	at    time.Time // when they were begun to be read
	file  *os.File
	size  int64
	index []contactAt // by customer
	next  int         // of the index, for who comes in the order of customers
}

type contactAt struct{ customer, offset int64 }

// readContacts reads the CRM whole, or ends with an error.
func (c *comparison) readContacts(ctx context.Context) (_ *contacts, err error) {
	file, err := os.CreateTemp(filepath.Dir(c.DB.Path()), ".bursar-contacts-*")
	if err != nil {
		return nil, fmt.Errorf("make a file for the contacts: %w", err)
	}
	s := &contacts{at: time.Now(), file: file}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	buffered := make([]byte, 0, 1<<16)
	flush := func() error {
		_, err := file.Write(buffered)
		buffered = buffered[:0]
		return err
	}
	for contact, err := range c.CRM.Contacts(ctx) {
		if err != nil {
			return nil, fmt.Errorf("the contacts could not be read whole: %w", err)
		}
		text, err := json.Marshal(contact)
		if err != nil {
			return nil, err
		}
		s.index = append(s.index, contactAt{contact.CustomerID, s.size})
		buffered = binary.AppendUvarint(buffered, uint64(len(text)))
		buffered = append(buffered, text...)
		s.size += int64(uvarintLen(len(text)) + len(text))
		if len(buffered) > 1<<16-1<<12 {
			if err := flush(); err != nil {
				return nil, err
			}
		}
		if err := c.progress(ctx); err != nil {
			return nil, err
		}
		c.row.Contacts++
	}
	slices.SortStableFunc(s.index, func(a, b contactAt) int { return cmp.Compare(a.customer, b.customer) })
	return s, flush()
}

func uvarintLen(n int) int { return len(binary.AppendUvarint(nil, uint64(n))) }

// close removes the file.
func (s *contacts) close() error {
	return errors.Join(s.file.Close(), os.Remove(s.file.Name()))
}

// of are the contacts of a customer: one, none, or more than there should be.
func (s *contacts) of(customer int64) (list []crm.Contact, err error) {
	at, _ := slices.BinarySearchFunc(s.index, customer, func(e contactAt, id int64) int { return cmp.Compare(e.customer, id) })
	for ; at < len(s.index) && s.index[at].customer == customer; at++ {
		contact, err := s.read(s.index[at].offset)
		if err != nil {
			return nil, err
		}
		list = append(list, contact)
	}
	return list, nil
}

func (s *contacts) read(offset int64) (contact crm.Contact, err error) {
	var buf [512]byte
	n, err := s.file.ReadAt(buf[:], offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return contact, fmt.Errorf("read a contact back: %w", err)
	}
	length, used := binary.Uvarint(buf[:n])
	if used <= 0 {
		return contact, errors.New("read a contact back: the file is damaged")
	}
	text := buf[used:n]
	if int(length) > len(text) {
		text = make([]byte, length)
		if _, err := s.file.ReadAt(text, offset+int64(used)); err != nil {
			return contact, fmt.Errorf("read a contact back: %w", err)
		}
	}
	if err := json.Unmarshal(text[:length], &contact); err != nil {
		return contact, fmt.Errorf("read a contact back: %w", err)
	}
	return contact, nil
}

// before are the contacts of customers that come before one, and after those that were asked for earlier: of
// nobody known here. With it the index is walked once.
func (s *contacts) before(customer int64) (of []int64) {
	for ; s.next < len(s.index) && s.index[s.next].customer < customer; s.next++ {
		of = append(of, s.index[s.next].customer)
	}
	for s.next < len(s.index) && s.index[s.next].customer == customer {
		s.next++
	}
	return of
}

// tickets are those of the desk: which causes have one, and those that are open.
type tickets struct {
	at     time.Time // when they were begun to be read
	causes *idSet
	open   map[string]support.Status // those of causes that the rules know
	opened map[int64]int             // open ones of each customer
}

// readTickets reads the desk whole, or ends with an error.
func (c *comparison) readTickets(ctx context.Context) (*tickets, error) {
	s := &tickets{at: time.Now(), causes: newIDSet(), open: map[string]support.Status{}, opened: map[int64]int{}}
	for t, err := range c.Desk.Tickets(ctx) {
		if err != nil {
			return nil, fmt.Errorf("the tickets could not be read whole: %w", err)
		}
		c.row.Tickets++
		s.causes.add(t.Cause)
		if t.Open {
			s.opened[t.CustomerID]++
			if automation.Owns(t.Cause) {
				s.open[t.Cause] = t
			}
		}
	}
	return s, nil
}

// of says how many tickets of a customer are open.
func (s *tickets) of(customer int64) string {
	switch n := s.opened[customer]; n {
	case 0:
		return "no open ticket"
	case 1:
		return "1 open ticket"
	default:
		return fmt.Sprintf("%d open tickets", n)
	}
}
