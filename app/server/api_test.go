package server

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"

	"bursar/app/demo"
)

// product is the company's product: it asks the API as the OpenAPI document says, and notices when an
// answer is not what the document promises.
type product struct {
	*fixture
	router routers.Router
}

func loadDocument(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(openAPIDocument)
	check(t, err)
	check(t, doc.Validate(t.Context()))
	return doc
}

func startProduct(t *testing.T) *product {
	t.Helper()
	p := &product{fixture: start(t, secret)}
	doc := loadDocument(t)
	doc.Servers = openapi3.Servers{{URL: p.url + "/api/v1"}}
	router, err := legacy.NewRouter(doc)
	check(t, err)
	p.router = router
	return p
}

// call asks, decodes the answer into v and returns the status. A request that is answered with success
// must be as documented too.
func (p *product) call(method, path, body string, v any, header ...string) int {
	p.t.Helper()
	r := request(p.t, method, p.url+"/api/v1"+path, body, append([]string{"Authorization", "Bearer " + p.key, "Content-Type", "application/json"}, header...)...)
	res, text := send(p.t, r)

	r.Body = io.NopCloser(strings.NewReader(body))
	route, params, err := p.router.FindRoute(r)
	check(p.t, err)
	in := &openapi3filter.RequestValidationInput{Request: r, Route: route, PathParams: params,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc}}
	if res.StatusCode < 300 {
		if err := openapi3filter.ValidateRequest(p.t.Context(), in); err != nil {
			p.t.Errorf("%s %s is not as documented: %v", method, path, err)
		}
	}
	err = openapi3filter.ValidateResponse(p.t.Context(), &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: res.StatusCode,
		Header: res.Header, Body: io.NopCloser(strings.NewReader(text)), Options: &openapi3filter.Options{IncludeResponseStatus: true}})
	if err != nil {
		p.t.Errorf("the answer to %s %s is not as documented: %v", method, path, err)
	}
	check(p.t, json.Unmarshal([]byte(text), v))
	return res.StatusCode
}

// get asks for what must be there.
func (p *product) get(path string, v any) {
	p.t.Helper()
	if status := p.call("GET", path, "", v); status != 200 {
		p.t.Fatalf("GET %s: %d", path, status)
	}
}

func (p *product) access(user string) (a accessAnswer) {
	p.t.Helper()
	p.get("/users/"+user+"/access", &a)
	return a
}

func (p *product) find(query string) []Customer {
	p.t.Helper()
	var answer struct{ Customers []Customer }
	p.get("/customers?"+query, &answer)
	return answer.Customers
}

// settle delivers what Stripe has to say and works off what follows.
func (p *product) settle(s *demo.Stripe) {
	p.t.Helper()
	check(p.t, s.Deliver(p.t.Context()))
	check(p.t, p.worker.WorkOff(p.t.Context()))
}

func TestTheDocumentHasEveryRoute(t *testing.T) {
	t.Parallel()
	doc := loadDocument(t)
	var documented, served []string
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			documented = append(documented, method+" /api/v1"+path)
		}
	}
	for _, route := range start(t).routes {
		if strings.HasPrefix(route.Path, "/api/v1/") {
			served = append(served, route.Method+" "+route.Path)
		}
	}
	slices.Sort(documented)
	slices.Sort(served)
	if !slices.Equal(documented, served) {
		t.Errorf("documented are\n%v, served are\n%v", documented, served)
	}
	for path, item := range doc.Paths.Map() {
		for method, operation := range item.Operations() {
			if open := operation.Security != nil && len(*operation.Security) == 0; open != (path == "/openapi.json") {
				t.Errorf("%s %s says that it needs no key: %t", method, path, open)
			}
		}
	}
}

func TestTheDocumentIsServed(t *testing.T) {
	t.Parallel()
	f := start(t)
	res, body := send(t, request(t, "GET", f.url+"/api/v1/openapi.json", ""))
	if res.StatusCode != 200 || !bytes.Equal([]byte(body), openAPIDocument) || res.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%d %s, %d bytes", res.StatusCode, res.Header.Get("Content-Type"), len(body))
	}
}

