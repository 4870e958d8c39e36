package demo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	stripe "github.com/stripe/stripe-go/v76"
	"github.com/stripe/stripe-go/v76/client"
	"github.com/stripe/stripe-mock/embedded"
)

// start is the time in which the accounts of the tests begin.
func start() time.Time { return time.Date(2026, 1, 31, 9, 0, 0, 0, time.UTC) }

// document is Stripe's own OpenAPI document for version 2023-10-16.
var document = sync.OnceValues(func() (*openAPI, error) {
	var doc openAPI
	err := json.Unmarshal(embedded.OpenAPISpec, &doc)
	return &doc, err
})

// openAPI is the part of the document that the tests use.
type openAPI struct {
	Components struct{ Schemas map[string]*schema }
	Paths      map[string]map[string]*operation
}

type operation struct {
	Parameters  []struct{ Name string }
	RequestBody content
	Responses   map[string]content
}

type content struct {
	Content map[string]struct{ Schema *schema }
}

type schema struct {
	Ref                  string `json:"$ref"`
	Type                 string
	Nullable             bool
	MaxLength            int
	Enum                 []any
	Required             []string
	AnyOf                []*schema
	Items                *schema
	Properties           map[string]*schema
	AdditionalProperties additional
}

// additional is false, true, or the schema of every field that has no name of its own.
type additional struct{ of *schema }

// UnmarshalJSON keeps the schema only; no answer here depends on the booleans.
func (a *additional) UnmarshalJSON(data []byte) error {
	if data[0] != '{' {
		return nil
	}
	return json.Unmarshal(data, &a.of)
}

// serve puts an account on loopback behind a check of every answer against Stripe's
// document, and returns stripe-go's client for it.
func serve(t *testing.T, s *Stripe) *client.API {
	t.Helper()
	return connect(t, checked(t, s))
}

func connect(t *testing.T, h http.Handler) *client.API {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	b := stripe.GetBackendWithConfig(stripe.APIBackend, &stripe.BackendConfig{
		URL: stripe.String(srv.URL), MaxNetworkRetries: stripe.Int64(0), EnableTelemetry: stripe.Bool(false),
		LeveledLogger: &stripe.LeveledLogger{Level: stripe.LevelNull}, HTTPClient: srv.Client(),
	})
	return client.New("sk_test_123", &stripe.Backends{API: b, Connect: b, Uploads: b})
}

// checked is h, failing the test for answers that differ from Stripe's document.
func checked(t *testing.T, h http.Handler) http.Handler {
	t.Helper()
	doc, err := document()
	if err != nil {
		t.Fatal(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		for _, problem := range problems(doc, r, rec.Code, rec.Body.Bytes()) {
			t.Errorf("%s %s: %s", r.Method, r.URL.Path, problem)
		}
		for name, values := range rec.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(rec.Code)
		_, _ = w.Write(rec.Body.Bytes())
	})
}

// problems lists how an answer differs from the schema of its path.
func problems(doc *openAPI, r *http.Request, status int, body []byte) []string {
	op := findOperation(doc, r.Method, r.URL.Path)
	if op == nil {
		return nil // not a path of Stripe's; the answer is a 404
	}
	response, ok := op.Responses["200"]
	if status != http.StatusOK {
		response, ok = op.Responses["default"]
	}
	if !ok {
		return []string{fmt.Sprintf("the document has no answer %d", status)}
	}
	var value any
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		return []string{err.Error()}
	}
	return compare(doc, response.Content["application/json"].Schema, value, "$")
}

// findOperation finds the path of the document that matches; literal segments win.
func findOperation(doc *openAPI, method, path string) *operation {
	segments := strings.Split(path, "/")
	var best *operation
	literals := -1
	for pattern, verbs := range doc.Paths {
		op := verbs[strings.ToLower(method)]
		if op == nil || strings.Count(pattern, "/")+1 != len(segments) {
			continue
		}
		parts, same, matches := strings.Split(pattern, "/"), 0, true
		for i, part := range parts {
			if part == segments[i] {
				same++
			} else if !strings.HasPrefix(part, "{") {
				matches = false
			}
		}
		if matches && same > literals {
			best, literals = op, same
		}
	}
	return best
}

