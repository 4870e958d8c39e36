package demo

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Vendor is what the simulated CRMs and desks share: records that stay, a token, limits, faults, an index that lags,
// and a memory of what was asked. Each embeds it. It is safe for concurrent use.
type Vendor struct {
	Token string        // the one that is good; "" takes any
	Lag   time.Duration // how long a new record is missing from searches
	Limit int           // requests in 10 seconds, 0 for no limit

	mu       sync.Mutex
	mux      *http.ServeMux
	serial   int
	shelves  map[string][]*record // by kind, oldest first
	faults   []*APIFault
	lose     float64
	rng      *rand.Rand
	down     bool
	revoked  bool
	window   []time.Time // of requests within the limit
	requests []Asked
	error    func(status int, message string) any // the body of an error
	resets   bool                                 // it says when its limit begins anew, and not how long to wait
}

// Asked is a request as it came in.
type Asked struct {
	Method, Path string // with the query
	Header       http.Header
	Body         string
}

// record is a contact, ticket, task, note or comment. What is deleted stays with archived set.
type record struct {
	kind, id string
	fields   map[string]string
	links    map[string][]string // ids by kind
	created  time.Time
	updated  time.Time
	archived bool
	mergedTo string // id of the record it is now
}

// vcall is one request to a vendor, with its body read.
type vcall struct {
	*http.Request
	v    *Vendor
	body []byte
	sent map[string]string // headers of the answer
}

// refusal is an error answer.
type refusal struct {
	status  int
	message string
	body    any // instead of the vendor's usual one
	header  map[string]string
}

func (e *refusal) Error() string { return e.message }

func refuse(status int, format string, args ...any) error {
	return &refusal{status: status, message: fmt.Sprintf(format, args...)}
}

// open makes the routes; handlers run with the lock held and return what is answered as JSON.
func (v *Vendor) open(errorBody func(status int, message string) any, routes map[string]func(c *vcall) (status int, answer any, err error)) {
	v.shelves, v.error, v.rng, v.mux = map[string][]*record{}, errorBody, rand.New(rand.NewPCG(1, 1)), http.NewServeMux()
	for pattern, handle := range routes {
		v.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { v.answer(w, r, handle) })
	}
	v.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		v.answer(w, r, func(*vcall) (int, any, error) { return 0, nil, refuse(http.StatusNotFound, "no such address") })
	})
}

// ServeHTTP answers the API.
func (v *Vendor) ServeHTTP(w http.ResponseWriter, r *http.Request) { v.mux.ServeHTTP(w, r) }

// answer serves one request, with the fault that waits for it, if any. After RateLimited, ServerError and Hang nothing
// was done; after the others the work was.
func (v *Vendor) answer(w http.ResponseWriter, r *http.Request, handle func(c *vcall) (int, any, error)) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		http.Error(w, "request too large", http.StatusRequestEntityTooLarge)
		return
	}
	v.mu.Lock()
	v.requests = append(v.requests, Asked{r.Method, r.URL.RequestURI(), r.Header.Clone(), string(body)})
	fault, down := v.nextFault(r), v.down
	var out reply
	if !down && fault.Kind != Hang {
		out = v.process(&vcall{r, v, body, map[string]string{}}, fault, handle)
	}
	v.mu.Unlock()
	if down {
		panic(http.ErrAbortHandler) // net/http's way to cut the connection without an answer
	}
	fault.write(w, r, out)
}

func (v *Vendor) process(c *vcall, fault APIFault, handle func(c *vcall) (int, any, error)) reply {
	token, bearer := strings.CutPrefix(c.Header.Get("Authorization"), "Bearer ")
	if !bearer {
		_, token, _ = c.BasicAuth()
	}
	switch {
	case token == "" || v.revoked || v.Token != "" && token != v.Token:
		return v.failure(refuse(http.StatusUnauthorized, "the token is not valid"))
	case fault.Kind == RateLimited || !v.withinLimit():
		return v.failure(refuse(http.StatusTooManyRequests, "too many requests")).with(v.waitHeader(fault))
	case fault.Kind == ServerError:
		return v.failure(refuse(http.StatusInternalServerError, "internal error"))
	}
	if len(c.body) > 0 && !json.Valid(c.body) {
		return v.failure(refuse(http.StatusBadRequest, "the body is not JSON"))
	}
	status, answer, err := handle(c)
	if err != nil {
		return v.failure(err)
	}
	text, err := json.Marshal(answer)
	if err != nil {
		return v.failure(refuse(http.StatusInternalServerError, "internal error"))
	}
	if answer == nil {
		text = nil
	}
	return reply{status: status, header: c.sent, body: text}
}

