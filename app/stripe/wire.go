package stripe

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// wireHead is what every Stripe object begins with.
type wireHead struct {
	ID     string `json:"id"`
	Object string `json:"object"`
}

func (h wireHead) head() wireHead { return h }

// wire is an object as Stripe sends it.
type wire interface{ head() wireHead }

// is checks that an object is one of its kind: an answer such as {} or an object of another kind is an error,
// where stripe-go would return an object full of zeros.
func is(h wireHead, object string) error {
	if h.ID == "" || h.Object != object {
		return fmt.Errorf("decoding a Stripe %s: found id %.40q of a %.40q", object, h.ID, h.Object)
	}
	return nil
}

// decode reads raw strictly.
func decode[W wire](raw json.RawMessage, object string) (W, error) {
	var w W
	if err := json.Unmarshal(raw, &w); err != nil {
		return w, fmt.Errorf("decoding a Stripe %s: %w", object, err)
	}
	return w, is(w.head(), object)
}

// as decodes an object and makes our own type of it.
func as[W wire, T any](raw json.RawMessage, object string, convert func(*W) T) (T, error) {
	w, err := decode[W](raw, object)
	if err != nil {
		var none T
		return none, err
	}
	return convert(&w), nil
}

// wireRaw is an object that is kept as Stripe sent it.
type wireRaw struct {
	wireHead
	raw json.RawMessage
}

func (w *wireRaw) UnmarshalJSON(raw []byte) error {
	w.raw = slices.Clone(raw)
	return json.Unmarshal(raw, &w.wireHead)
}

// ref is the id of another object, which Stripe sends as a string, as null, or as the object
// itself when it was expanded. Anything else is no reference.
type ref string

func (r *ref) UnmarshalJSON(raw []byte) error {
	*r = ""
	switch raw[0] {
	case '"':
		if id := raw[1 : len(raw)-1]; plain(id) {
			*r = ref(id)
			return nil
		}
		return json.Unmarshal(raw, (*string)(r))
	case '{':
		var object struct {
			ID any `json:"id"`
		}
		if err := json.Unmarshal(raw, &object); err != nil {
			return err
		}
		id, _ := object.ID.(string)
		*r = ref(id)
	}
	return nil
}

// plain says that a JSON string stands for itself, as ids do: lists have thousands of them.
func plain(text []byte) bool {
	for _, c := range text {
		if c == '\\' || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// stamp is a time: unix seconds, an RFC 3339 string (thin events), or null, which is zero.
type stamp time.Time

// maxUnix is the last second of the year 9999, the last that time.Time can write as JSON.
const maxUnix = 253402300799

func (s *stamp) UnmarshalJSON(raw []byte) error {
	*s = stamp{}
	text := string(raw)
	if text == "null" {
		return nil
	}
	if text[0] == '"' {
		at, err := time.Parse(`"`+time.RFC3339+`"`, text)
		if err != nil {
			return errors.New("not a time")
		}
		*s = stamp(at.UTC())
		return nil
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil || seconds < 0 || seconds > maxUnix {
		return errors.New("not a time")
	}
	if seconds > 0 {
		*s = stamp(time.Unix(seconds, 0).UTC())
	}
	return nil
}

// wireParent is where versions from basil on keep the subscription of an invoice.
type wireParent struct {
	Details struct {
		Subscription ref `json:"subscription"`
	} `json:"subscription_details"`
}

// wirePayment is how versions from basil on say what paid an invoice.
type wirePayment struct {
	PaymentIntent ref `json:"payment_intent"`
	Charge        ref `json:"charge"`
}

// first returns the first of values that is not empty.
func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
