package config

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"fwknopd/fixtures/golden"
	"fwknopd/fixtures/mandoc"
	"fwknopd/policy/conf"
)

// TestMan checks that the shipped pages match the keyword table.
func TestMan(t *testing.T) {
	for _, f := range []conf.File{conf.ServerFile, conf.AccessFile} {
		name := filepath.Join("..", "man", pageName(f)+".5")
		golden.Compare(t, name, []byte(manual(f)))
	}
}

// TestManFormats checks that groff prints no warnings for the pages.
func TestManFormats(t *testing.T) {
	for _, f := range []conf.File{conf.ServerFile, conf.AccessFile} {
		mandoc.Check(t, manual(f))
	}
}

// TestEveryKeywordIsDescribed checks that help and pages cover every keyword.
func TestEveryKeywordIsDescribed(t *testing.T) {
	for f, table := range map[conf.File][]conf.Keyword{conf.ServerFile: conf.ServerKeywords, conf.AccessFile: conf.AccessKeywords} {
		page := manual(f)
		for i := range table {
			k := &table[i]
			if !strings.Contains(page, ".It Ic "+k.Name+"\n") {
				t.Errorf("%s(5) lacks %s", f, k.Name)
			}
			for _, name := range append([]conf.Alias{{Name: k.Name}}, k.Aliases...) {
				var stdout, stderr bytes.Buffer
				if code := Help([]string{name.Name}, &stdout, &stderr); code != 0 || !strings.Contains(stdout.String(), k.Text) {
					t.Errorf("help %s: exit %d, %s%s", name.Name, code, stdout.String(), stderr.String())
				}
			}
			if valueText(k) == "" {
				t.Errorf("the value of %s is not described", k.Name)
			}
		}
	}
}

func TestHelp(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if code := Help([]string{"fw_access_timeout"}, &stdout, &stderr); code != 0 {
		t.Errorf("exit %d: %s", code, stderr.String())
	}
	want := `FW_ACCESS_TIMEOUT (access.conf)
    How long a grant lasts; 0 means for ever in 1.9 files and the default in 2.6 files.
    value:    seconds, 0 to 2147483647 (2.6 files: to 8388608)
    default:  300; in 2.6 files 30
    also:     MAX_ACCESS_TIMEOUT
    from:     manual, 1.9, 2.6
    note:     the 1.9 program took 0 as default against its manual
`
	if got := stdout.String(); got != want {
		t.Errorf("\n%s\nwant\n%s", got, want)
	}
	stdout.Reset()
	code := Help([]string{"OPEN_PORT", "REQUIRE_SOURCE_ADDRESS"}, &stdout, &stderr)
	if code != 1 || stderr.String() != "fwknopd: no keyword OPEN_PORT (did you mean OPEN_PORTS?)\n" {
		t.Errorf("exit %d: %s", code, stderr.String())
	}
	if n := strings.Count(stdout.String(), "REQUIRE_SOURCE_ADDRESS ("); n != 2 {
		t.Errorf("REQUIRE_SOURCE_ADDRESS is in two files, described %d times", n)
	}
}

// manual returns the manual page of one of the two files, generated from the keyword
// table so that it matches the program.
func manual(f conf.File) string {
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
`, strings.ToUpper(pageName(f)), pageName(f), p.name, strings.TrimSpace(p.description))
	table := conf.ServerKeywords
	if f == conf.AccessFile {
		table = conf.AccessKeywords
	}
	for i := range table {
		writeKeyword(&b, &table[i])
	}
	fmt.Fprintf(&b, ".El\n%s\n", strings.TrimSpace(p.end))
	return b.String()
}

// pageName returns the name of the manual page of a file: access.conf(5) is taken by
// PAM.
func pageName(f conf.File) string {
	if f == conf.AccessFile {
		return "fwknop-access.conf"
	}
	return f.String()
}

// writeKeyword writes the entry of one keyword.
func writeKeyword(b *strings.Builder, k *conf.Keyword) {
	fmt.Fprintf(b, ".It Ic %s\n%s\n.br\n", k.Name, mandoc.Escape(k.Text))
	var rows []string
	for _, r := range keywordRows(k) {
		rows = append(rows, fmt.Sprintf("%s: %s.", strings.ToUpper(r[0][:1])+r[0][1:], r[1]))
	}
	b.WriteString(mandoc.Escape(strings.Join(rows, "\n")) + "\n")
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
.Xr fwknopd-events 5 ,
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
Stanzas are tried in order; the first that allows what a message asks for decides.
.Pp
The file holds keys: it should belong to root and be readable by no other user.
If others may write it, it is refused.`, `
.Sh ONE-TIME CODES
With
.Ic REQUIRE_AUTH_METHOD totp
a message must hold, beside its keys, a code that an authenticator makes of
.Ic TOTP_SECRET
(RFC 6238: SHA-1, six digits, 30 seconds).
It is checked last, so that a message that is refused for something else, as a mistyped port, uses no
code up and tells nothing of it.
The code of now and those before and after it are accepted, by the clock of the server.
.Pp
A code that fits is used up: it is recorded with the messages seen
.Pq Ic DIGEST_FILE
before anything opens, and refused from then on, after a reload and a restart too.
Stanzas with the same secret share what was used; shadow stanzas keep a record of their own.
Where the journal was lost, and with
.Ic ENABLE_DIGEST_PERSISTENCE N
after each start, codes are refused that could be used before: the first that is taken is at most a
minute away.
.Pp
Where several stanzas have the same keys, a code is tried on each of their secrets: one that another
stanza accepts is no wrong one, any other is a wrong one of each secret.
.Pp
Only a client with the keys can try codes.
After ten wrong ones with a secret one a minute is looked at; the others are refused, right or
wrong.
A guess fits in 3 cases of 1,000,000, so that a thief of the keys who tries without end
gets in after 160 days in one of two cases, with each attempt in the log; and the client cannot get in
meanwhile.
.Pp
A stanza of a 1.9 file takes no code from a client that asks for a time or a translation: its
messages have no place for one there.
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