// waitHeader says when the limit lets the next request through.
func (v *Vendor) waitHeader(fault APIFault) (name, value string) {
	if v.resets {
		return "X-RateLimit-Reset", strconv.FormatInt(time.Now().Add(max(fault.RetryAfter, time.Second)).Unix(), 10)
	}
	return "Retry-After", fault.retryAfter()
}

func (v *Vendor) failure(err error) reply {
	e, ok := err.(*refusal)
	if !ok {
		e = &refusal{status: http.StatusInternalServerError, message: "internal error"}
	}
	body := e.body
	if body == nil {
		body = v.error(e.status, e.message)
	}
	if plain, ok := body.(string); ok {
		return reply{status: e.status, header: e.header, body: []byte(plain)}.with("Content-Type", "text/plain; charset=utf-8")
	}
	text, _ := json.Marshal(body) // of maps and strings
	return reply{status: e.status, header: e.header, body: text}
}

func (v *Vendor) withinLimit() bool {
	if v.Limit == 0 {
		return true
	}
	now := time.Now()
	v.window = slices.DeleteFunc(v.window, func(t time.Time) bool { return now.Sub(t) > 10*time.Second })
	if len(v.window) >= v.Limit {
		return false
	}
	v.window = append(v.window, now)
	return true
}

func (v *Vendor) nextFault(r *http.Request) APIFault {
	for _, f := range v.faults {
		if f.Count > 0 && strings.HasPrefix(r.URL.Path, f.Path) && (f.Method == "" || f.Method == r.Method) {
			f.Count--
			return *f
		}
	}
	if v.lose > 0 && v.rng.Float64() < v.lose {
		return APIFault{Kind: []FaultKind{Drop, HalfBody, Empty}[v.rng.IntN(3)]}
	}
	return APIFault{}
}

func (v *Vendor) add(kind string, fields map[string]string) *record {
	v.serial++
	now := time.Now()
	r := &record{kind: kind, id: strconv.Itoa(10_000 + v.serial), fields: map[string]string{}, links: map[string][]string{}, created: now, updated: now}
	r.set(fields)
	v.shelves[kind] = append(v.shelves[kind], r)
	return r
}

func (r *record) set(fields map[string]string) {
	for name, value := range fields {
		if value == "" {
			delete(r.fields, name)
		} else {
			r.fields[name] = value
		}
	}
	r.updated = time.Now()
}

// record by its id, or the one it was merged into; nil if there is none.
func (v *Vendor) record(kind, id string) *record {
	for _, r := range v.shelves[kind] {
		if r.id == id {
			if r.mergedTo != "" {
				return v.record(kind, r.mergedTo)
			}
			if r.archived {
				return nil
			}
			return r
		}
	}
	return nil
}

// by is the record with a value in a field; nil if there is none.
func (v *Vendor) by(kind, field, value string) *record {
	for _, r := range v.shelves[kind] {
		if !r.archived && value != "" && strings.EqualFold(r.fields[field], value) {
			return r
		}
	}
	return nil
}

// indexed are the records of a kind that a search finds by now.
func (v *Vendor) indexed(kind string) (list []*record) {
	for _, r := range v.shelves[kind] {
		if !r.archived && time.Since(r.created) >= v.Lag {
			list = append(list, r)
		}
	}
	return list
}

// live are the records of a kind that are not deleted.
func (v *Vendor) live(kind string) (list []*record) {
	for _, r := range v.shelves[kind] {
		if !r.archived {
			list = append(list, r)
		}
	}
	return list
}

// decode reads the body and refuses fields that into does not have.
func (c *vcall) decode(into any) error {
	d := json.NewDecoder(bytes.NewReader(c.body))
	d.DisallowUnknownFields()
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		return refuse(http.StatusBadRequest, "Invalid input JSON: %v", err)
	}
	return nil
}

// after cuts a list at the record after the one with the id, and to n of them; next is "" at the end.
func after(list []*record, id string, n int) (page []*record, next string) {
	from := 0
	if id != "" {
		from = slices.IndexFunc(list, func(r *record) bool { return r.id == id }) + 1
	}
	page = list[from:]
	if len(page) > n {
		page = page[:n]
		next = page[n-1].id
	}
	return page, next
}

// number reads a parameter between 1 and most.
func number(query url.Values, name string, otherwise, most int) (int, error) {
	if query.Get(name) == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(query.Get(name))
	if err != nil || n < 1 || n > most {
		return 0, refuse(http.StatusBadRequest, "%s must be between 1 and %d", name, most)
	}
	return n, nil
}

// keysOf are the keys of a map in order.
func keysOf[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// signature is the HMAC of a text with SHA-256, in base64.
func signature(secret, text string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
