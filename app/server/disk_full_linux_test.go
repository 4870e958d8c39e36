package server

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestAFullDisk fills a small file system with events. Only root can make one.
func TestAFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=6m"); err != nil {
		t.Skipf("NOT RUN: a file system that gets full cannot be made here: %v", err)
	}
	t.Cleanup(func() { check(t, syscall.Unmount(dir, syscall.MNT_DETACH)) })
	ballast := filepath.Join(dir, "ballast")
	check(t, os.WriteFile(ballast, make([]byte, 3<<20), 0o600))
	f := startIn(t, dir, secret)
	sent := 0
	post := func() (*http.Response, string) {
		sent++
		body := strings.Replace(event(fmt.Sprintf("evt_%d", sent)), `"data"`, fmt.Sprintf(`"pad":%q,"data"`, strings.Repeat("x", 20_000)), 1)
		return f.deliver(body, sign(body, secret))
	}

	acknowledged := int64(0)
	res, answer := post()
	for ; res.StatusCode == http.StatusOK && sent < 1000; res, answer = post() {
		acknowledged++
	}
	if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
		t.Fatalf("the event after %d: %d %s", acknowledged, res.StatusCode, answer)
	}
	if events, _ := f.rows(); acknowledged == 0 || events != acknowledged {
		t.Errorf("%d events were acknowledged and %d are stored", acknowledged, events)
	}
	if res, body := send(t, request(t, "GET", f.url+"/api/v1/customers?user_id=u1", "", "Authorization", "Bearer "+f.key)); res.StatusCode != http.StatusOK {
		t.Errorf("reading: %d %s", res.StatusCode, body)
	}
	if res, body := send(t, request(t, "GET", f.url+"/api/health", "")); res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("health: %d %s", res.StatusCode, body)
	}

	check(t, os.Remove(ballast))
	if res, body := post(); res.StatusCode != http.StatusOK {
		t.Errorf("with space again: %d %s", res.StatusCode, body)
	}
	if res, body := send(t, request(t, "GET", f.url+"/api/health", "")); res.StatusCode == http.StatusServiceUnavailable {
		t.Errorf("health with space again: %d %s", res.StatusCode, body)
	}
	if events, _ := f.rows(); events != acknowledged+1 {
		t.Errorf("%d events are stored, %d were acknowledged", events, acknowledged+1)
	}
}
