package cli

import (
	"fmt"
	"io"
	"strings"
)

// completeZsh writes a function for _arguments.
func completeZsh(w io.Writer, p *completed) {
	fmt.Fprintf(w, "#compdef %[1]s\n# zsh completion for %[1]s, made by: %[2]s zsh\n_%[1]s() {\n", p.name, p.made)
	if len(p.commands) > 0 {
		p.zshCommands(w)
	}
	fmt.Fprint(w, "\tcase $words[2] in\n")
	for _, c := range append(p.all()[1:], p.base) {
		if c == p.base {
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
	fmt.Fprintf(w, "\tesac\n}\nif [ \"$funcstack[1]\" = _%[1]s ]; then _%[1]s \"$@\"; else compdef _%[1]s %[1]s; fi\n", p.name)
}

// zshCommands writes what offers the sub-commands.
func (p *completed) zshCommands(w io.Writer) {
	fmt.Fprint(w, "\tlocal -a commands\n\tcommands=(\n")
	for _, name := range p.commands {
		fmt.Fprintf(w, "\t\t%s\n", single(name+":"+strings.ReplaceAll(summary(name), ":", `\:`)))
	}
	fmt.Fprint(w, `	)
	if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then
		_describe command commands
		return
	fi
`)
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
