package conf

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// A loader reads files into lines and lines into values.
type loader struct {
	Options
	report
	obsolete map[string][]string // per file: keywords without effect
}

// open reads one file; secret says that keys are in it. What is wrong with it as a
// file is reported at pos.
func (ld *loader) open(name string, pos Pos, keyword string, secret bool) ([]byte, bool) {
	data, info, err := ld.FS.Read(name)
	switch {
	case err != nil:
		ld.errorf(pos, keyword, "cannot read %s: %v", name, cause(err))
	case !info.Regular:
		ld.errorf(pos, keyword, "%s is not a regular file", name)
	case len(data) > MaxFileSize:
		ld.errorf(pos, keyword, "%s is larger than %d bytes", name, MaxFileSize)
	default:
		ld.permissions(name, info, secret)
		return data, true
	}
	return nil, false
}

// cause drops the operation and path that a file error repeats.
func cause(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// permissions judges owner and mode: who may write the file may rule the firewall,
// who may read it has the keys.
func (ld *loader) permissions(name string, info FileInfo, secret bool) {
	if ld.AnyPerms {
		return
	}
	pos := Pos{File: name}
	loose := Warning
	if ld.StrictPerms {
		loose = Error
	}
	add := func(s Severity, format string, args ...any) {
		ld.add(Problem{Pos: pos, Text: fmt.Sprintf(format, args...), Severity: s})
	}
	if info.Symlink {
		add(loose, "is a symbolic link")
	}
	if info.Foreign {
		add(loose, "belongs to user %d", info.UID)
	}
	switch {
	case info.Perm&0o022 != 0:
		add(Error, "may be written by others than its owner (mode %#o); permissions should only be user read/write (0600)", info.Perm)
	case info.Perm&0o044 != 0 && (secret || ld.StrictPerms):
		add(loose, "may be read by others than its owner (mode %#o); permissions should only be user read/write (0600)", info.Perm)
	}
}

// value turns one line into a value, not parsed yet; nil if that failed.
func (ld *loader) value(f File, g Generation, l *line) *Value {
	k := Find(f, l.keyword)
	if k == nil {
		ld.unknown(f, l)
		return nil
	}
	text, err := l.value(g, k)
	if err != nil {
		ld.errorf(l.pos, l.keyword, "%v", err)
		return nil
	}
	if note, severity := l.behind(g, k); note != "" {
		ld.add(Problem{Pos: l.pos, Keyword: l.keyword, Text: note, Severity: severity})
		if severity == Error {
			return nil
		}
	}
	if note := k.remark(g, text); note != "" {
		ld.warnf(l.pos, l.keyword, "%s", note)
	}
	if k.Verdict == Obsolete {
		ld.obsolete[l.pos.File] = append(ld.obsolete[l.pos.File], l.keyword)
	}
	return &Value{Keyword: k, Text: text, Pos: l.pos, Whence: FromFile, Name: l.keyword}
}

// unknown reports a keyword that is not in the table.
func (ld *loader) unknown(f File, l *line) {
	p := Problem{Pos: l.pos, Keyword: clip(l.keyword), Text: "unknown keyword"}
	if ld.Lenient {
		p.Severity = Warning
	}
	switch {
	case ld.full():
	case Find(1-f, l.keyword) != nil:
		p.Text = "unknown keyword here, it belongs into " + (1 - f).String()
	default:
		p.Hint = nearest(f, l.keyword)
	}
	ld.add(p)
}

// parse gives the value its meaning and asks the host about it.
func (ld *loader) parse(g Generation, val *Value) bool {
	ld.locateValue(val)
	p, err := val.Keyword.parse(g, val.Text)
	if err != nil {
		problem := Problem{Pos: val.Pos, Keyword: val.Name, Text: err.Error()}
		if g != V1 && hasRemark(val.Text) {
			problem.Text += ": " + ownLine
		}
		var u unknownWord
		if errors.As(err, &u) {
			problem.Hint = nearestOf(u.word, u.values)
		}
		ld.add(problem)
		return false
	}
	val.parsed = p
	if k := val.Keyword.Kind; k == NetList || k == NetsOrFlag {
		for _, entry := range wide(val.Text) {
			ld.warnf(val.Pos, val.Name, "%s is every address, for its mask covers nothing; write ANY, or the mask that is meant", entry)
		}
	}
	if val.Keyword.Kind == Flag && !strings.EqualFold(val.Text, "Y") && !strings.EqualFold(val.Text, "N") {
		ld.warnf(val.Pos, val.Name, "write Y or N: the old daemons read %q otherwise", clip(val.Text))
	}
	return ld.ask(val)
}

// ask compares a value with the facts of the host.
func (ld *loader) ask(val *Value) bool {
	if ld.Host == nil || val.Text == "" {
		return true
	}
	var wrong string
	switch k := val.Keyword; {
	case k.Kind == Account && !ld.Host.User(val.Text):
		wrong = "this host has no user " + strconv.Quote(clip(val.Text))
	case k.Kind == Group && !ld.Host.Group(val.Text) && !ld.Host.User(val.Text):
		wrong = "this host has neither a group nor a user " + strconv.Quote(clip(val.Text))
	case k.Name == "GPG_HOME_DIR":
		if err := ld.Host.Dir(val.Text); err != nil {
			wrong = "not usable as a directory: " + cause(err).Error()
		}
	case k.Name == "GPG_PATH":
		if err := ld.Host.Executable(val.Text); err != nil {
			wrong = "not usable as a program: " + cause(err).Error()
		}
	}
	if wrong != "" {
		ld.errorf(val.Pos, val.Name, "%s", wrong)
	}
	return wrong == ""
}

// noticeObsolete names the keywords without effect, one notice a file.
func (ld *loader) noticeObsolete(file string) {
	if words := ld.obsolete[file]; len(words) > 0 {
		if len(words) > 40 {
			words = append(words[:40:40], "…")
		}
		ld.add(Problem{Pos: Pos{File: file}, Text: "no effect here: " + strings.Join(words, ", "), Severity: Notice})
	}
}
