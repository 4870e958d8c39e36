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

// Each way alone is found once, with its cause, and healed without anything being taken.
func TestEachDriftAlone(t *testing.T) {
	t.Parallel()
	c := company(t, 52, 7)
	s, err := c.Measure(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	judge(t, s) // a company in step
	for _, d := range lab.Drifts() {
		s, err := c.Measure(t.Context(), []lab.Drift{d})
		if err != nil {
			t.Fatalf("%s: %v", d.Name, err)
		}
		t.Run(d.Kind+": "+d.Name, func(t *testing.T) { judge(t, s) })
	}
}

// Ten at once, drawn by chance, are told apart.
func TestDriftsMixed(t *testing.T) {
	t.Parallel()
	all := lab.Drifts()
	for _, seed := range []uint64{1, 2} {
		c := company(t, 30, seed)
		rng := rand.New(rand.NewPCG(seed, seed))
		var some []lab.Drift
		for _, at := range rng.Perm(len(all))[:10] {
			some = append(some, all[at])
		}
		s, err := c.Measure(t.Context(), some)
		if err != nil {
			t.Fatal(err)
		}
		judge(t, s)
	}
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
