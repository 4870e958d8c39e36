package auth

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	tryWindow  = time.Minute
	maxTracked = 10_000
)

// limit is how many wrong tries in a minute one key may have.
type limit struct {
	key  string
	most int
}

// byAccount limits who guesses the password of one account. Another address can still sign in to it: a
// stranger must not be able to lock the owner out.
func byAccount(email, address string) limit {
	email = strings.ToLower(email[:min(len(email), maxEmail)])
	return limit{"account " + email + " " + network(address), 5}
}

// byAddress limits who goes through many accounts.
func byAddress(address string) limit { return limit{"address " + network(address), 20} }

// byCode limits who guesses the second factor of one account.
func byCode(user int64, address string) limit {
	return limit{fmt.Sprintf("code %d %s", user, network(address)), 5}
}

// byAllCodes limits everybody who guesses it together: a thousand addresses would find one of a million
// codes within hours.
func byAllCodes(user int64) limit { return limit{fmt.Sprintf("codes %d", user), 50} }

// byCeremony limits who asks for passkeys to be used, each of which takes a little memory.
func byCeremony(address string) limit { return limit{"ceremony " + network(address), 30} }

// byReset limits who asks for mails.
func byReset(address string) limit { return limit{"reset " + network(address), 5} }

// network is the address, or for IPv6 the /64 it is in: one household or machine has all of that.
func network(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil || a.Unmap().Is4() {
		return address
	}
	return netip.PrefixFrom(a.WithZone(""), 64).Masked().String()
}

// tries counts wrong tries of the last minute, in memory. The zero value is ready.
type tries struct {
	mu    sync.Mutex
	times map[string][]time.Time // by key, oldest first
}

// try is one that was counted.
type try struct {
	at   time.Time
	keys []string
}

// begin counts a try before it is known to be wrong, so that a hundred at once are no way around the
// limit. It is false, and counts nothing, if a limit is reached.
func (t *tries) begin(limits ...limit) (try, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	for _, l := range limits {
		if t.recent(l.key, now) >= l.most {
			return try{}, false
		}
	}
	t.makeRoom(now)
	this := try{at: now}
	for _, l := range limits {
		t.times[l.key] = append(t.times[l.key], now)
		this.keys = append(this.keys, l.key)
	}
	return this, true
}

// forgive takes back a try that was right.
func (t *tries) forgive(right try) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, key := range right.keys {
		if i := slices.Index(t.times[key], right.at); i >= 0 {
			t.times[key] = slices.Delete(t.times[key], i, i+1)
		}
	}
}

// recent forgets what is out of the window and counts the rest.
func (t *tries) recent(key string, now time.Time) int {
	times := t.times[key]
	for len(times) > 0 && now.Sub(times[0]) >= tryWindow {
		times = times[1:]
	}
	if len(times) == 0 {
		delete(t.times, key)
		return 0
	}
	t.times[key] = times
	return len(times)
}

// makeRoom bounds the memory. Whoever commands so many addresses that a minute of them fills it is not
// held up by limits for one address, so forgetting all of them gives nothing away.
func (t *tries) makeRoom(now time.Time) {
	if len(t.times) >= maxTracked {
		for key := range t.times {
			t.recent(key, now)
		}
	}
	if t.times == nil || len(t.times) >= maxTracked {
		t.times = map[string][]time.Time{}
	}
}