// TestFromSignUpToAFailedPayment is the life of a user as the product sees it.
func TestFromSignUpToAFailedPayment(t *testing.T) {
	t.Parallel()
	p := startProduct(t)
	s := demo.NewStripe(1, time.Now().Add(-48*time.Hour))
	s.Endpoint(p.url+webhookPath, secret)

	var c Customer
	if status := p.call("PUT", "/users/u1", `{"email":"ada@example.com","name":"Ada","anonymous_id":"anon1"}`, &c); status != 201 {
		t.Fatalf("the sign-up is %d", status)
	}
	if a := p.access("u1"); a.Access != "none" || a.Source != "" || a.AsOf != nil {
		t.Errorf("after the sign-up the access is %+v", a)
	}

	bought, err := s.Buy(demo.BuyOptions{Email: "ada@work.example", Name: "Ada Lovelace", Price: "team", UserID: "u1"})
	check(t, err)
	var session checkoutAnswer
	p.get("/checkouts/"+bought.Checkout, &session)
	if session.Status != "pending" || session.Known {
		t.Errorf("before the event is here the checkout is %+v", session)
	}
	p.settle(s)
	if a := p.access("u1"); a.Access != "full" || a.Status != "active" || a.Plan == "" || a.Source != "events" || a.AsOf == nil {
		t.Errorf("after the purchase the access is %+v", a)
	}
	p.get("/checkouts/"+bought.Checkout, &session)
	if session.Status != "active" || !session.Known || session.CustomerID == nil || *session.CustomerID != c.ID {
		t.Errorf("after the purchase the checkout is %+v", session)
	}
	for _, query := range []string{"user_id=u1", "stripe_customer=" + bought.Customer, "email=ADA@work.example"} {
		list := p.find(query)
		if len(list) != 1 || list[0].ID != c.ID || list[0].Name != "Ada Lovelace" || !slices.Equal(list[0].Links.User, []string{"u1"}) ||
			!slices.Equal(list[0].Links.Stripe, []string{bought.Customer}) || len(list[0].Subscriptions) != 1 ||
			list[0].LastPayment == nil || *list[0].LastPayment != (Payment{"paid", 4900, "usd"}) || list[0].LastPaidAt == nil {
			t.Errorf("%s finds %+v", query, list)
		}
	}
	if status := p.call("PUT", "/users/u1", `{"name":"Countess"}`, &c); status != 200 || c.Name != "Ada Lovelace" || c.Email != "ada@work.example" {
		t.Errorf("what the product says of a Stripe customer is %d, %s, %s", status, c.Name, c.Email)
	}

	s.Advance(24 * time.Hour)
	_, err = s.FailPayment(bought.Subscription)
	check(t, err)
	p.settle(s)
	if a := p.access("u1"); a.Access != "grace" || a.Status != "past_due" || a.Until == nil {
		t.Errorf("after the failure the access is %+v", a)
	}
	if list := p.find("user_id=u1"); len(list[0].Tickets) != 1 || list[0].Tickets[0].Queue != "billing" || list[0].LastPayment.Status != "failed" {
		t.Errorf("after the failure the customer is %+v", list)
	}
}

func TestACheckoutThatFails(t *testing.T) {
	t.Parallel()
	p := startProduct(t)
	s := demo.NewStripe(1, time.Now())
	s.Endpoint(p.url+webhookPath, secret)
	bought, err := s.Buy(demo.BuyOptions{UserID: "u1", Async: true})
	check(t, err)
	p.settle(s)
	var session checkoutAnswer
	p.get("/checkouts/"+bought.Checkout, &session)
	if session.Status == "failed" || !session.Known {
		t.Errorf("while the bank thinks the checkout is %+v", session)
	}
	check(t, s.CompleteAsync(bought.Checkout, false))
	p.settle(s)
	if p.get("/checkouts/"+bought.Checkout, &session); session.Status != "failed" {
		t.Errorf("after the refusal the checkout is %+v", session)
	}
	for _, id := range []string{"sub_1", "cs_", "cs_a'b", "cs_" + strings.Repeat("x", 300)} {
		var answer problem
		if status := p.call("GET", "/checkouts/"+id, "", &answer); status != 404 {
			t.Errorf("%s is %d", id, status)
		}
	}
}

func TestPeopleWithOneEmailAddressStayApart(t *testing.T) {
	t.Parallel()
	p := startProduct(t)
	var c Customer
	for _, user := range []string{"u1", "u2"} {
		p.call("PUT", "/users/"+user, `{"email":"ada@example.com"}`, &c)
	}
	if list := p.find("email=Ada@example.com"); len(list) != 2 || list[0].ID == list[1].ID {
		t.Errorf("the address finds %+v", list)
	}
	if list := p.find("email=eve@example.com"); len(list) != 0 {
		t.Errorf("another address finds %+v", list)
	}
}

func TestAUserIsToldOfStepByStep(t *testing.T) {
	t.Parallel()
	p := startProduct(t)
	for _, step := range []struct {
		name, user, body string
		status           int
		wantName, email  string
	}{
		{"an e-mail address first", "u1", `{"email":"ada@example.com"}`, 201, "", "ada@example.com"},
		{"then a name", "u1", `{"name":"Ada"}`, 200, "Ada", "ada@example.com"},
		{"null is left out", "u1", `{"name":null,"email":null}`, 200, "Ada", "ada@example.com"},
		{"nothing", "u1", `{}`, 200, "Ada", "ada@example.com"},
		{"markup is only text", "u1", `{"name":"<script>{{.}}"}`, 200, "<script>{{.}}", "ada@example.com"},
		{"an id with signs", "a%2Fb%20%C3%A9%3F", `{}`, 201, "", ""},
		{"the same id", "a%2Fb%20%C3%A9%3F", `{}`, 200, "", ""},
	} {
		var c Customer
		if status := p.call("PUT", "/users/"+step.user, step.body, &c); status != step.status || c.Name != step.wantName || c.Email != step.email {
			t.Errorf("%s: %d %+v", step.name, status, c)
		}
	}
	if list := p.find("user_id=a%2Fb%20%C3%A9%3F"); len(list) != 1 || list[0].Links.User[0] != "a/b é?" {
		t.Errorf("the id with signs finds %+v", list)
	}
}

func TestBadRequestsSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	p := startProduct(t)
	ticket := func(fields string) string { return `{"user_id":"u1","subject":"Help","body":"Please"` + fields + `}` }
	for _, row := range []struct {
		name, method, path, body string
		status                   int
		detail                   string // a part of it
	}{
		{"a misspelt field", "PUT", "/users/u1", `{"emial":"ada@example.com"}`, 400, `"emial"`},
		{"a field of another type", "PUT", "/users/u1", `{"email":7}`, 400, `"email" cannot be a number`},
		{"a field of the record", "PUT", "/users/u1", `{"access":"full"}`, 400, `"access"`},
		{"no JSON", "PUT", "/users/u1", `email=ada`, 400, "not JSON"},
		{"a list", "PUT", "/users/u1", `[]`, 400, "not a JSON object"},
		{"nothing", "PUT", "/users/u1", ``, 400, "not JSON"},
		{"two objects", "PUT", "/users/u1", `{}{}`, 400, "after"},
		{"not UTF-8", "PUT", "/users/u1", "{\"name\":\"\xff\"}", 400, "UTF-8"},
		{"no e-mail address", "PUT", "/users/u1", `{"email":"ada"}`, 400, "email"},
		{"two headers in an address", "PUT", "/users/u1", `{"email":"ada@example.com\r\nBcc: eve@example.com"}`, 400, "email"},
		{"a name that turns the text round", "PUT", "/users/u1", `{"name":"\u202egpj"}`, 400, "name"},
		{"a long name", "PUT", "/users/u1", `{"name":"` + strings.Repeat("x", 256) + `"}`, 400, "255"},
		{"a long user id", "PUT", "/users/" + strings.Repeat("x", 256), `{}`, 400, "255"},
		{"a user id with a line break", "PUT", "/users/a%0Ab", `{}`, 400, "user_id"},
		{"a large body", "PUT", "/users/u1", `{"name":"` + strings.Repeat("x", maxAPIBody) + `"}`, 413, "65536"},
		{"an unknown user", "GET", "/users/nobody/access", "", 404, "PUT /api/v1/users/"},
		{"no search", "GET", "/customers", "", 400, "user_id"},
		{"an empty search", "GET", "/customers?email=", "", 400, "email"},
		{"two searches", "GET", "/customers?email=a@b.c&user_id=u1", "", 400, "one of"},
		{"one search twice", "GET", "/customers?user_id=u1&user_id=u2", "", 400, "once"},
		{"nobody's ticket", "POST", "/tickets", `{"subject":"Help","body":"Please"}`, 400, "user_id or email"},
		{"a ticket about nothing", "POST", "/tickets", `{"user_id":"u1","subject":" ","body":"Please"}`, 400, "subject"},
		{"a ticket without words", "POST", "/tickets", `{"user_id":"u1","subject":"Help"}`, 400, "body"},
		{"a subject of two lines", "POST", "/tickets", `{"user_id":"u1","subject":"a\nb","body":"Please"}`, 400, "subject"},
		{"a queue that is none", "POST", "/tickets", ticket(`,"queue":"sales"`), 400, "billing, onboarding"},
		{"a priority of one's own", "POST", "/tickets", ticket(`,"priority":"urgent"`), 400, `"priority"`},
	} {
		t.Run(row.name, func(t *testing.T) {
			p.t = t
			var answer problem
			status := p.call(row.method, row.path, row.body, &answer)
			if status != row.status || answer.Status != row.status || !strings.Contains(answer.Detail, row.detail) || answer.RequestID == "" {
				t.Errorf("%d %+v, want %d and %q", status, answer, row.status, row.detail)
			}
		})
	}
	p.t = t
	if events, jobs := p.rows(); events != 0 || jobs != 0 {
		t.Errorf("%d events and %d jobs were stored", events, jobs)
	}
	if list := p.find("user_id=u1"); len(list) != 0 {
		t.Errorf("the user was stored: %+v", list)
	}
}

func TestWithoutAKeyTheAnswerIsAProblem(t *testing.T) {
	t.Parallel()
	p := startProduct(t)
	var answer problem
	if status := p.call("GET", "/customers?user_id=u1", "", &answer, "Authorization", "Bearer bsk_wrong"); status != 401 || answer.Title != http.StatusText(401) {
		t.Errorf("%d %+v", status, answer)
	}
}
