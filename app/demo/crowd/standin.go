package crowd

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"bursar/app/demo"
)

// key of the environment that makes a test binary a stand-in; its value is how many customers, and since when.
const key = "BURSAR_STAND_IN"

// StandIn is a process that answers as Stripe with n customers.
type StandIn struct {
	URL     string
	process *exec.Cmd
}

// Start runs the test TestStandIn of this test binary, which has to call Serve.
func Start(ctx context.Context, n int, began time.Time) (*StandIn, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &StandIn{process: exec.CommandContext(ctx, self, "-test.run=^TestStandIn$", "-test.v", "-test.timeout=0")}
	s.process.Env = append(os.Environ(), fmt.Sprintf("%s=%d %d", key, n, began.Unix()))
	out, err := s.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.process.Start(); err != nil {
		return nil, err
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if address, ok := strings.CutPrefix(lines.Text(), "listening on "); ok {
			s.URL = address
			return s, nil
		}
	}
	return nil, errors.Join(errors.New("the stand-in for Stripe did not start"), s.process.Wait())
}

// Stop ends the process.
func (s *StandIn) Stop() {
	_ = s.process.Process.Kill()
	_ = s.process.Wait()
}

// Calls is how often it was asked.
func (s *StandIn) Calls() (n int, err error) {
	answer, err := http.Get(s.URL + "/calls")
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	_, err = fmt.Fscan(answer.Body, &n)
	return n, err
}

// Serve is the process of a stand-in. It returns false where this is not one.
func Serve() (bool, error) {
	var n int
	var began int64
	if _, err := fmt.Sscan(os.Getenv(key), &n, &began); err != nil {
		return false, nil
	}
	lists, err := patterns(time.Unix(began, 0))
	if err != nil {
		return true, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return true, err
	}
	fmt.Printf("listening on http://%s\n", listener.Addr())
	return true, http.Serve(listener, &handler{n: n, began: began, lists: lists})
}

type handler struct {
	n     int
	began int64
	lists map[string]pattern

	mu    sync.Mutex
	calls int
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r.URL.Path == "/calls" {
		fmt.Fprint(w, h.calls)
		return
	}
	h.calls++
	query := r.URL.Query()
	list, from, to := r.URL.Path, h.n, 0
	if after := query.Get("starting_after"); after != "" {
		from = number(after) - 1
	}
	if one := query.Get("customer"); one != "" {
		from, to = number(one), number(one)-1
		list += "?expanded"
	}
	if since, _ := strconv.ParseInt(query.Get("created[gte]"), 10, 64); since > h.began || h.lists[list] == nil {
		from, to = 0, 0
	}
	last := max(from-100, to)
	var page bytes.Buffer
	fmt.Fprintf(&page, `{"object":"list","url":%q,"has_more":%t,"data":[`, r.URL.Path, last > to)
	for i := from; i > last; i-- {
		if i < from {
			page.WriteByte(',')
		}
		h.lists[list].write(&page, i)
	}
	page.WriteString("]}")
	_, _ = w.Write(page.Bytes())
}

// number is that of an id.
func number(id string) int {
	n, _ := strconv.Atoi(id[strings.LastIndex(id, "_")+1:])
	return n
}

// pattern is an object in pieces, with its number between them.
type pattern []piece

type piece struct {
	text, format string // format of the number that follows, "" for none
}

var numbers = regexp.MustCompile(`00000000|user0@|User 0`)

func patternOf(object string) (p pattern) {
	formats := map[string]string{"00000000": "%08d", "user0@": "user%d@", "User 0": "User %d"}
	from := 0
	for _, at := range numbers.FindAllStringIndex(object, -1) {
		p = append(p, piece{object[from:at[0]], formats[object[at[0]:at[1]]]})
		from = at[1]
	}
	return append(p, piece{object[from:], ""})
}

func (p pattern) write(w *bytes.Buffer, n int) {
	for _, piece := range p {
		w.WriteString(piece.text)
		if piece.format != "" {
			fmt.Fprintf(w, piece.format, n)
		}
	}
}

// patterns are objects as the simulated Stripe shows them in its lists.
func patterns(began time.Time) (map[string]pattern, error) {
	s := demo.NewStripe(1, began)
	p, err := s.Buy(demo.BuyOptions{Name: "User 0", Email: "user0@example.com", Price: "team"})
	if err != nil {
		return nil, err
	}
	api := httptest.NewServer(s)
	defer api.Close()
	names := strings.NewReplacer(p.Customer, "cus_00000000", p.Subscription, "sub_00000000", p.Invoice, "in_00000000",
		p.Charge, "ch_00000000", p.Checkout, "cs_test_00000000", s.Price("team"), "price_00000001")
	lists := map[string]pattern{}
	for list, query := range map[string]string{
		"/v1/customers": "", "/v1/subscriptions": "", "/v1/invoices": "", "/v1/charges": "", "/v1/checkout/sessions": "",
		"/v1/subscriptions?expanded": "expand[]=data.customer&expand[]=data.latest_invoice.charge.refunds",
	} {
		object, err := only(api.URL + strings.TrimSuffix(list, "?expanded") + "?" + query)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", list, err)
		}
		lists[list] = patternOf(names.Replace(object))
	}
	return lists, nil
}

// only is the one object of a list.
func only(url string) (string, error) {
	r, err := http.NewRequest("GET", url, nil)
	if err != nil {
		return "", err
	}
	r.SetBasicAuth("sk_test_1", "")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	var list struct{ Data []json.RawMessage }
	if err := json.NewDecoder(answer.Body).Decode(&list); err != nil || len(list.Data) != 1 {
		return "", fmt.Errorf("%d objects, %w", len(list.Data), err)
	}
	var compact bytes.Buffer
	err = json.Compact(&compact, list.Data[0])
	return compact.String(), err
}
