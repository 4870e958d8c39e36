package server

import (
	"net/url"
	"strings"
	"testing"

	"bursar/app/auth"
	"bursar/app/demo"
)

// TestTwoCustomersAreJoinedAndTakenApart is what a person sees of it, from the hint on the page to the undo.
func TestTwoCustomersAreJoinedAndTakenApart(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	s := a.stripe()
	_, ada := a.buy(s, demo.BuyOptions{Email: "ada@example.com", Name: "Ada Lovelace", Price: "team", UserID: "user-7"})
	_, other := a.buy(s, demo.BuyOptions{Email: "Ada@example.com", Name: "Ada " + hostile, Price: "starter"})
	path, otherPath := customerPath(ada), customerPath(other)
	preview := path + "/merge?with=" + otherPath[strings.LastIndex(otherPath, "/")+1:]

	_, body := a.get(auth.Support, path)
	shows(t, "for support", body, "looks like the same person", "!Compare the two", "!Join with another")
	_, body = a.get(auth.Finance, path)
	shows(t, "for finance", body, "looks like the same person", "Compare the two", "Join with another", "!<script>alert")
	_, body = a.get(auth.Finance, path+"/merge")
	shows(t, "whom", body, "Who looks like the same person", "Number of the other customer")
	_, body = a.get(auth.Finance, preview)
	shows(t, "the preview", body, "this person pays more than once", "the same mailbox", "other names", "both have access", "1 subscription", "Keep customer", "!<script>alert")

	form := url.Values{"with": {otherPath[strings.LastIndex(otherPath, "/")+1:]}, "reason": {""}}
	if status, body := a.post(auth.Finance, path+"/merge", form); status != 422 || !strings.Contains(body, "Say why") {
		t.Errorf("without a reason: %d", status)
	}
	form.Set("reason", "she wrote so")
	if status, _ := a.post(auth.Support, path+"/merge", form); status != 403 {
		t.Errorf("support joined customers: %d", status)
	}
	shows(t, "joined", a.submit(auth.Finance, path+"/merge", form), "is joined with this one", "Undo: take them apart", "she wrote so", "!looks like the same person")
	shows(t, "pressed twice", a.submit(auth.Finance, path+"/merge", form), "was joined with this one already")
	resp, _ := a.do(a.browsers[auth.Support], request(t, "GET", a.url+otherPath, ""))
	if resp.StatusCode != 303 || resp.Header.Get("Location") != path {
		t.Errorf("the old number leads to %d %s", resp.StatusCode, resp.Header.Get("Location"))
	}
	shows(t, "undone", a.submit(auth.Finance, unmergePath(1), nil), "has its own number", "looks like the same person", "!Undo: take")
	shows(t, "undone twice", a.submit(auth.Finance, unmergePath(1), nil), "were taken apart already")
	_, body = a.get(auth.Finance, otherPath)
	shows(t, "the other is back", body, "19.00 USD", "!was joined with this one")

	_, body = a.get(auth.Finance, "/admin/customers/"+path[strings.LastIndex(path, "/")+1:]+"/merge?with=999")
	shows(t, "with nobody", body, "There is no customer 999")
	_, body = a.get(auth.Finance, path+"/merge?with=Ada")
	shows(t, "with a name", body, "Give the number")
	var before, after, reason string
	a.queryRow(`SELECT before, after, reason FROM audit WHERE action = 'customers.merge' AND outcome = 'done'`, &before, &after, &reason)
	if strings.Count(before, "customer ") != 2 || strings.Count(after, "customer ") != 1 || reason != "she wrote so" || strings.Contains(before+after, "Ada") {
		t.Errorf("the audit has %q, %q, %q", before, after, reason)
	}
}
