package conf

import (
	"strings"
	"sync"
)

// Messages about malformed lines quote what was written, which may be a key: in place of
// a keyword (KEY=secret), behind the value of another one, or alone in its line.

// secretNames returns the spellings of the keywords whose values are secret, and those of
// other programs' files.
var secretNames = sync.OnceValue(func() []string {
	list := []string{"GPG_SIGNING_PW", "GPG_SIGN_PW", "PASSPHRASE", "PASSWORD"}
	for i := range AccessKeywords {
		k := &AccessKeywords[i]
		if !k.Secret() {
			continue
		}
		list = append(list, k.Name)
		for _, a := range k.Aliases {
			list = append(list, a.Name)
		}
	}
	return list
})

// clip makes s short enough for a message, without what may be a key.
func clip(s string) string {
	const most = 60
	if s = redact(s); len(s) > most {
		s = s[:most] + "…"
	}
	return s
}

// redact cuts s behind the first word that begins with a secret keyword: a key may
// follow it.
func redact(s string) string {
	for i := range len(s) {
		if i > 0 && wordLen(s[i-1:i]) > 0 {
			continue
		}
		if n := secretPrefix(s[i:]); n > 0 && i+n < len(s) {
			return s[:i+n] + "…"
		}
	}
	return s
}

// shownKeyword returns the part of an unknown keyword that is not a key. It is the word
// itself if it resembles a keyword, or if it has a value and consists of capitals as most
// keywords do. Only the characters before one that no keyword has count.
func shownKeyword(f File, l *line) string {
	directive := strings.HasPrefix(l.keyword, "%")
	name := strings.TrimPrefix(l.keyword, "%")
	head, rest := name[:wordLen(name)], "…"
	if head == name {
		rest = ""
	}
	if n := secretPrefix(head); n > 0 && n < len(head) {
		return head[:n] + "…"
	}
	switch {
	case directive && NearestOf("%"+head, directives) != "":
		return "%" + head + rest
	case directive:
		return "%…"
	case Find(f, head) != nil, Find(1-f, head) != nil, nearest(f, head) != "":
		return head + rest
	case strings.Trim(l.rest, "; \t") == "", len(head) > 32,
		strings.Trim(head, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") != "":
		return "…"
	}
	return head + rest
}

// secretPrefix returns the length of the longest secret keyword that s begins with, in
// capitals or not, 0 if there is none.
func secretPrefix(s string) int {
	longest := 0
	for _, name := range secretNames() {
		if len(name) > longest && len(s) >= len(name) && strings.EqualFold(s[:len(name)], name) {
			longest = len(name)
		}
	}
	return longest
}

// glued returns the keyword that a word begins with if a character that no keyword has
// follows it, as in KEY=secret; nil if there is none.
func glued(f File, word string) *Keyword {
	if n := wordLen(word); n < len(word) {
		return Find(f, word[:n])
	}
	return nil
}

// wordLen returns how many bytes of a keyword s begins with.
func wordLen(s string) int {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !(c == '_' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z') {
			return i
		}
	}
	return len(s)
}
