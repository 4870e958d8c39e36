package server

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"bursar/app/auth"
)

// TestTheWayBackThroughAList goes to the end of a list and back, page by page.
func TestTheWayBackThroughAList(t *testing.T) {
	t.Parallel()
	path := "/admin/jobs?kind=prune"
	var way []string
	for i := range 5 {
		way = append(way, path)
		next := strconv.Itoa(1000 - 50*i)
		if i == 4 {
			next = ""
		}
		path = pagerOf(httptest.NewRequest("GET", path, nil), next).Older
	}
	if path != "" {
		t.Errorf("after the last page comes %s", path)
	}
	for i := len(way) - 1; i > 0; i-- {
		if back := pagerOf(httptest.NewRequest("GET", way[i], nil), "").Newer; back != way[i-1] {
			t.Errorf("from %s back to %s, want %s", way[i], back, way[i-1])
		}
	}
	if p := pagerOf(httptest.NewRequest("GET", way[0], nil), ""); p.Newer != "" {
		t.Errorf("before the first page comes %s", p.Newer)
	}
	long := "/admin/jobs"
	for i := range 300 {
		long = pagerOf(httptest.NewRequest("GET", long, nil), strconv.Itoa(100_000-i)).Older
	}
	if len(long) > 500 {
		t.Errorf("the address grows to %d bytes", len(long))
	}
	if p := pagerOf(httptest.NewRequest("GET", "/admin/tickets?before=1.40&trail=0.7", nil), "1.90"); p.Newer != "/admin/tickets?before=0.7" || p.Older != "/admin/tickets?before=1.90&trail=0.7-1.40" {
		t.Errorf("with a cursor of two parts: %+v", p)
	}
}

func TestANameStandsBesideAnID(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	says := func(text string) func(w http.ResponseWriter, r *http.Request) error {
		return func(w http.ResponseWriter, r *http.Request) error {
			_, err := w.Write([]byte(text + r.PathValue("id")))
			return err
		}
	}
	mux, err := a.newMux([]Route{{"GET", "/x/{id}", Public, says("one ")}, {"POST", "/x/{id}", Public, says("changed ")}, {"GET", "/x/new", Public, says("new")},
		{"POST", "/x/{id}/act", may(auth.Look), says("act")}})
	check(t, err)
	for _, row := range []struct {
		method, path, says, allow string
		code                      int
	}{
		{"GET", "/x/new", "new", "", 200},
		{"GET", "/x/7", "one 7", "", 200},
		{"POST", "/x/7", "changed 7", "", 200},
		{"POST", "/x/new", "changed new", "", 200},
		{"DELETE", "/x/new", "", "GET, POST, HEAD", 405},
		{"DELETE", "/x/7", "", "GET, POST, HEAD", 405},
		{"GET", "/x/7/act", "", "POST", 405},
		{"GET", "/y", "", "", 404},
	} {
		w := httptest.NewRecorder()
		res := &response{ResponseWriter: w}
		mux.ServeHTTP(res, httptest.NewRequest(row.method, row.path, nil))
		if res.err != nil {
			a.fail(res, httptest.NewRequest(row.method, row.path, nil), res.err)
		}
		if w.Code != row.code || row.says != "" && w.Body.String() != row.says || w.Header().Get("Allow") != row.allow {
			t.Errorf("%s %s: %d %q, allow %q", row.method, row.path, w.Code, w.Body, w.Header().Get("Allow"))
		}
	}
}
