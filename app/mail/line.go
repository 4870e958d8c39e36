package mail

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// joiners are the invisible characters that words and emoji are made with.
const joiners = "\u200c\u200d"

// Line makes foreign text fit for one line of a mail: line breaks and controls become spaces, what is
// invisible or turns the writing direction goes, and it is cut to so many characters.
func Line(s string, characters int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r) || unicode.IsSpace(r):
			return ' '
		case unicode.Is(unicode.Cf, r) && !strings.ContainsRune(joiners, r):
			return -1
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if utf8.RuneCountInString(s) <= characters {
		return s
	}
	return strings.TrimRight(string([]rune(s)[:characters-1]), " ") + "…"
}

// wrap sets one line of text in lines of at most width characters, all but the first indented. Words
// are not broken: an address on the web stays whole.
func wrap(indent, width int, s string) string {
	var b strings.Builder
	column := indent
	for i, word := range strings.Fields(s) {
		length := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case column+1+length > width:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			column = indent
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += length
	}
	return b.String()
}

// UpperFirst begins a sentence.
func UpperFirst(s string) string {
	first, size := utf8.DecodeRuneInString(s)
	if size == 0 {
		return ""
	}
	return string(unicode.ToUpper(first)) + s[size:]
}
