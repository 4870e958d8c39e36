package connect

import (
	"bytes"
	"fmt"
	"os"
	"testing"

	"bursar/app/demo"
)

// sameAsRecorded holds requests against a recording, with those of their headers that are named. The recording can be
// held against the vendor's reference; to see what a change sends, write it again and read the difference.
func sameAsRecorded(t *testing.T, golden string, requests []demo.Asked, headers ...string) {
	t.Helper()
	var said bytes.Buffer
	for _, a := range requests {
		fmt.Fprintf(&said, "%s %s\n", a.Method, a.Path)
		for _, name := range headers {
			if value := a.Header.Get(name); value != "" {
				fmt.Fprintf(&said, "%s: %s\n", name, value)
			}
		}
		if a.Body != "" {
			fmt.Fprintf(&said, "%s\n", a.Body)
		}
		said.WriteString("\n")
	}
	if *update {
		if err := os.WriteFile(golden, said.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, said.Bytes()) {
		t.Errorf("the requests are not those of %s; with -update they are written there:\n%s", golden, said.String())
	}
	// What every request must have is not in the recording.
	for _, a := range requests {
		if a.Header.Get("Accept") != "application/json" || a.Header.Get("Authorization") == "" || a.Body != "" && a.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s has the headers %v", a.Method, a.Path, a.Header)
		}
	}
}
