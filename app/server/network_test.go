package server

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"bursar/app/auth"
)

// TestSlowConnectionsKeepThePagesUsable is the slow loris: connections that begin a request and never end it.
func TestSlowConnectionsKeepThePagesUsable(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	host := strings.TrimPrefix(a.url, "http://")
	var slow []net.Conn
	for i := range 500 {
		conn, err := net.Dial("tcp", host)
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, "POST /api/webhooks/stripe HTTP/1.1\r\nHost: "+host+"\r\nX-Slow: "); err != nil {
			t.Fatal(err)
		}
		slow = append(slow, conn)
	}
	if status, _ := a.get(auth.Owner, "/admin"); status != http.StatusOK {
		t.Errorf("the first page is answered %d beside them", status)
	}
	body := event("evt_beside")
	if res, text := a.deliver(body, sign(body, secret)); res.StatusCode != http.StatusOK {
		t.Errorf("an event is answered %d %s beside them", res.StatusCode, text)
	}
	for _, conn := range slow { // the server ends them after its limit for headers
		if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(conn); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("a connection that says nothing is kept")
		}
	}
}

func TestOnlySoManyConnectionsAreServed(t *testing.T) {
	t.Parallel()
	l, err := Listen("127.0.0.1:0")
	check(t, err)
	defer l.Close()
	accepted := make(chan net.Conn, maxConnections+1)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- conn
		}
	}()
	for range maxConnections + 1 {
		conn, err := net.Dial("tcp", l.Addr().String())
		check(t, err)
		defer conn.Close()
	}
	for range maxConnections {
		conn := <-accepted
		defer conn.Close()
	}
	select {
	case <-accepted:
		t.Errorf("connection %d was taken as well", maxConnections+1)
	default:
	}
}

func TestNothingIsThereForDebugging(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	for _, path := range []string{"/debug/pprof/", "/debug/vars", "/debug", "/admin/demo", "/demo", "/setup", "/admin/setup", "/.env", "/bursar.db", "/v1/customers"} {
		if status, _ := a.get(auth.Owner, path); status != http.StatusNotFound && status != http.StatusMethodNotAllowed {
			t.Errorf("GET %s: %d", path, status)
		}
	}
	for _, route := range a.routes {
		if strings.Contains(route.Path, "debug") || strings.Contains(route.Path, "pprof") || strings.Contains(route.Path, "demo") {
			t.Errorf("there is a route %s %s", route.Method, route.Path)
		}
	}
}
