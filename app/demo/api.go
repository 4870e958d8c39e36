package demo

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// apiState is what the API remembers about its callers.
type apiState struct {
	calls   map[string]int
	revoked map[string]bool
	answers map[string]*stored // by idempotency key
	faults  []*APIFault
	down    bool

	pageSize int64  // of every list; 0: as asked for
	cause    object // the request behind what happens now; nil when time is
}

// stored is the answer to a request with an idempotency key.
type stored struct {
	request string // method, path and parameters
	reply   reply
	at      time.Time
}

type reply struct {
	status int
	header map[string]string
	body   []byte
}

// ServeHTTP answers the API. Every key that begins with sk_test_ or rk_test_ is good
// until it is revoked.
func (s *Stripe) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Revoke makes an API key invalid; its calls are answered 401.
func (s *Stripe) Revoke(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revoked[key] = true
}

// Calls counts the requests so far by route, for example "GET /v1/customers/{id}".
func (s *Stripe) Calls() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[string]int, len(s.calls))
	for route, n := range s.calls {
		out[route] = n
	}
	return out
}

// answer serves one request, with the fault that waits for it, if any.
func (s *Stripe) answer(w http.ResponseWriter, r *http.Request, rt route) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		http.Error(w, "request too large", http.StatusRequestEntityTooLarge)
		return
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		http.Error(w, "malformed form", http.StatusBadRequest)
		return
	}
	for name, values := range r.URL.Query() {
		form[name] = append(form[name], values...)
	}
	s.mu.Lock()
	s.calls[rt.pattern]++
	fault, down := s.nextFault(r), s.down
	var out reply
	if !down && fault.Kind != Hang {
		out = s.process(&call{Request: r, s: s, form: form, route: rt}, fault)
	}
	s.mu.Unlock()
	if down {
		panic(http.ErrAbortHandler) // net/http's way to cut the connection without an answer
	}
	fault.write(w, r, out)
}

// process does what the request asks for and returns the answer to it.
func (s *Stripe) process(c *call, fault APIFault) reply {
	requestID := s.id("req_")
	key := c.Header.Get("Idempotency-Key")
	if c.Method != http.MethodPost {
		key = ""
	}
	out, keep := s.run(c, key, requestID, fault)
	out.header["Request-Id"] = requestID
	out.header["Stripe-Version"] = version
	if key != "" {
		out.header["Idempotency-Key"] = key
		if keep {
			s.answers[key] = &stored{request: c.fingerprint(), reply: out, at: s.now}
		}
	}
	return out
}

// run returns the answer, and whether it is to be kept under the idempotency key: errors
// that are found before any work begins are not
// (https://docs.stripe.com/api/idempotent_requests).
func (s *Stripe) run(c *call, key, requestID string, fault APIFault) (out reply, keep bool) {
	if err := s.authenticate(c.Request); err != nil {
		return failure(err), false
	}
	if fault.Kind == RateLimited {
		return failure(tooMany).with("Retry-After", fault.retryAfter()).with("Stripe-Rate-Limited-Reason", "global-rate"), false
	}
	if fault.Kind == Forbidden {
		return failure(forbidden), false
	}
	if old := s.answers[key]; key != "" && old != nil && s.now.Sub(old.at) < 24*time.Hour {
		if old.request != c.fingerprint() {
			return failure(keyReused(key)), false
		}
		return old.reply.with("Idempotent-Replayed", "true"), false
	}
	if fault.Kind == ServerError {
		return failure(broken), true
	}
	c.endless = fault.Kind == Endless
	if err := c.checkNames(); err != nil {
		return failure(err), false
	}
	s.cause = object{"id": requestID, "idempotency_key": orNull(key)}
	result, err := c.route.handle(c)
	s.catchUp(s.now) // what the call made due at once
	s.cause = nil
	if err == nil {
		err = s.expand(result, c.list("expand"))
	}
	if err != nil {
		return failure(err), !beforeWork(err)
	}
	if fault.Kind == BrokenAfter {
		return failure(broken), true
	}
	return success(result), true
}

// authenticate accepts test keys as bearer token or as the user of basic authentication.
func (s *Stripe) authenticate(r *http.Request) error {
	key, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		key, _, ok = r.BasicAuth()
	}
	switch {
	case !ok || key == "":
		return &apiError{status: http.StatusUnauthorized, kind: "invalid_request_error",
			message: "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth."}
	case s.revoked[key] || !strings.HasPrefix(key, "sk_test_") && !strings.HasPrefix(key, "rk_test_"):
		return &apiError{status: http.StatusUnauthorized, kind: "invalid_request_error",
			message: "Invalid API Key provided: " + masked(key)}
	}
	return nil
}

// masked is a key as Stripe shows it in errors.
func masked(key string) string {
	if len(key) < 12 {
		return "****"
	}
	return key[:8] + strings.Repeat("*", len(key)-12) + key[len(key)-4:]
}

func success(result object) reply { return jsonReply(http.StatusOK, result) }

func jsonReply(status int, result object) reply {
	body, err := json.Marshal(result)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"error":{"type":"api_error"}}`)
	}
	return reply{status: status, header: map[string]string{}, body: append(body, '\n')}
}

// with is the reply with one more header.
func (r reply) with(name, value string) reply {
	header := map[string]string{name: value}
	for k, v := range r.header {
		if k != name {
			header[k] = v
		}
	}
	r.header = header
	return r
}

func (r reply) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	for name, value := range r.header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(r.status)
	_, _ = w.Write(r.body) // a client that went away has nobody to be told
}
