package stripe

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func TestDecodeList(t *testing.T) {
	t.Parallel()
	const one, two, three = `{"id":"evt_1","type":"a","data":{"object":{}}}`, `{"id":"evt_2","type":"b"}`, `{"id":"evt_3","type":"c"}`
	tests := []struct {
		name, file string
		want       []string // ids, or the beginning of an error
	}{
		{"nothing", "", nil},
		{"white space", " \n\t\r\n", nil},
		{"JSON lines", one + "\n" + two + "\n\n" + three + "\n", []string{"evt_1", "evt_2", "evt_3"}},
		{"JSON lines without the last break", one + "\r\n" + two, []string{"evt_1", "evt_2"}},
		{"an array", " [" + one + ",\n" + two + "] ", []string{"evt_1", "evt_2"}},
		{"an empty array", "[]", nil},
		{"a list object", `{"object":"list","data":[` + one + "," + two + `],"has_more":true}`, []string{"evt_1", "evt_2"}},
		{"an empty list object", `{"object":"list","data":[]}`, nil},
		{"list objects one after another", `{"data":[` + one + `],"object":"list"}` + "\n" + `{"object":"list","data":[` + two + `]}`, []string{"evt_1", "evt_2"}},

		{"one that is no event among others", one + "\n{}\n" + three, []string{"evt_1", "event 2: ", "evt_3"}},
		{"a list object without data", `{"object":"list"}`, []string{"event 1: "}},
		{"a broken line", one + "\n{\"id\":\n" + three, []string{"evt_1", "event 2: "}},
		{"a cut-off line", one + "\n" + two[:10], []string{"evt_1", "event 2: "}},
		{"a cut-off array", "[" + one + ",", []string{"evt_1", "event 2: "}},
		{"an array without its end", "[" + one, []string{"evt_1", "event 2: "}},
		{"an array with broken JSON", "[" + one + " x]", []string{"evt_1", "event 2: "}},
		{"not JSON", "hello", []string{"event 1: "}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for ev, err := range DecodeList(iotest.OneByteReader(strings.NewReader(tt.file))) {
				if err != nil {
					got = append(got, err.Error()[:len("event 1: ")])
					continue
				}
				got = append(got, ev.ID)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestDecodeListKeepsPayloads(t *testing.T) {
	t.Parallel()
	var payloads []string
	for ev, err := range DecodeList(strings.NewReader(`[{"id":"evt_1", "type":"a"},{"id":"evt_2","type":"b"}]`)) {
		if err != nil {
			t.Fatal(err)
		}
		payloads = append(payloads, string(ev.Payload))
	}
	if want := []string{`{"id":"evt_1", "type":"a"}`, `{"id":"evt_2","type":"b"}`}; !slices.Equal(payloads, want) {
		t.Errorf("payloads %q, want %q", payloads, want)
	}
}

func TestDecodeListTellsReadErrors(t *testing.T) {
	t.Parallel()
	broken := errors.New("disk on fire")
	for _, err := range DecodeList(iotest.ErrReader(broken)) {
		if !errors.Is(err, broken) {
			t.Errorf("error %v, want %v", err, broken)
		}
		return
	}
	t.Error("no error")
}

func ExampleDecodeList() {
	for ev, err := range DecodeList(strings.NewReader(`{"id":"evt_1","type":"invoice.paid"}` + "\n{}")) {
		fmt.Println(ev.ID, err)
	}
	// Output:
	// evt_1 <nil>
	//  event 2: stripe: body is not a Stripe event: no event id
}
