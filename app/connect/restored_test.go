package connect

import (
	"testing"
	"time"

	"bursar/app/db"
)

// TestARestoredFileAdoptsWhatItForgot has contacts that were created after the copy was made: for somebody who is in it,
// and for somebody who is not, and who has another number afterwards.
func TestARestoredFileAdoptsWhatItForgot(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name     string
		restored bool
		contacts int
	}{
		{"restored", true, 2},
		{"not restored: whoever gave that number, it was for somebody else", false, 3},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			l := newLive(t, AreaCRM)
			l.must(l.save(ada()))
			l.must(l.save(bob()))
			was := l.contacts()
			l.must(l.d.Tx(t.Context(), func(q *db.Queries) error {
				for _, statement := range []string{"DELETE FROM external_refs", "DELETE FROM external_writes", "DELETE FROM contacts", "UPDATE customers SET id = 10002 WHERE id = 2"} {
					if _, err := q.Change(t.Context(), statement); err != nil {
						return err
					}
				}
				if !row.restored {
					return nil
				}
				return db.KeepRestored(t.Context(), q, db.Restored{At: time.Now(), CopyAt: time.Now().Add(-time.Hour)})
			}))
			again := bob()
			again.CustomerID, again.Plan = 10002, "Team"
			l.must(l.save(ada()))
			l.must(l.save(again))
			got := l.contacts()
			if len(got) != row.contacts || got[l.crm.key(1)] != was[l.crm.key(1)] {
				t.Errorf("the contacts are %v, and were %v", got, was)
			}
			if adopted := got[l.crm.key(10002)] == was[l.crm.key(2)]; adopted != row.restored {
				t.Errorf("bob's contact is %v, and was %v", got, was)
			}
		})
	}
}
