package cli

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// shells write the completions of a program for a shell.
var shells = map[string]func(io.Writer, *completed){"bash": completeBash, "zsh": completeZsh, "fish": completeFish}

// A completed is a program that shells complete the command line of.
type completed struct {
	name     string
	made     string   // what makes the completions, but for the shell
	base     Command  // without a sub-command
	commands []string // names of its sub-commands
	reasons  []string // of decisions: topics of help and values of --reason
}

var (
	server = completed{name: "fwknopd", made: "fwknopd completion", base: Daemon, commands: names()}
	client = completed{name: "fwknop", made: "fwknop --completion", base: Client}
)

// Completions implements `fwknopd completion`. reasons are the reasons of decisions, which this
// package does not know.
func Completions(args, reasons []string, stdout, stderr io.Writer) int {
	o, code := Begin(Completion, args, stdout, stderr)
	if o == nil {
		return code
	}
	if len(o.Operands) != 1 || shells[o.Operands[0]] == nil {
		return Completion.Refuse(stderr, errors.New("want one of bash, zsh, fish"))
	}
	p := server
	p.reasons = reasons
	shells[o.Operands[0]](stdout, &p)
	return exitOK
}

// ClientCompletions implements `fwknop --completion`.
func ClientCompletions(shell string, stdout io.Writer) error {
	if shells[shell] == nil {
		return usagef("--completion wants one of bash, zsh, fish")
	}
	shells[shell](stdout, &client)
	return nil
}

// words are the operands that a command knows by name.
func (p *completed) words(c Command) []string {
	switch c {
	case Grants:
		return []string{"list", "revoke", "add", "uses"}
	case Digests:
		return []string{"export"}
	case Fleet:
		return []string{"events", "grants", "init", "revoke", "status", "submit", "witness", "work"}
	case Completion:
		return []string{"bash", "zsh", "fish"}
	case Help:
		return slices.Concat(names(), p.reasons)
	}
	return nil
}

// choices are the values that an option allows, nil if it takes others.
func (p *completed) choices(d *option) []string {
	if d.arg == "REASON" {
		return p.reasons
	}
	return d.choices()
}

// choices are the values that the table lists.
func (d *option) choices() []string {
	if !strings.Contains(d.arg, "|") || strings.ToLower(d.arg) != d.arg {
		return nil
	}
	return strings.Split(d.arg, "|")
}

// isFile reports whether the value of an option names a file or folder.
func (d *option) isFile() bool {
	return strings.Contains(d.arg, "FILE") || strings.Contains(d.arg, "DIR") || strings.Contains(d.arg, "PATH")
}

// shown returns the options of a command that its help text lists.
func (c Command) shown() (list []*option) {
	for d := range c.rows() {
		if d.help != "" {
			list = append(list, d)
		}
	}
	return list
}

// spellings are the forms of an option that completions offer.
func (d *option) spellings() []string {
	if d.short == "" {
		return []string{"--" + d.name}
	}
	return []string{"-" + d.short, "--" + d.name}
}

// all are the program without a sub-command and the sub-commands, in the order of their names.
func (p *completed) all() []Command {
	list := []Command{p.base}
	for _, name := range p.commands {
		c, _ := Named(name)
		list = append(list, c)
	}
	return list
}

// completeBash writes a function that offers the options of the command at hand, and the
// values that its options allow; readline completes names of files.
func completeBash(w io.Writer, p *completed) {
	fmt.Fprintf(w, `# bash completion for %[1]s, made by: %[2]s bash
_%[1]s() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command= words=
	COMPREPLY=()
`, p.name, p.made)
	if len(p.commands) > 0 {
		fmt.Fprintf(w, `	if ((COMP_CWORD > 1)); then
		case ${COMP_WORDS[1]} in
		%s) command=${COMP_WORDS[1]} ;;
		esac
	fi
`, strings.Join(p.commands, "|"))
	}
	fmt.Fprint(w, "\tcase $command:$prev in\n")
	p.bashValues(w)
	fmt.Fprint(w, "\tesac\n\tcase $command in\n")
	for _, c := range p.all() {
		var options []string
		for _, d := range c.shown() {
			options = append(options, d.spellings()...)
		}
		operands := p.words(c)
		if c == p.base {
			operands = p.commands
		}
		fmt.Fprintf(w, "\t'%s') words='%s'; [[ $cur == -* ]] && words='%s' ;;\n", commandNames[c], strings.Join(operands, " "), strings.Join(options, " "))
	}
	fmt.Fprintf(w, `	esac
	[[ -z $command && $COMP_CWORD -gt 1 && $cur != -* ]] && words=
	COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _%[1]s %[1]s
`, p.name)
}

// bashValues writes a case for each option with a value.
func (p *completed) bashValues(w io.Writer) {
	for _, c := range p.all() {
		for _, d := range c.shown() {
			if !d.takesValue() {
				continue
			}
			var patterns []string
			for _, s := range d.spellings() {
				patterns = append(patterns, commandNames[c]+":"+s)
			}
			reply := "return"
			if list := p.choices(d); list != nil {
				reply = fmt.Sprintf(`COMPREPLY=($(compgen -W "%s" -- "$cur")); return`, strings.Join(list, " "))
			}
			fmt.Fprintf(w, "\t%s) %s ;;\n", strings.Join(patterns, "|"), reply)
		}
	}
}

// completeFish writes one complete command for each word.
func completeFish(w io.Writer, p *completed) {
	fmt.Fprintf(w, "# fish completion for %s, made by: %s fish\n", p.name, p.made)
	for _, name := range p.commands {
		fmt.Fprintf(w, "complete -c %s -n __fish_use_subcommand -a %s -d %s\n", p.name, name, single(summary(name)))
	}
	for _, c := range p.all() {
		when := "__fish_seen_subcommand_from " + commandNames[c]
		switch {
		case len(p.commands) == 0:
			when = "true"
		case c == p.base:
			when = "not __fish_seen_subcommand_from " + strings.Join(p.commands, " ")
		}
		for _, d := range c.shown() {
			fmt.Fprintf(w, "complete -c %s -n %s -l %s", p.name, single(when), d.name)
			if d.short != "" {
				fmt.Fprintf(w, " -s %s", d.short)
			}
			switch {
			case !d.takesValue():
			case d.isFile():
				fmt.Fprint(w, " -r -F")
			case p.choices(d) != nil:
				fmt.Fprintf(w, " -x -a %s", single(strings.Join(p.choices(d), " ")))
			default:
				fmt.Fprint(w, " -x")
			}
			fmt.Fprintf(w, " -d %s\n", single(d.help))
		}
		if list := p.words(c); list != nil {
			fmt.Fprintf(w, "complete -c %s -n %s -f -a %s\n", p.name, single(when), single(strings.Join(list, " ")))
		}
	}
}

// single quotes a text for any of the shells. In fish \ escapes in single quotes too; no
// text of the table ends in it.
func single(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
