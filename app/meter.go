package app

import (
	"fmt"
	"io"
	"os"
	"time"

	"bursar/app/db"
)

// meter shows how far a run is: a bar that moves on a terminal, and elsewhere a line now and then.
type meter struct {
	w     io.Writer
	tty   bool
	shown time.Time
	drawn bool // a bar stands in the line
}

const lineEvery = 10 * time.Second // between plain lines

func newMeter(w io.Writer) *meter {
	f, ok := w.(*os.File)
	if !ok {
		return &meter{w: w, shown: time.Now()}
	}
	info, err := f.Stat()
	return &meter{w: w, shown: time.Now(), tty: err == nil && info.Mode()&os.ModeCharDevice != 0}
}

// show draws how far a run is, measured by the one before.
func (m *meter) show(now, last db.Run) {
	done, all := now.Contacts+now.Tickets+now.Subscriptions+now.Customers, last.Contacts+last.Tickets+last.Subscriptions+last.Customers
	text := fmt.Sprintf("%d subscriptions, %d customers, %d contacts read", now.Subscriptions, now.Customers, now.Contacts)
	if !m.tty {
		if time.Since(m.shown) >= lineEvery {
			m.shown = time.Now()
			fmt.Fprintln(m.w, text)
		}
		return
	}
	if all > 0 {
		text = bar(min(done*100/all, 100)) + " " + text
	}
	m.drawn = true
	fmt.Fprintf(m.w, "\r\x1b[K%s", text)
}

// say ends the bar with a sentence, which only a terminal needs.
func (m *meter) say(text string) {
	if m.tty {
		m.drawn = true
		fmt.Fprintf(m.w, "\r\x1b[K%s", text)
	}
}

// end leaves a clean line.
func (m *meter) end() {
	if m.drawn {
		fmt.Fprint(m.w, "\r\x1b[K")
	}
}
