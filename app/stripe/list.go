package stripe

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
)

// DecodeList reads events from a file: JSON lines, a JSON array, or list objects as the API
// and `stripe events list` print them. An error names the event by its number, from 1; after
// one that is not an event the next is read, after broken JSON nothing more can be.
func DecodeList(r io.Reader) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		n := 0
		for value, err := range jsonValues(r) {
			if err != nil {
				yield(Event{}, fmt.Errorf("event %d: %w", n+1, err))
				return
			}
			for _, body := range listElements(value) {
				n++
				ev, err := DecodeEvent(body)
				if err != nil {
					err = fmt.Errorf("event %d: %w", n, err)
				}
				if !yield(ev, err) {
					return
				}
			}
		}
	}
}

// jsonValues reads one value at a time: those of the array r begins with, or all of r.
func jsonValues(r io.Reader) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		buffered := bufio.NewReader(r)
		inArray, err := beginsWithArray(buffered)
		decoder := json.NewDecoder(buffered)
		if err == nil && inArray {
			_, err = decoder.Token()
		}
		for err == nil && (!inArray || decoder.More()) {
			var value json.RawMessage
			if err = decoder.Decode(&value); err == nil && !yield(value, nil) {
				return
			}
		}
		if err == nil { // the end of the array: anything but its bracket is a cut-off file
			_, err = decoder.Token()
		}
		if err != nil && (inArray || !errors.Is(err, io.EOF)) {
			yield(nil, fmt.Errorf("reading JSON: %w", err))
		}
	}
}

// beginsWithArray looks at the first character of r that is not white space.
func beginsWithArray(r *bufio.Reader) (bool, error) {
	for {
		c, err := r.ReadByte()
		if err != nil {
			return false, err
		}
		switch c {
		case ' ', '\t', '\r', '\n':
		default:
			return c == '[', r.UnreadByte()
		}
	}
}

// listElements returns what a list object lists, or the value itself when it is none.
func listElements(value json.RawMessage) []json.RawMessage {
	var list struct {
		Object string            `json:"object"`
		Data   []json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(value, &list); err != nil || list.Object != "list" || list.Data == nil {
		return []json.RawMessage{value}
	}
	return list.Data
}
