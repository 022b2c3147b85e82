package command

import (
	"errors"
	"strings"
)

// ErrQuote is a quote that does not end, or a backslash with nothing after it.
var ErrQuote = errors.New("unbalanced quote")

// Split cuts a command line into arguments at blanks, by the shell's rules for
// quotes and backslashes and by nothing else of a shell: no variables, no globs,
// no operators.
func Split(line string) ([]string, error) {
	var argv []string
	var arg strings.Builder
	inWord, quote := false, byte(0)
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case quote == 0 && (c == ' ' || c == '\t'):
			if inWord {
				argv = append(argv, arg.String())
				arg.Reset()
			}
			inWord = false
			continue
		case c == quote && quote != 0:
			quote = 0
		case quote == 0 && (c == '\'' || c == '"'):
			quote = c
		case c == '\\' && quote != '\'':
			if i++; i == len(line) {
				return nil, ErrQuote
			}
			if quote == '"' && line[i] != '"' && line[i] != '\\' {
				arg.WriteByte('\\')
			}
			arg.WriteByte(line[i])
		default:
			arg.WriteByte(c)
		}
		inWord = true
	}
	if quote != 0 {
		return nil, ErrQuote
	}
	if inWord {
		argv = append(argv, arg.String())
	}
	return argv, nil
}
