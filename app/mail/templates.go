package mail

import (
	"fmt"
	htmltemplate "html/template"
	"io/fs"
	"path"
	"strings"
	texttemplate "text/template"
)

const (
	templateDir = "web/mail"
	layoutFile  = templateDir + "/layout.html"
	textWidth   = 72
)

// Templates are the mails' texts. Each mail is a .txt with the blocks "subject" and "body", and an
// .html with the block "content" that layout.html goes round.
type Templates struct {
	text map[string]*texttemplate.Template
	html map[string]*htmltemplate.Template
}

// ParseTemplates reads web/mail in fsys. A mail that lacks one of its parts is an error.
func ParseTemplates(fsys fs.FS) (*Templates, error) {
	files, err := fs.Glob(fsys, templateDir+"/*.txt")
	if err != nil {
		return nil, fmt.Errorf("find mail templates: %w", err)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("there are no mail templates in %s", templateDir)
	}
	t := &Templates{text: map[string]*texttemplate.Template{}, html: map[string]*htmltemplate.Template{}}
	for _, file := range files {
		if err := t.parse(fsys, file); err != nil {
			return nil, fmt.Errorf("mail template: %w", err)
		}
	}
	return t, nil
}

func (t *Templates) parse(fsys fs.FS, file string) error {
	name := strings.TrimSuffix(path.Base(file), ".txt")
	funcs := texttemplate.FuncMap{"wrap": func(indent int, s string) string { return wrap(indent, textWidth, s) }}
	text, err := texttemplate.New(name).Funcs(funcs).ParseFS(fsys, file)
	if err != nil {
		return err
	}
	for _, block := range []string{"subject", "body"} {
		if text.Lookup(block) == nil {
			return fmt.Errorf("%s does not define %q", file, block)
		}
	}
	page := templateDir + "/" + name + ".html"
	html, err := htmltemplate.ParseFS(fsys, layoutFile, page)
	if err != nil {
		return err
	}
	if html.Lookup("content") == nil {
		return fmt.Errorf("%s does not define %q", page, "content")
	}
	t.text[name], t.html[name] = text, html
	return nil
}

// Render writes the mail called name. The subject comes back as one line without control characters.
func (t *Templates) Render(name string, data any) (subject, text, html string, err error) {
	if t.text[name] == nil {
		return "", "", "", fmt.Errorf("there is no mail template %q", name)
	}
	var head, body, page strings.Builder
	if err := t.text[name].ExecuteTemplate(&head, "subject", data); err != nil {
		return "", "", "", fmt.Errorf("render mail: %w", err)
	}
	if err := t.text[name].ExecuteTemplate(&body, "body", data); err != nil {
		return "", "", "", fmt.Errorf("render mail: %w", err)
	}
	if err := t.html[name].ExecuteTemplate(&page, path.Base(layoutFile), data); err != nil {
		return "", "", "", fmt.Errorf("render mail: %w", err)
	}
	return Line(head.String(), maxSubject), strings.TrimSpace(body.String()) + "\n", page.String(), nil
}
