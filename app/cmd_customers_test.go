package app_test

import (
	"database/sql"
	"strings"
	"testing"
)

func TestCustomersFromTheCommandLine(t *testing.T) {
	t.Parallel()
	b := newBursar(t)
	if out := b.must("customers"); out != "none\n" {
		t.Errorf("empty: %s", out)
	}
	raw, err := sql.Open("sqlite", b.settings["BURSAR_DB"])
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	for _, statement := range []string{
		`INSERT INTO customers (id, name, email, created_at, updated_at) VALUES (1, 'Ada Lovelace', 'ada@example.com', 1, 1), (2, 'Ada L.', 'Ada+x@example.com', 1, 1)`,
		`INSERT INTO links VALUES ('user', 'u1', 1, 1), ('stripe', 'cus_2', 2, 1)`,
	} {
		if _, err := raw.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	has := func(what, out string, wants ...string) {
		t.Helper()
		for _, want := range wants {
			if !strings.Contains(out, want) {
				t.Errorf("%s: %q is not in %s", what, want, out)
			}
		}
	}
	has("a part of a name", b.must("customers", "list", "lovel"), "Ada Lovelace")
	has("an id", b.must("customers", "list", "cus_2", "--json"), `"Ada L."`)
	has("one", b.must("customers", "show", "u1"), "customer 1: Ada Lovelace <ada@example.com>", "user u1", "STRIPE")
	has("a preview", b.must("customers", "merge", "2", "1"), "for: the same mailbox", "afterwards: access none")
	has("still two", b.must("customers"), "Ada Lovelace", "Ada L.")
	if code, _, stderr := b.run("customers", "merge", "2", "1", "--yes"); code != 1 || !strings.Contains(stderr, "--reason") {
		t.Errorf("without a reason: %d %s", code, stderr)
	}
	has("joined", b.must("customers", "merge", "2", "1", "--yes", "--reason", "she said so"), "customer 2 is joined into 1")
	has("the old number", b.must("customers", "show", "2"), "customer 1: Ada Lovelace", "stripe cus_2", "she said so")
	has("the audit", b.must("audit", "--action", "customers.merge"), "she said so")
	has("taken apart", b.must("customers", "unmerge", "2"), "has its own number")
	has("the other", b.must("customers", "show", "2", "--json"), `"Ada L."`, "cus_2")
	if code, _, stderr := b.run("customers", "unmerge", "2"); code != 1 || !strings.Contains(stderr, "not joined") {
		t.Errorf("twice: %d %s", code, stderr)
	}
}
