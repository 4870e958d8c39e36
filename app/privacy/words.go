package privacy

import (
	"html"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// removed stands where a word was.
const removed = "[erased]"

// words takes the words of a person out of texts that are about others as well, like a report.
type words []*regexp.Regexp

// cut is the least of a long word that is left where a line had no room for all of it, in characters.
const cut = 30

// newWords finds a word in any case, as a whole, also as HTML has it, over the end of a line, and cut with an ellipsis.
func newWords(list []string) words {
	var w words
	list = slices.SortedFunc(slices.Values(list), func(a, b string) int { return len(b) - len(a) })
	for _, word := range list {
		for _, form := range forms(word) {
			w = append(w, regexp.MustCompile(`(?i)`+edge(form[0])+spaced(form)+edge(form[len(form)-1])))
			if utf8.RuneCountInString(form) > cut {
				w = append(w, regexp.MustCompile(`(?i)`+edge(form[0])+spaced(string([]rune(form)[:cut]))+`[^\n<>]{0,200}?…`))
			}
		}
	}
	return w
}

// forms are a word as it is, and as it is in HTML.
func forms(word string) []string { return slices.Compact([]string{word, html.EscapeString(word)}) }

// probes are what any form of a word begins with, wherever its lines are broken or cut: SQL finds these.
func probes(list []string) (probes []string) {
	for _, word := range list {
		for _, form := range forms(word) {
			first := []rune(strings.Fields(form + " -")[0])
			probes = appendNew(probes, string(first[:min(len(first), cut)]))
		}
	}
	return probes
}

func spaced(s string) string {
	var parts []string
	for _, part := range strings.Fields(s) {
		parts = append(parts, regexp.QuoteMeta(part))
	}
	return strings.Join(parts, `\s+`)
}

// edge asks for the end of a word where one can be: the name Ann is not a part of Annex.
func edge(c byte) string {
	if c == '_' || c < utf8.RuneSelf && (unicode.IsLetter(rune(c)) || unicode.IsDigit(rune(c))) {
		return `\b`
	}
	return ""
}

// in says that one of the words is in a text.
func (w words) in(text string) bool {
	return slices.ContainsFunc(w, func(word *regexp.Regexp) bool { return word.MatchString(text) })
}

func (w words) remove(text string) string {
	for _, word := range w {
		text = word.ReplaceAllLiteralString(text, removed)
	}
	return text
}
