package auth

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

func TestTheLimitsStaySmall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var all tries
		from := func(i int) limit { return byAddress("10.0." + strconv.Itoa(i/256) + "." + strconv.Itoa(i%256)) }
		first := from(0)
		for range first.most {
			all.begin(first)
		}
		for i := range maxTracked - 1 {
			all.begin(from(i + 1))
		}
		if _, ok := all.begin(first); ok || len(all.times) != maxTracked {
			t.Errorf("with %d addresses the first one may go on: %t", len(all.times), ok)
		}
		time.Sleep(tryWindow)
		all.begin(from(maxTracked))
		if len(all.times) != 1 {
			t.Errorf("%d addresses are remembered after a minute", len(all.times))
		}
		for i := range 3 * maxTracked {
			all.begin(from(i))
		}
		if len(all.times) > maxTracked {
			t.Errorf("%d addresses are remembered", len(all.times))
		}
	})
}
