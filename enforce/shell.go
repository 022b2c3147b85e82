package enforce

import (
	"slices"
	"strings"
)

// shellWords are the reserved words and builtins of a shell that are no programs.
var shellWords = []string{
	".", ":", "!", "{", "}", "[[", "alias", "break", "case", "cd", "command", "continue", "eval", "exec", "exit", "export", "for", "function",
	"getopts", "hash", "if", "local", "read", "readonly", "return", "set", "shift", "source", "trap", "type", "ulimit", "umask", "unset",
	"until", "wait", "while",
}

// ShellSyntax returns the first part of a command line that has a meaning to a shell
// and none to a program that is run without one: redirections, pipes, lists,
// substitutions, globs, comments, shell builtins. It is "" if there is none outside
// quotes. variable returns how many bytes of the text after a dollar sign are the name of
// a known variable; nil: none is known.
func ShellSyntax(line string, variable func(text string) int) string {
	quote, first := byte(0), true // first: of a word
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case quote == '\'':
			if c == '\'' {
				quote = 0
			}
		case c == '\\':
			i++
		case c == '"':
			quote ^= '"'
		case c == '$':
			n, name := dollar(line[i:], variable)
			if name != "" {
				return name
			}
			i += n
		case c == '`':
			return "`"
		case quote != 0:
		case c == '\'':
			quote = c
		default:
			if found := unquoted(line[i:], first); found != "" {
				return found
			}
		}
		first = quote == 0 && (c == ' ' || c == '\t')
	}
	return firstWord(line)
}

// unquoted returns what the text outside of quotes begins with, if it has a meaning. first: it
// begins a word.
func unquoted(text string, first bool) string {
	switch c := text[0]; {
	case strings.IndexByte("<>|;&()*?[", c) >= 0:
		return operator(text)
	case first && (c == '~' || c == '#'):
		return text[:1]
	}
	return ""
}

// dollar returns how many bytes behind the dollar sign are the name of a known variable, or
// else the expansion that the sign begins.
func dollar(text string, variable func(string) int) (known int, name string) {
	if variable != nil {
		known = variable(text[1:])
	}
	if known > 0 {
		return known, ""
	}
	return 0, expansion(text)
}

// expansion returns the expansion that a dollar sign begins, "" if it begins none.
func expansion(text string) string {
	n := 1
	for n < len(text) && isNameByte(text[n], n > 1) {
		n++
	}
	if n == 1 && len(text) > 1 && strings.IndexByte("({?!#@*$-0123456789", text[1]) >= 0 {
		n = 2
	}
	if n == 1 {
		return ""
	}
	return text[:n]
}

func isNameByte(c byte, digits bool) bool {
	return c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' || digits && c >= '0' && c <= '9'
}

// operator returns the operator that text begins with.
func operator(text string) string {
	if len(text) > 1 && text[0] == text[1] && strings.IndexByte("<>|&;", text[0]) >= 0 {
		return text[:2]
	}
	return text[:1]
}

// firstWord returns the first word if a shell would not run it as a program, else "".
func firstWord(line string) string {
	word, _, _ := strings.Cut(strings.TrimLeft(line, " \t"), " ")
	if slices.Contains(shellWords, word) {
		return word
	}
	n := 0
	for n < len(word) && isNameByte(word[n], n > 0) {
		n++
	}
	if n > 0 && n < len(word) && word[n] == '=' {
		return word[:n+1]
	}
	return ""
}
