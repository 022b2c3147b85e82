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
	quote, begin := byte(0), true
	for i := 0; i < len(line); i++ {
		c := line[i]
		first := begin
		begin = quote == 0 && (c == ' ' || c == '\t')
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
			n := 0
			if variable != nil {
				n = variable(line[i+1:])
			}
			if n == 0 {
				if name := expansion(line[i:]); name != "" {
					return name
				}
			}
			i += n
		case c == '`':
			return "`"
		case quote != 0:
		case c == '\'':
			quote = c
		case strings.IndexByte("<>|;&()*?[", c) >= 0:
			return operator(line[i:])
		case first && (c == '~' || c == '#'):
			return line[i : i+1]
		}
	}
	return firstWord(line)
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
