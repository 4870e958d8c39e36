package queue

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Discard marks an error that no retry can heal: the job is discarded at once.
func Discard(err error) error { return &discardError{err} }

// Snooze puts a job back to wait until a time without counting the attempt.
func Snooze(until time.Time, why error) error { return &snoozeError{until, why} }

// Unavailable marks an error of a system that did not answer, or not sensibly. A few in a row open
// its circuit. after is what the system asked for (Retry-After), 0 if nothing.
func Unavailable(err error, after time.Duration) error { return &systemError{err, after, false} }

// Unauthorized marks an error of a system that refuses our credentials. It opens the circuit at once,
// and the attempt does not count: the job waits for somebody to mend the setting.
func Unauthorized(err error) error { return &systemError{err, 0, true} }

type discardError struct{ error }

func (e *discardError) Unwrap() error { return e.error }

type snoozeError struct {
	until time.Time
	why   error
}

func (e *snoozeError) Error() string {
	return fmt.Sprintf("wait until %s: %v", e.until.UTC().Format(time.RFC3339), e.why)
}
func (e *snoozeError) Unwrap() error { return e.why }

type systemError struct {
	error
	after        time.Duration
	unauthorized bool
}

func (e *systemError) Unwrap() error { return e.error }

// maxRetryAfter bounds what a Retry-After may ask for.
const maxRetryAfter = time.Hour

// maxDelay bounds the time between two attempts.
const maxDelay = 10 * time.Hour

// retryDelay is attempt^4 seconds with a tenth of jitter: 1 s, 16 s, 81 s, 4 min, 10 min, 22 min …
// River's policy. A system that names a longer time gets it.
func retryDelay(attempt int64, err error) time.Duration {
	delay := maxDelay
	if attempt < 14 { // 14^4 s is beyond maxDelay
		delay = time.Duration(attempt*attempt*attempt*attempt) * time.Second
	}
	delay += time.Duration((rand.Float64() - 0.5) * 0.2 * float64(delay))
	var sys *systemError
	if errors.As(err, &sys) {
		delay = max(delay, min(sys.after, maxRetryAfter))
	}
	return delay
}
