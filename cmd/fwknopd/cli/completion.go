package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// shells write the completions for a shell.
var shells = map[string]func(io.Writer){"bash": completeBash, "zsh": completeZsh, "fish": completeFish}

// Completions implements `fwknopd completion`.
func Completions(args []string, stdout, stderr io.Writer) int {
	o, code := Begin(Completion, args, stdout, stderr)
	if o == nil {
		return code
	}
	if len(o.Operands) != 1 || shells[o.Operands[0]] == nil {
		return Completion.Refuse(stderr, errors.New("want one of bash, zsh, fish"))
	}
	shells[o.Operands[0]](stdout)
	return exitOK
}

// words are the operands that a command knows by name.
func (c Command) words() []string {
	switch c {
	case Grants:
		return []string{"list", "revoke", "add"}
	case Digests:
		return []string{"export"}
	case Completion:
		return []string{"bash", "zsh", "fish"}
	case Help:
		return names()
	}
	return nil
}

// choices are the values that an option allows, nil if it takes others.
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

// all are the daemon and the sub-commands, in the order of their names.
func all() []Command {
	list := []Command{Daemon}
	for _, name := range names() {
		c, _ := Named(name)
		list = append(list, c)
	}
	return list
}

// completeBash writes a function that offers the options of the command at hand, and the
// values that its options allow; readline completes names of files.
func completeBash(w io.Writer) {
	fmt.Fprintf(w, `# bash completion for fwknopd, made by: fwknopd completion bash
_fwknopd() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command= words=
	COMPREPLY=()
	if ((COMP_CWORD > 1)); then
		case ${COMP_WORDS[1]} in
		%s) command=${COMP_WORDS[1]} ;;
		esac
	fi
	case $command:$prev in
`, strings.Join(names(), "|"))
	for _, c := range all() {
		for _, d := range c.shown() {
			if !d.takesValue() {
				continue
			}
			var patterns []string
			for _, s := range d.spellings() {
				patterns = append(patterns, commandNames[c]+":"+s)
			}
			reply := "return"
			if list := d.choices(); list != nil {
				reply = fmt.Sprintf(`COMPREPLY=($(compgen -W "%s" -- "$cur")); return`, strings.Join(list, " "))
			}
			fmt.Fprintf(w, "\t%s) %s ;;\n", strings.Join(patterns, "|"), reply)
		}
	}
	fmt.Fprint(w, "\tesac\n\tcase $command in\n")
	for _, c := range all() {
		var options []string
		for _, d := range c.shown() {
			options = append(options, d.spellings()...)
		}
		operands := c.words()
		if c == Daemon {
			operands = names()
		}
		fmt.Fprintf(w, "\t'%s') words='%s'; [[ $cur == -* ]] && words='%s' ;;\n", commandNames[c], strings.Join(operands, " "), strings.Join(options, " "))
	}
	fmt.Fprint(w, `	esac
	[[ -z $command && $COMP_CWORD -gt 1 && $cur != -* ]] && words=
	COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _fwknopd fwknopd
`)
}

// completeZsh writes a function for _arguments.
func completeZsh(w io.Writer) {
	fmt.Fprint(w, `#compdef fwknopd
# zsh completion for fwknopd, made by: fwknopd completion zsh
_fwknopd() {
	local -a commands
	commands=(
`)
	for _, name := range names() {
		fmt.Fprintf(w, "\t\t%s\n", single(name+":"+strings.ReplaceAll(summary(name), ":", `\:`)))
	}
	fmt.Fprint(w, `	)
	if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then
		_describe command commands
		return
	fi
	case $words[2] in
`)
	for _, c := range append(all()[1:], Daemon) {
		if c == Daemon {
			fmt.Fprint(w, "\t*)\n\t\t_arguments -s")
		} else {
			fmt.Fprintf(w, "\t%s)\n\t\tshift words\n\t\t(( CURRENT-- ))\n\t\t_arguments -s", commandNames[c])
		}
		for _, d := range c.shown() {
			for _, s := range d.spellings() {
				fmt.Fprintf(w, " \\\n\t\t\t%s", single(zshSpec(d, s)))
			}
		}
		operands := "*:file:_files"
		if list := c.words(); list != nil {
			operands = "*:what:(" + strings.Join(list, " ") + ")"
		}
		fmt.Fprintf(w, " \\\n\t\t\t%s\n\t\t;;\n", single(operands))
	}
	fmt.Fprint(w, "\tesac\n}\nif [ \"$funcstack[1]\" = _fwknopd ]; then _fwknopd \"$@\"; else compdef _fwknopd fwknopd; fi\n")
}

// zshSpec is the specification of an option for _arguments.
func zshSpec(d *option, spelling string) string {
	escape := strings.NewReplacer(`\`, `\\`, "[", `\[`, "]", `\]`, ":", `\:`)
	spec := fmt.Sprintf("(%s)%s[%s]", strings.Join(d.spellings(), " "), spelling, escape.Replace(d.help))
	if d.kind == list || d.kind == repeated || d.kind == count {
		spec = fmt.Sprintf("*%s[%s]", spelling, escape.Replace(d.help))
	}
	switch {
	case !d.takesValue():
		return spec
	case d.isFile():
		return spec + ":" + escape.Replace(d.arg) + ":_files"
	case d.choices() != nil:
		return spec + ":" + escape.Replace(d.arg) + ":(" + strings.Join(d.choices(), " ") + ")"
	}
	return spec + ":" + escape.Replace(d.arg) + ": "
}

// completeFish writes one complete command for each word.
func completeFish(w io.Writer) {
	commands := strings.Join(names(), " ")
	fmt.Fprintln(w, "# fish completion for fwknopd, made by: fwknopd completion fish")
	for _, name := range names() {
		fmt.Fprintf(w, "complete -c fwknopd -n __fish_use_subcommand -a %s -d %s\n", name, single(summary(name)))
	}
	for _, c := range all() {
		when := "__fish_seen_subcommand_from " + commandNames[c]
		if c == Daemon {
			when = "not __fish_seen_subcommand_from " + commands
		}
		for _, d := range c.shown() {
			fmt.Fprintf(w, "complete -c fwknopd -n %s -l %s", single(when), d.name)
			if d.short != "" {
				fmt.Fprintf(w, " -s %s", d.short)
			}
			switch {
			case !d.takesValue():
			case d.isFile():
				fmt.Fprint(w, " -r -F")
			case d.choices() != nil:
				fmt.Fprintf(w, " -x -a %s", single(strings.Join(d.choices(), " ")))
			default:
				fmt.Fprint(w, " -x")
			}
			fmt.Fprintf(w, " -d %s\n", single(d.help))
		}
		if list := c.words(); list != nil {
			fmt.Fprintf(w, "complete -c fwknopd -n %s -f -a %s\n", single(when), single(strings.Join(list, " ")))
		}
	}
}

// single quotes a text for any of the shells. In fish \ escapes in single quotes too; no
// text of the table ends in it.
func single(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
