package enforce

import (
	"strings"
	"testing"
)

func TestShellSyntax(t *testing.T) {
	known := func(text string) int {
		for _, name := range []string{"SRC", "PORT"} {
			if strings.HasPrefix(text, name) {
				return len(name)
			}
		}
		return 0
	}
	for line, want := range map[string]string{
		// what a program can be run with
		"/sbin/open -s $SRC -p $PORT/tcp":             "",
		`/sbin/open "$SRC" '$HOME > x; y' "a > b; c"`: "",
		`/bin/sh -c 'echo "$1" >> /tmp/x' x $SRC`:     "",
		`echo a\>b \$HOME \; \* costs 5$ $ "5$"`:      "",
		"/sbin/gate --user=me --only{1}":              "",
		"a~b c#d x=y":                                 "",
		"":                                            "",

		// what only a shell can do
		`echo "$SRC open" > /tmp/spa.open`:   ">",
		"echo x >> /tmp/x":                   ">>",
		"cat < /etc/motd":                    "<",
		"cat <<EOF":                          "<<",
		"cmd 2>/dev/null":                    ">",
		"cmd &> /dev/null":                   "&",
		"a | b":                              "|",
		"a || b":                             "||",
		"a && b":                             "&&",
		"a; b":                               ";",
		"a &":                                "&",
		"a&":                                 "&",
		"(a)":                                "(",
		"a `date`":                           "`",
		"a \"`date`\"":                       "`",
		"a $(date)":                          "$(",
		`a "$(date)"`:                        "$(",
		"a ${SRC}":                           "${",
		"a $HOME/x":                          "$HOME",
		`a "$HOME"`:                          "$HOME",
		"a $SRC $NOBODY":                     "$NOBODY",
		"a $1":                               "$1",
		"a $?":                               "$?",
		"a $$":                               "$$",
		"a *.log":                            "*",
		"a file?":                            "?",
		"a [ab]":                             "[",
		"a ~/x":                              "~",
		"~/bin/open":                         "~",
		"a # remark":                         "#",
		"cd /tmp":                            "cd",
		"  umask 077":                        "umask",
		"if true":                            "if",
		"LANG=C date":                        "LANG=",
		"! true":                             "!",
		"{ a":                                "{",
		"exec /sbin/open $SRC":               "exec",
		`/sbin/open 'it'"'"'s' "fine" > out`: ">",
	} {
		if got := ShellSyntax(line, known); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
	if got := ShellSyntax("open $SRC", nil); got != "$SRC" {
		t.Errorf("without variables: %q", got)
	}
}
