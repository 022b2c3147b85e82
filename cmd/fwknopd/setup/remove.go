package setup

import (
	"fmt"
	"slices"
	"strings"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/policy/conf"
)

// remove removes a stanza. A daemon refuses a configuration without one and goes on with what
// it has, so that its only stanza is not removed while it runs.
func (r *run) remove() error {
	l, problems := r.load(r.serverText, r.accessText)
	had := (*conf.Stanza)(nil)
	if l.Access != nil {
		had = r.find(l, r.Remove)
	}
	if had == nil {
		config.Print(r.stderr, problems)
		return fmt.Errorf("%s has no stanza with NAME %s", r.access, r.Remove)
	}
	rest, lines, err := removed(r.accessText, had.Pos.Line, r.Remove)
	if err != nil {
		return fmt.Errorf("%s: %w", r.access, err)
	}
	if pid := runningDaemon(l); pid > 0 && !hasStanza(rest) {
		return fmt.Errorf("%s is the only stanza, and the daemon (pid %d) would go on with it: end the daemon first, fwknopd -K or systemctl disable --now fwknopd", r.Remove, pid)
	}
	if r.DryRun {
		fmt.Fprintf(r.stdout, "would remove the stanza %s at %s, %s\n", r.Remove, had.Pos, conf.Count(lines, "line"))
		return nil
	}
	server := &serverFile{text: r.serverText}
	if err := r.write(server, rest); err != nil {
		return err
	}
	fmt.Fprintf(r.stdout, "removed the stanza %s at %s, %s\n", r.Remove, had.Pos, conf.Count(lines, "line"))
	if !had.Uses.IsZero() {
		fmt.Fprintf(r.stdout, "its uses stay counted: a new stanza %[1]s goes on with them, until fwknopd grants uses --reset %[1]s\n", r.Remove)
	}
	r.warnGuard(rest)
	r.tellNext(l, server)
	return nil
}

// warnGuard says which ports of GUARD_FORWARD, which stays, no stanza offers any more.
func (r *run) warnGuard(access string) {
	l, _ := r.load(r.serverText, access) // without a stanza it has an error, and is known all the same
	config.Print(r.stderr, slices.DeleteFunc(config.Lint(l.Server, l.Values, l.Access), func(p conf.Problem) bool { return p.Keyword != "GUARD_FORWARD" }))
}

// removed returns the text of a file without the stanza whose SOURCE is in a line, from 1: to
// its last line before the next stanza that is neither blank nor a comment, and with the
// comment of init in front of it. What [added] added, it takes away, byte for byte. gone is how
// many lines were removed.
func removed(text string, line int, name string) (rest string, gone int, err error) {
	lines := strings.SplitAfter(text, "\n")
	end, err := endOf(lines, line)
	if err != nil {
		return "", 0, err
	}
	begin := line - 1
	ours := begin > 0 && strings.TrimSpace(lines[begin-1]) == "# "+name+madeBy
	if ours {
		begin--
	}
	head, tail := strings.Join(lines[:begin], ""), strings.Join(lines[end:], "")
	blank := begin > 0 && strings.TrimSpace(lines[begin-1]) == ""
	switch {
	case begin == 0:
		tail = strings.TrimLeft(tail, "\n")
	case !ours && blank: // the blank line that separated it
		head = strings.Join(lines[:begin-1], "")
	case ours && (blank || tail == "" || strings.HasPrefix(tail, "\n")): // else that newline keeps two lines apart
		head = strings.TrimSuffix(head, "\n")
	}
	return head + tail, end - begin, nil
}

// endOf returns how many lines stand up to the end of the stanza whose SOURCE is in a line.
func endOf(lines []string, line int) (end int, err error) {
	end = line
	for i := line; i < len(lines); i++ {
		trimmed := strings.TrimSpace(lines[i])
		switch {
		case sourceLine.MatchString(lines[i]):
			return end, nil
		case directive.MatchString(lines[i]):
			return 0, fmt.Errorf("line %d, %s, stands in or behind the stanza: remove the stanza by hand", i+1, trimmed)
		case trimmed != "" && !strings.HasPrefix(trimmed, "#"):
			end = i + 1
		}
	}
	return end, nil
}
