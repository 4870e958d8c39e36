package mail

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"
)

func files(text, page string) fs.FS {
	return fstest.MapFS{
		"web/mail/layout.html": {Data: []byte(`<body>{{template "content" .}}</body>`)},
		"web/mail/note.txt":    {Data: []byte(text)},
		"web/mail/note.html":   {Data: []byte(page)},
	}
}

const noteText = `{{define "subject"}}
  For {{.}}
{{end}}{{define "body"}}

- {{wrap 2 .}}
{{end}}`

func TestRender(t *testing.T) {
	t.Parallel()
	templates, err := ParseTemplates(files(noteText, `{{define "content"}}<b>{{.}}</b>{{end}}`))
	if err != nil {
		t.Fatal(err)
	}
	subject, text, html, err := templates.Render("note", "<i>Ada</i> {{.}}\r\nBcc: eve@example.com "+strings.Repeat("word ", 40))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(subject, "For <i>Ada</i> {{.}} Bcc: eve@example.com word") || utf8.RuneCountInString(subject) > maxSubject {
		t.Errorf("the subject is %q", subject)
	}
	if !strings.HasPrefix(text, "- <i>Ada</i> {{.}} Bcc:") || !strings.HasSuffix(text, "word\n") {
		t.Errorf("the text is %q", text)
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		if len(line) > textWidth || !strings.HasPrefix(line, "- ") && !strings.HasPrefix(line, "  word") {
			t.Errorf("a line of the text is %q", line)
		}
	}
	if !strings.HasPrefix(html, "<body><b>&lt;i&gt;Ada&lt;/i&gt; {{.}}") {
		t.Errorf("the HTML is %q", html)
	}
	if _, _, _, err := templates.Render("nothing", nil); err == nil {
		t.Error("a mail that is not there was rendered")
	}
}

func TestTemplatesThatLackAPart(t *testing.T) {
	t.Parallel()
	page := `{{define "content"}}{{end}}`
	for _, row := range []struct {
		name  string
		files fs.FS
		words string
	}{
		{"no files", fstest.MapFS{}, "no mail templates"},
		{"no subject", files(`{{define "body"}}{{end}}`, page), `"subject"`},
		{"no body", files(`{{define "subject"}}{{end}}`, page), `"body"`},
		{"no content", files(noteText, `hello`), `"content"`},
		{"no HTML", fstest.MapFS{"web/mail/note.txt": {Data: []byte(noteText)}, "web/mail/layout.html": {}}, "note.html"},
		{"not a template", files(`{{define "subject"}`, page), "note.txt"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if _, err := ParseTemplates(row.files); err == nil || !strings.Contains(err.Error(), row.words) {
				t.Errorf("the error is %v, want %s in it", err, row.words)
			}
		})
	}
}

func TestLine(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, in, want string }{
		{"plain", "Ada Lovelace", "Ada Lovelace"},
		{"empty", "", ""},
		{"as long as it may be", "1234567890123456", "1234567890123456"},
		{"one more", "12345678901234567", "123456789012345…"},
		{"cut after a space", "12345678901234 67", "12345678901234…"},
		{"line breaks of all kinds", "a\r\nb\u2028c\u0085d\te\vf", "a b c d e f"},
		{"escape sequences", "\x1b[31mred\x00", "[31mred"},
		{"direction overrides", "\u202egpj.exe\u2066\u200f", "gpj.exe"},
		{"zero width", "a\u200bd\ufeffmin", "admin"},
		{"a family", "👩\u200d👧", "👩\u200d👧"},
		{"letters, not bytes", strings.Repeat("ü", 20), strings.Repeat("ü", 15) + "…"},
		{"not UTF-8", "a\xffb", "a\ufffdb"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if got := Line(row.in, 16); got != row.want {
				t.Errorf("Line(%q) = %q, want %q", row.in, got, row.want)
			}
		})
	}
}
