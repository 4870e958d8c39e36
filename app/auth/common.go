package auth

import (
	_ "embed"
	"slices"
	"strings"
	"unicode"
)

// commonPasswords are those of 12 characters and more that lists of stolen ones begin with.
//
//go:embed common.txt
var commonPasswords string

// commonWords are what people begin with when a password has to be long: they put digits and signs round
// it, write letters as digits, or say it twice.
const commonWords = `password passwort passwd pass letmein welcome admin administrator root user login secret master
qwerty qwertz azerty qwertyuiop asdfghjkl zxcvbnm iloveyou sunshine princess dragon monkey football baseball
superman batman michael jennifer jordan shadow trustno abc test guest default changeme change changeit internet
computer samsung google facebook starwars pokemon summer winter spring autumn january february march april june july
august september october november december monday tuesday wednesday thursday friday bursar stripe company office
billing invoice support finance owner money hello freedom whatever`

// runs are what fingers do without a thought.
const runs = "abcdefghijklmnopqrstuvwxyz 01234567890123456789 98765432109876543210 qwertyuiopasdfghjklzxcvbnm qwertzuiop azertyuiop zyxwvutsrqponmlkjihgfedcba"

// isCommon says whether a password is among the first that a program would try: a known one, a common word
// or the e-mail address with decoration, a short piece over and over, or neighbours on the keyboard.
func isCommon(password, email string) bool {
	plain := strings.ToLower(password)
	if slices.Contains(strings.Fields(commonPasswords), plain) || isRepeated(plain) || isRun(plain) {
		return true
	}
	name, domain, _ := strings.Cut(strings.ToLower(email), "@")
	company, _, _ := strings.Cut(domain, ".")
	words := append(strings.Fields(commonWords), name, company)
	trimmed := strings.TrimFunc(plain, func(r rune) bool { return !unicode.IsLetter(r) })
	for _, core := range []string{letters(plain), letters(unleet(trimmed))} {
		rest := core
		for _, w := range words {
			if len(w) > 2 {
				rest = strings.ReplaceAll(rest, w, "")
			}
		}
		// Digits and signs round a word add little, and so do two letters.
		if rest != core && len(rest) < 3 {
			return true
		}
	}
	return letters(plain) == "" && len(plain) < 16 // a date, a telephone number
}

// letters drops everything else.
func letters(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) {
			return r
		}
		return -1
	}, s)
}

// unleet reads digits and signs as the letters that people use them for.
func unleet(s string) string {
	return strings.NewReplacer("0", "o", "1", "i", "!", "i", "3", "e", "4", "a", "@", "a", "5", "s", "$", "s", "7", "t", "+", "t", "8", "b").Replace(s)
}

// isRepeated finds a piece of up to six characters over and over.
func isRepeated(s string) bool {
	for n := 1; n <= 6 && n*2 <= len(s); n++ {
		if strings.HasPrefix(strings.Repeat(s[:n], len(s)/n+1), s) {
			return true
		}
	}
	return false
}

// isRun finds neighbours from end to end, in up to three pieces.
func isRun(s string) bool {
	for range 3 {
		longest := 0
		for _, run := range strings.Fields(runs) {
			n := 0
			for n < len(s) && strings.Contains(run, s[:n+1]) {
				n++
			}
			longest = max(longest, n)
		}
		if longest < 3 {
			return false
		}
		if s = s[longest:]; s == "" {
			return true
		}
	}
	return false
}
