package lab_test

import (
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"bursar/app/lab"
	"bursar/app/reconcile"
)

func company(t *testing.T, customers int, seed uint64) *lab.Company {
	t.Helper()
	c, err := lab.New(t.Context(), t.TempDir(), os.DirFS("../.."), customers, seed)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func judge(t *testing.T, s lab.Score) {
	t.Helper()
	for what, list := range map[string][]string{"missed": s.Missed, "false": s.False, "wrong repairs": s.WrongRepairs, "access taken": s.AccessTaken, "left over": s.LeftOver, "wrong cause": s.CauseWrong} {
		if len(list) > 0 {
			t.Errorf("%s:\n  %s", what, strings.Join(list, "\n  "))
		}
	}
	if s.Found != s.Put || s.MoneyMoved != 0 {
		t.Errorf("found %d of %d; %d calls change something in Stripe", s.Found, s.Put, s.MoneyMoved)
	}
}

// Seven ways at a time, each is found once, with its cause, and healed without anything being taken. (The
// command drift-lab puts each alone besides.)
func TestEachDrift(t *testing.T) {
	t.Parallel()
	const together = 7
	c := company(t, 52, 7)
	s, err := c.Measure(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	judge(t, s) // a company in step
	all := lab.Drifts()
	groups := (len(all) + together - 1) / together
	for first := range groups {
		var some []lab.Drift // far apart in the list, so that what is alike is not put at once
		for at := first; at < len(all); at += groups {
			some = append(some, all[at])
		}
		s, err := c.Measure(t.Context(), some)
		if err != nil {
			t.Fatal(err)
		}
		judge(t, s)
	}
}

// Ten at once, drawn by chance, are told apart.
func TestDriftsMixed(t *testing.T) {
	t.Parallel()
	all := lab.Drifts()
	c := company(t, 12, 1)
	var some []lab.Drift
	for _, at := range rand.New(rand.NewPCG(1, 1)).Perm(len(all))[:10] {
		some = append(some, all[at])
	}
	s, err := c.Measure(t.Context(), some)
	if err != nil {
		t.Fatal(err)
	}
	judge(t, s)
}

// A job that failed is repaired in the same run however many repairs come before it: those wait for their turn.
func TestAFailedJobAmongManyRepairs(t *testing.T) {
	t.Parallel()
	c := company(t, 15, 2)
	var some []lab.Drift
	for _, d := range lab.Drifts() {
		switch d.Name {
		case "a contact is edited in the CRM":
			for range 14 {
				some = append(some, d)
			}
		case "the CRM refuses a new contact":
			some = append(some, d)
		}
	}
	s, err := c.Measure(t.Context(), some)
	if err != nil {
		t.Fatal(err)
	}
	judge(t, s)
}

// Every kind that the built-in systems can have is put at least once.
func TestEveryKindIsPut(t *testing.T) {
	t.Parallel()
	put := map[string]bool{"contact_doubled": true} // the built-in CRM cannot have it
	for _, d := range lab.Drifts() {
		put[d.Kind] = true
	}
	for _, k := range reconcile.Kinds() {
		if !put[k.Name] {
			t.Errorf("nothing leads to %s", k.Name)
		}
	}
}
