package connect

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"bursar/app/crm"
	"bursar/app/db/dbtest"
)

// childFile names the file of the child process; the process that runs the tests has none.
const childFile, childVendor = "BURSAR_TEST_CHILD", "BURSAR_TEST_VENDOR"

// TestKilled kills a process (SIGKILL) again and again while it writes tasks, which HubSpot has no unique key for: the
// last one, which is left alone, ends with each of them once.
func TestKilled(t *testing.T) {
	t.Parallel()
	if os.Getenv(childFile) != "" {
		t.Skip("this is the child")
	}
	there := doubles["hubspot"].open(trialLag)
	tr := newTrial(t, hubspot(), AreaCRM, there)
	path := tr.d.Path()
	if err := tr.d.Close(); err != nil { // the file is the child's
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(3, 3))
	child := func(life time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), life) // exec kills it then
		defer cancel()
		cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestKilledChild$")
		cmd.Env = append(os.Environ(), childFile+"="+path, childVendor+"="+tr.web.URL)
		out, err := cmd.CombinedOutput()
		if err != nil && ctx.Err() == nil {
			t.Fatalf("the child: %v\n%s", err, out)
		}
		return err
	}
	for range 8 {
		child(150*time.Millisecond + time.Duration(rng.IntN(250))*time.Millisecond)
	}
	if err := child(2 * time.Minute); err != nil {
		t.Fatal(err)
	}
	once(t, there.Records("tasks"), "hs_task_body")
	once(t, there.Records("contacts"), "bursar_customer_id")
}

// TestKilledChild is the process that is killed.
func TestKilledChild(t *testing.T) {
	path := os.Getenv(childFile)
	if path == "" {
		t.Skip("only as the child of TestKilled")
	}
	d := dbtest.At(t, path)
	v := hubspot()
	v.Rate, v.Lag = rate.Inf, trialWait
	tr := &trial{t: t, v: v, area: AreaCRM, d: d}
	s := Settings{Vendor: v, Token: "token", Base: os.Getenv(childVendor), Options: map[string]string{}}
	k, err := s.Connect(t.Context(), d, AreaCRM, http.DefaultClient, nil)
	if err != nil {
		t.Fatal(err)
	}
	k.watch = nil
	c, err := NewCRM(t.Context(), k, "https://bursar.example.com")
	if err != nil {
		t.Fatal(err)
	}
	left := make([]int, customers)
	for n := range left {
		left[n] = n
	}
	for round := 0; len(left) > 0 && round < 300; round++ {
		left = tr.round(t.Context(), k, left, func(ctx context.Context, _ *Keeper, n int) error {
			id := int64(n + 1)
			_, err := c.SaveContact(ctx, crm.Contact{CustomerID: id, Name: "Ada", Email: fmt.Sprintf("ada%d@example.com", n), Lifecycle: crm.Customer})
			if err != nil {
				return err
			}
			return c.AddTask(ctx, crm.Task{CustomerID: id, Cause: fmt.Sprintf("payment_failed:in_%d", n), Title: "Call"})
		})
		select {
		case <-time.After(trialWait / 3):
		case <-t.Context().Done():
			t.Fatal(errors.New("no time left"))
		}
	}
	if len(left) > 0 {
		t.Fatalf("%d are not written", len(left))
	}
}
