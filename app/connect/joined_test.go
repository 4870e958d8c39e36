package connect

import (
	"strings"
	"testing"

	"bursar/app/crm"
	"bursar/app/db"
)

// join joins customer 2 into customer 1, as far as this package knows of it.
func (l *live) join() {
	l.t.Helper()
	l.must(l.d.Tx(l.t.Context(), func(q *db.Queries) error {
		for _, statement := range []string{"DELETE FROM contacts WHERE customer_id = 2", "UPDATE external_refs SET customer_id = 1 WHERE customer_id = 2",
			"DELETE FROM customers WHERE id = 2"} {
			if _, err := q.Change(l.t.Context(), statement); err != nil {
				return err
			}
		}
		return nil
	}))
}

func bob() crm.Contact {
	return crm.Contact{CustomerID: 2, Name: "Bob", Email: "bob@example.com", Lifecycle: crm.Lead}
}

func (l *live) contacts() map[string]string {
	keys := map[string]string{}
	for _, r := range l.there.Records("contacts") {
		keys[r["bursar_customer_id"]] = r["id"]
	}
	return keys
}

func (l *live) listed() (list []int64) {
	l.t.Helper()
	for c, err := range l.crm.Contacts(l.t.Context()) {
		l.must(err)
		list = append(list, c.CustomerID)
	}
	return list
}

func TestTheOneWhoStaysInheritsTheContact(t *testing.T) {
	t.Parallel()
	l := newLive(t, AreaCRM)
	l.must(l.save(bob()))
	was := l.contacts()[l.crm.key(2)]
	l.join()
	if got := l.listed(); len(got) != 1 || got[0] != 1 {
		t.Errorf("before it is written again, the contact is of customers %d", got)
	}
	l.must(l.save(ada()))
	if got := l.contacts(); len(got) != 1 || got[l.crm.key(1)] != was || l.ref(nil).RemoteID != was {
		t.Errorf("the contacts are %v, want %s alone", got, was)
	}
	if got := l.listed(); len(got) != 1 || got[0] != 1 {
		t.Errorf("the contact is of customers %d", got)
	}
}

func TestTwoContactsOfOneCustomer(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		stays int64 // whose contact is left when a person merged them there
	}{{"the contact of the one who stays is left", 1}, {"the contact of the one who is gone is left", 2}} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			l := newLive(t, AreaCRM)
			l.must(l.save(ada()))
			l.must(l.save(bob()))
			keys := l.contacts()
			l.join()
			l.must(l.save(ada()))
			other, err := l.d.Read().ExternalRef(t.Context(), l.system, string(Contact), l.crm.key(2))
			l.must(err)
			if len(l.contacts()) != 2 || other.State != asking || !strings.Contains(other.Problem, "merge contact "+keys[l.crm.key(2)]) {
				t.Errorf("nobody is asked to merge the two: %+v", other)
			}
			if got := l.listed(); len(got) != 2 || got[0] != 1 || got[1] != 1 {
				t.Errorf("the contacts are of customers %d, want both of customer 1", got)
			}
			into, from := keys[l.crm.key(row.stays)], keys[l.crm.key(3-row.stays)]
			l.there.Merge("contacts", into, from)
			l.must(l.save(ada()))
			if got := l.contacts(); len(got) != 1 || got[l.crm.key(1)] != into || l.ref(nil).RemoteID != into {
				t.Errorf("after the merge the contacts are %v, want %s", got, into)
			}
			if _, err := l.d.Read().ExternalRef(t.Context(), l.system, string(Contact), l.crm.key(2)); err == nil {
				t.Error("somebody is still asked about the other")
			}
		})
	}
}

func TestErasedHereAndNotThere(t *testing.T) {
	t.Parallel()
	l := newLive(t, AreaCRM)
	l.must(l.save(ada()))
	l.must(l.d.Tx(t.Context(), func(q *db.Queries) error {
		for _, table := range []string{"contacts", "external_refs", "external_writes"} {
			if _, err := q.Change(t.Context(), "DELETE FROM "+table+" WHERE customer_id = 1"); err != nil {
				return err
			}
		}
		_, err := q.EraseCustomer(t.Context(), db.Now(), 1)
		return err
	}))
	for c, err := range l.crm.Contacts(t.Context()) {
		if l.must(err); c != (crm.Contact{CustomerID: 1, Lifecycle: "somebody who was erased here"}) {
			t.Errorf("it tells who was erased: %+v", c)
		}
	}
	l.must(l.save(ada())) // a job that was under way
	if _, err := l.d.Read().ContactOf(t.Context(), 1); err == nil {
		t.Error("the contact is kept again")
	}
	if writes, err := l.d.Read().ExternalWritesPage(t.Context(), db.ExternalWritesPageParams{System: l.system, Before: 1 << 40, N: 9}); err != nil || len(writes) != 0 {
		t.Errorf("what was written is kept again: %+v, %v", writes, err)
	}
}
