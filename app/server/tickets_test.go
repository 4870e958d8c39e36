package server

import (
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"bursar/app/db"
)

func TestATicketBelongsToWhoeverIsKnown(t *testing.T) {
	t.Parallel()
	p := startProduct(t)
	var c Customer
	p.call("PUT", "/users/u1", `{"email":"ada@example.com"}`, &c)
	for _, row := range []struct {
		name, body string
		queue      string
		known      bool
		text       string
	}{
		{"a known user", `{"user_id":"u1","subject":"Help","body":"Please\nsoon"}`, "general", true, "User: u1\n\nPlease\nsoon"},
		{"a queue of choice", `{"user_id":"u1","subject":"Help","body":"Please","queue":"product"}`, "product", true, "User: u1\n\nPlease"},
		{"an unknown user", `{"user_id":"u9","subject":"Help","body":"Please"}`, "general", false, "User: u9\n\nPlease"},
		{"an address proves nothing", `{"email":"ada@example.com","subject":"Help","body":"Please"}`, "general", false, "E-mail: ada@example.com\n\nPlease"},
		{"both", `{"user_id":"u1","email":"a@b.example","subject":"Help","body":"Please"}`, "general", true, "User: u1\nE-mail: a@b.example\n\nPlease"},
	} {
		var answer ticketAnswer
		status := p.call("POST", "/tickets", row.body, &answer, "Idempotency-Key", row.name)
		if status != 201 || answer.Queue != row.queue || answer.Status != "open" || !strings.HasPrefix(answer.Reference, "T-") {
			t.Errorf("%s: %d %+v", row.name, status, answer)
		}
		stored, err := p.DB.Read().TicketByCause(t.Context(), "api:"+row.name)
		check(t, err)
		messages, err := p.DB.Read().MessagesOf(t.Context(), stored.ID)
		check(t, err)
		if (stored.CustomerID == db.ID(c.ID)) != row.known || len(messages) != 1 || messages[0].Body != row.text || messages[0].Author != "customer" {
			t.Errorf("%s: stored are %+v and %+v", row.name, stored, messages)
		}
	}
	if list := p.find("user_id=u1"); len(list) != 1 || len(list[0].Tickets) != 3 {
		t.Errorf("the customer is %+v", list)
	}
}

func TestAnIdempotencyKeyIsOneTicket(t *testing.T) {
	t.Parallel()
	p := startProduct(t)
	const body = `{"user_id":"u1","subject":"Help","body":"Please"}`
	post := func(body, key string) (int, ticketAnswer) {
		t.Helper()
		var answer ticketAnswer
		status := p.call("POST", "/tickets", body, &answer, "Idempotency-Key", key)
		return status, answer
	}
	status, first := post(body, "k1")
	if status != 201 {
		t.Fatalf("the first is %d", status)
	}
	var c Customer
	p.call("PUT", "/users/u1", `{}`, &c) // the user becomes known in between
	if status, again := post(body, "k1"); status != 200 || again != first {
		t.Errorf("the same again is %d %+v, want %+v", status, again, first)
	}
	if status, other := post(body, "k2"); status != 201 || other.Reference == first.Reference {
		t.Errorf("with another key it is %d %+v", status, other)
	}
	var refused problem
	if status := p.call("POST", "/tickets", strings.Replace(body, "Please", "No", 1), &refused, "Idempotency-Key", "k1"); status != 422 {
		t.Errorf("the key with other words is %d %+v", status, refused)
	}
	one, other := ticketAnswer{}, ticketAnswer{}
	p.call("POST", "/tickets", body, &one)
	p.call("POST", "/tickets", body, &other)
	if one.Reference == other.Reference {
		t.Errorf("without a key both are %s", one.Reference)
	}
	// Somebody closes it: a late retry is told so.
	stored, err := p.DB.Read().TicketByCause(t.Context(), "api:k1")
	check(t, err)
	check(t, p.DB.Tx(t.Context(), func(q *db.Queries) error {
		_, err := q.CloseTicket(t.Context(), db.At(time.Now()), stored.ID)
		return err
	}))
	if status, late := post(body, "k1"); status != 200 || late.Status != "closed" {
		t.Errorf("after it was closed it is %d %+v", status, late)
	}
}

func TestManyRequestsWithOneKeyAreOneTicket(t *testing.T) {
	t.Parallel()
	f := start(t)
	bodies := make([]string, 20)
	var wg sync.WaitGroup
	for i := range bodies {
		wg.Go(func() {
			_, bodies[i] = send(t, request(t, "POST", f.url+"/api/v1/tickets", `{"user_id":"u1","subject":"Help","body":"Please"}`,
				"Authorization", "Bearer "+f.key, "Idempotency-Key", "k1"))
		})
	}
	wg.Wait()
	for _, body := range bodies {
		if want := `{"reference":"T-1","queue":"general","status":"open"}` + "\n"; body != want {
			t.Errorf("the answer is %s", body)
		}
	}
}

func TestWhatTheAPICannotStoreIsA503(t *testing.T) {
	t.Parallel()
	p := startProduct(t)
	p.find("user_id=u1") // opens a connection that reads
	check(t, os.Rename(p.DB.Path(), p.DB.Path()+".away"))
	var answer problem
	if status := p.call("PUT", "/users/u1", `{}`, &answer); status != 503 || strings.Contains(answer.Detail, "database") {
		t.Errorf("a user is %d %+v", status, answer)
	}
	if status := p.call("POST", "/tickets", `{"user_id":"u1","subject":"Help","body":"Please"}`, &answer); status != 503 {
		t.Errorf("a ticket is %d %+v", status, answer)
	}
}
