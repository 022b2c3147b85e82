package parse

import (
	_ "embed"
	"strings"
	"unicode"
	"unicode/utf8"
)

// names are the months and weekdays of the C library's locales, sorted by bytes,
// one a line: the name in lower case and without a final point, a tab, the month
// in hexadecimal or 0, and "w" if it is a weekday, else "-". See names_generate.go.
//
//go:embed names.txt
var names string

// maxName is the longest name in names, in bytes.
const maxName = 36

// localName looks up the word b[i:end] among the names. month is 0 if it is none of
// a month's.
func localName(b []byte, i, end int) (month int, weekday bool) {
	var folded [maxName]byte
	word, ok := fold(folded[:0], b[i:end])
	if !ok {
		return 0, false
	}
	lo, hi := 0, len(names) // the line looked for begins in names[lo:hi]
	for lo < hi {
		mid := (lo + hi) / 2
		start := lo + strings.LastIndexByte(names[lo:mid], '\n') + 1
		tab := start + strings.IndexByte(names[start:], '\t')
		switch name := names[start:tab]; {
		case name == string(word):
			return int(hexValue[names[tab+1]]), names[tab+2] == 'w'
		case name < string(word):
			lo = tab + len("\t0-\n")
		default:
			hi = start
		}
	}
	return 0, false
}

// fold appends a word in the spelling of names. Bytes that are no UTF-8 are taken
// for Latin-1. It reports false if there is no room.
func fold(dst, word []byte) ([]byte, bool) {
	if n := len(word); n > 1 && word[n-1] == '.' {
		word = word[:n-1]
	}
	for len(word) > 0 {
		r, size := utf8.DecodeRune(word)
		if r == utf8.RuneError && size == 1 {
			r = rune(word[0])
		}
		if r = unicode.ToLower(r); r == 'ı' {
			r = 'i' // what its capital is in lower case, but in Turkish
		}
		if len(dst)+utf8.RuneLen(r) > cap(dst) {
			return dst, false
		}
		dst, word = utf8.AppendRune(dst, r), word[size:]
	}
	return dst, true
}