// compare holds a value against a schema: types, enums, required and unknown fields.
func compare(doc *openAPI, want *schema, value any, at string) []string {
	if want.Ref != "" {
		want = doc.Components.Schemas[strings.TrimPrefix(want.Ref, "#/components/schemas/")]
	}
	if value == nil {
		if want.Nullable {
			return nil
		}
		return []string{at + " is null"}
	}
	if len(want.AnyOf) > 0 {
		var closest []string
		for i, option := range want.AnyOf {
			found := compare(doc, option, value, at)
			if len(found) == 0 {
				return nil
			}
			if i == 0 || len(found) < len(closest) {
				closest = found
			}
		}
		return closest
	}
	if len(want.Enum) > 0 && !slices.Contains(want.Enum, value) {
		return []string{fmt.Sprintf("%s is %v, which is not one of %v", at, value, want.Enum)}
	}
	return compareType(doc, want, value, at)
}

func compareType(doc *openAPI, want *schema, value any, at string) []string {
	var out []string
	kind := map[string]bool{}
	switch v := value.(type) {
	case string:
		kind["string"] = true
		if want.MaxLength > 0 && len(v) > want.MaxLength {
			out = append(out, at+" is too long")
		}
	case bool:
		kind["boolean"] = true
	case json.Number:
		kind["number"] = true
		kind["integer"] = !strings.ContainsAny(v.String(), ".eE")
	case []any:
		kind["array"] = true
		for i, row := range v {
			if want.Items != nil {
				out = append(out, compare(doc, want.Items, row, fmt.Sprintf("%s[%d]", at, i))...)
			}
		}
	case map[string]any:
		kind["object"] = true
		out = append(out, compareFields(doc, want, v, at)...)
	}
	if want.Type != "" && !kind[want.Type] {
		return []string{fmt.Sprintf("%s is %T, want %s", at, value, want.Type)}
	}
	return out
}

func compareFields(doc *openAPI, want *schema, value map[string]any, at string) []string {
	var out []string
	for _, name := range want.Required {
		if _, ok := value[name]; !ok {
			out = append(out, at+"."+name+" is missing")
		}
	}
	for name, inner := range value {
		field, known := want.Properties[name]
		switch {
		case known:
			out = append(out, compare(doc, field, inner, at+"."+name)...)
		case want.AdditionalProperties.of != nil:
			out = append(out, compare(doc, want.AdditionalProperties.of, inner, at+"."+name)...)
		case len(want.Properties) > 0:
			out = append(out, at+"."+name+" is unknown")
		}
	}
	return out
}

// TestRoutesKnowOnlyParametersOfStripe holds the route table against the document.
func TestRoutesKnowOnlyParametersOfStripe(t *testing.T) {
	t.Parallel()
	doc, err := document()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range NewStripe(1, start()).routes() {
		method, path, _ := strings.Cut(r.pattern, " ")
		op := findOperation(doc, method, path)
		if op == nil {
			t.Errorf("%s is not a call of Stripe", r.pattern)
			continue
		}
		known := map[string]bool{}
		for _, p := range op.Parameters {
			known[p.Name] = true
		}
		if form := op.RequestBody.Content["application/x-www-form-urlencoded"].Schema; form != nil {
			for name := range form.Properties {
				known[name] = true
			}
		}
		for _, name := range strings.Fields(r.params) {
			if !known[name] {
				t.Errorf("%s has no parameter %q at Stripe", r.pattern, name)
			}
		}
	}
}

// TestCheckFindsMistakes shows that the check of answers is one that can fail.
func TestCheckFindsMistakes(t *testing.T) {
	t.Parallel()
	doc, err := document()
	if err != nil {
		t.Fatal(err)
	}
	s := NewStripe(1, start())
	p := must[Purchase](t)(s.Buy(BuyOptions{}))
	rows := []struct {
		what, field string
		value       any
		want        string
	}{
		{"nothing", "", nil, ""},
		{"a word that Stripe does not use", "status", "fine", "not one of"},
		{"a text for a number", "created", "yesterday", "want integer"},
		{"null where there must be a value", "customer", nil, "is null"},
		{"a field that does not exist", "colour", "red", "is unknown"},
	}
	for _, row := range rows {
		o := s.subscriptions.byID[p.Subscription].render()
		if row.field != "" {
			o[row.field] = row.value
		}
		r := httptest.NewRequest(http.MethodGet, "/v1/subscriptions/"+p.Subscription, nil)
		found := strings.Join(problems(doc, r, http.StatusOK, success(o).body), "; ")
		if (found == "") != (row.want == "") || !strings.Contains(found, row.want) {
			t.Errorf("%s: the check says %q", row.what, found)
		}
	}
}
