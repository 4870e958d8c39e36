package mail

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"bursar/app/db"
	"bursar/app/queue"
)

func TestAKeyIsSaidOnce(t *testing.T) {
	t.Parallel()
	d := newDB(t)
	put(t, d, hello("k"), true)
	again := hello("k")
	again.Subject, again.To = "something else", []string{"eve@example.com"}
	put(t, d, again, true)
	put(t, d, again, false)

	m := read(t, d, "k")
	if m.Subject != hello("").Subject || m.Recipients != "ada@example.com, bob@example.com" || m.State != Waiting {
		t.Errorf("the mail became %q to %q, %s", m.Subject, m.Recipients, m.State)
	}
	if got := jobs(t, d); got[queue.Available] != 1 {
		t.Errorf("the jobs are %v, want one", got)
	}
}

func TestAMailIsKeptWhereItCannotBeSent(t *testing.T) {
	t.Parallel()
	d, s := newDB(t), newServer(t, faults{})
	put(t, d, hello("without SMTP"), false)
	nobody := hello("without recipients")
	nobody.To = nil
	put(t, d, nobody, true)
	if got := jobs(t, d); len(got) != 0 {
		t.Errorf("the jobs are %v, want none", got)
	}

	// SMTP is configured later, and new mails go out: the kept ones stay.
	put(t, d, hello("later"), true)
	work(t, d, s.signedIn(t))
	s.parsed(t)
	for _, key := range []string{"without SMTP", "without recipients"} {
		if m := read(t, d, key); m.State != Kept {
			t.Errorf("the mail %s is %s", key, m.State)
		}
	}
}

func TestAMailGoesBackWithItsTransaction(t *testing.T) {
	t.Parallel()
	d := newDB(t)
	boom := errors.New("boom")
	err := d.Tx(t.Context(), func(q *db.Queries) error {
		if err := Put(t.Context(), q, hello("k"), true); err != nil {
			return err
		}
		return boom
	})
	if !errors.Is(err, boom) {
		t.Fatal(err)
	}
	if _, err := d.Read().MailByKey(t.Context(), "k"); !errors.Is(err, db.ErrNoRows) {
		t.Errorf("the mail is there: %v", err)
	}
	if got := jobs(t, d); len(got) != 0 {
		t.Errorf("the jobs are %v, want none", got)
	}
}

func TestNothingIsSmuggledIntoAHeader(t *testing.T) {
	t.Parallel()
	d, s := newDB(t), newServer(t, faults{})
	m := hello("k")
	m.Subject = "Hi\r\nBcc: eve@example.com\r\n\r\n<script>" + strings.Repeat("x", 300) + "\u202egpj\x00"
	put(t, d, m, true)
	work(t, d, s.signedIn(t))

	e := s.parsed(t)
	if got := e.GetHeader("Subject"); !strings.HasPrefix(got, "Hi Bcc: eve@example.com <script>xxx") || len([]rune(got)) != maxSubject {
		t.Errorf("the subject is %q", got)
	}
	if e.GetHeader("Bcc") != "" || strings.Contains(e.Text, "script") {
		t.Error("the subject became a header or the body")
	}
}

func TestParseAddresses(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, list string
		want       []string
		wrong      bool
	}{
		{"nobody", "", nil, false},
		{"commas only", " , ,", nil, false},
		{"two, with spaces", " ada@example.com ,bob+x@example.co.uk", []string{"ada@example.com", "bob+x@example.co.uk"}, false},
		{"letters beyond ASCII", "jürgen@bücher.example", []string{"jürgen@bücher.example"}, false},
		{"a name", "Ada <ada@example.com>", nil, true},
		{"no domain", "ada", nil, true},
		{"a line break and a command", "ada@example.com\r\nRCPT TO:<eve@example.com>", nil, true},
		{"brackets", "<ada@example.com>", nil, true},
		{"a quoted local part", `"ada lovelace"@example.com`, nil, true},
		{"a comment", "ada@example.com (Ada)", nil, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			got, err := ParseAddresses(row.list)
			if (err != nil) != row.wrong || !slices.Equal(got, row.want) {
				t.Errorf("%q is %q, %v", row.list, got, err)
			}
		})
	}
}
