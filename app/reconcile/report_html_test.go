package reconcile_test

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// Gmail takes <style> away where it pleases, Outlook knows tables only, and most mailboxes show no remote picture:
// each mail must be whole without all of that.
func TestTheMailIsReadableEverywhere(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.html")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d mails, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			body, err := os.ReadFile(file)
			check(t, err)
			root, err := html.Parse(strings.NewReader(string(body)))
			check(t, err)
			seen := map[string]int{}
			walk(root, func(n *html.Node) { seen[n.Data]++; checkNode(t, n) })
			for tag, want := range map[string]int{"h1": 1, "style": 1, "script": 0, "img": 0, "link": 0, "iframe": 0, "form": 0, "svg": 0, "video": 0, "object": 0} {
				if seen[tag] != want {
					t.Errorf("%d <%s>, want %d", seen[tag], tag, want)
				}
			}
			text := string(body)
			for _, want := range []string{`<html lang="en">`, `name="color-scheme" content="light dark"`, "prefers-color-scheme: dark", "max-width:600px", "<!DOCTYPE html>"} {
				if !strings.Contains(text, want) {
					t.Errorf("there is no %s", want)
				}
			}
			for _, not := range []string{"url(", "@import", "display:flex", "display:grid", "position:"} {
				if strings.Contains(text, not) {
					t.Errorf("there is %s", not)
				}
			}
		})
	}
}

// walk visits every element.
func walk(n *html.Node, visit func(*html.Node)) {
	if n.Type == html.ElementNode {
		visit(n)
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		walk(c, visit)
	}
}

// checkNode says what a mailbox would not show: what has its colour or size from <style> alone, links that lead
// nowhere from a mailbox, and tables that a screen reader would read out as such.
func checkNode(t *testing.T, n *html.Node) {
	t.Helper()
	attr := map[string]string{}
	for _, a := range n.Attr {
		attr[a.Key] = a.Val
		if strings.HasPrefix(a.Key, "on") || a.Key == "src" || a.Key == "background" || a.Key == "id" {
			t.Errorf("<%s> has %s", n.Data, a.Key)
		}
	}
	switch {
	case n.Data == "a":
		u, err := url.Parse(attr["href"])
		if err != nil || u.Scheme != "https" || u.Host != "bursar.example.com" || !strings.HasPrefix(u.Path, "/admin") {
			t.Errorf("a link leads to %q", attr["href"])
		}
	case n.Data == "table" && attr["role"] != "presentation":
		t.Error("a table is not presentation")
	}
	for class := range strings.FieldsSeq(attr["class"]) {
		if (class == "ink" || class == "soft" || class == "link") && !strings.Contains(attr["style"], "color:#") {
			t.Errorf("<%s class=%q> has no colour without <style>", n.Data, class)
		}
	}
}

// The subject is on lock screens and in other people's view: it names nobody.
func TestNobodyIsNamedInTheSubject(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"everything", "needs-you", "incomplete", "hostile-names"} {
		text, err := os.ReadFile("testdata/" + name + ".txt")
		check(t, err)
		subject, _, _ := strings.Cut(string(text), "\n")
		for _, r := range busy().NeedsYou {
			if strings.Contains(subject, r.Who) {
				t.Errorf("%s: %s", name, subject)
			}
		}
		if strings.Contains(subject, "@") || strings.Contains(subject, "script") || len(subject) > 160 {
			t.Errorf("%s: %s", name, subject)
		}
	}
}
