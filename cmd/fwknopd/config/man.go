package config

import (
	"fmt"
	"io"
	"strings"

	"fwknopd/policy/conf"
)

// Man writes the manual page of one of the two files, generated from the keyword table
// so that it matches the program.
func Man(w io.Writer, f conf.File) error {
	var b strings.Builder
	p := pages[f]
	fmt.Fprintf(&b, `.\" Made from the keyword table by the tests of cmd/fwknopd/config; change it there.
.Dd November 22, 2026
.Dt %s 5
.Os
.Sh NAME
.Nm %s
.Nd %s
.Sh DESCRIPTION
%s
.Sh KEYWORDS
.Bl -tag -width Ds
`, strings.ToUpper(PageName(f)), PageName(f), p.name, strings.TrimSpace(p.description))
	table := conf.ServerKeywords
	if f == conf.AccessFile {
		table = conf.AccessKeywords
	}
	for i := range table {
		writeKeyword(&b, &table[i])
	}
	fmt.Fprintf(&b, ".El\n%s\n", strings.TrimSpace(p.end))
	_, err := io.WriteString(w, b.String())
	return err
}

// PageName returns the name of the manual page of a file: access.conf(5) is taken by
// PAM.
func PageName(f conf.File) string {
	if f == conf.AccessFile {
		return "fwknop-access.conf"
	}
	return f.String()
}

// writeKeyword writes the entry of one keyword.
func writeKeyword(b *strings.Builder, k *conf.Keyword) {
	fmt.Fprintf(b, ".It Ic %s\n%s\n.br\n", k.Name, roff(k.Text))
	var rows []string
	for _, r := range keywordRows(k) {
		rows = append(rows, fmt.Sprintf("%s: %s.", strings.ToUpper(r[0][:1])+r[0][1:], r[1]))
	}
	b.WriteString(roff(strings.Join(rows, "\n")) + "\n")
}

// roff escapes text so that no line is read as a roff request.
func roff(s string) string {
	lines := strings.Split(strings.ReplaceAll(s, `\`, `\e`), "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") || strings.HasPrefix(l, "'") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}

type page struct{ name, description, end string }

var pages = map[conf.File]page{
	conf.ServerFile: {"configuration of fwknopd", `
A line is a keyword, blanks and a value that ends at the first semicolon.
Lines that begin with # are comments.
In files of fwknop 1.9 the semicolon is required, in files of 2.6 it is not;
which one a file is, its name and its keywords say, and where the two daemons
had other defaults, each keeps its own.
.Pp
.Li $NAME
in a value is replaced by the value of that keyword, except in commands.
.Li __NONE__
is the empty value.
Files given with
.Fl -Override-config
win over this file, later ones over earlier ones, and the command line over all.
(fwknop 1.9 had earlier ones win.)
.Pp
An unknown keyword, a value out of range and a keyword given twice are errors.
.Dl fwknopd check
says what is wrong, and what a good file allows.`, `
.Sh FILES
.Bl -tag -width Ds
.It Pa /etc/fwknop/fwknop.conf
read first
.It Pa /etc/fwknop/fwknopd.conf
read if the other one is not there
.El
.Sh SEE ALSO
.Xr fwknop-access.conf 5 ,
.Xr fwknopd 8`},
	conf.AccessFile: {"who may open what, for fwknopd", `
A stanza begins with
.Ic SOURCE
and ends at the next one.
A line is a keyword, a colon and a value with a semicolon behind it (fwknop 1.9),
or a keyword and a value (2.6); each file is read in its own way.
A flag may stand alone and then means Y.
Lines that begin with # are comments.
.Pp
.Li %include FILE
reads more stanzas,
.Li %include_folder DIR
those of all *.conf files there, and
.Li %include_keys FILE
the keys of the stanza it stands in.
Includes reach three files deep.
Relative names, here and in values, are meant from the working directory, as both
old daemons had it, or else from the folder of the file that mentions them.
.Pp
In 2.6 files a remark may stand behind numbers, ports, networks, dates and flags;
all other values, keys above all, go on to the end of the line.
.Pp
Stanzas are tried in order; the first that opens a message decides.
.Pp
The file holds keys: it should belong to root and be readable by nobody else.
If others may write it, it is refused.`, `
.Sh EXPECTATIONS
A line
.Dl EXPECT: verdict [reason] word value ...
says what
.Dl fwknopd check
must find when it shows a packet to this configuration.
The verdict is granted, refused, command or ignored.
The words are
.Li ask
PORTS,
.Li run
COMMAND,
.Li knock
PORTS,
.Li payload
BASE64 or
.Li file
PATH for what is shown;
.Li record ,
.Li from ,
.Li to ,
.Li user ,
.Li allow ,
.Li timeout ,
.Li nat ,
.Li age ,
.Li gap
and
.Li at
for how; and
.Li opens
PORTS and
.Li for
SECONDS for what must be granted.
.Dl EXPECT: granted ask tcp/22 from 192.0.2.7 user alice opens tcp/22;
.Dl EXPECT: refused spa.stale ask tcp/22 from 192.0.2.7 age 900;
.Sh SEE ALSO
.Xr fwknop.conf 5 ,
.Xr fwknopd 8`},
}
