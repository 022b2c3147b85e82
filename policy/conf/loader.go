package conf

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// A loader reads files into lines and lines into values.
type loader struct {
	Options
	report
	obsolete map[string][]string // per file: keywords without effect
	size     int                 // bytes read so far
	faults   map[PathFault]bool  // reported: a folder has many files
}

// open reads one file; secret means that it holds keys. Faults of the file as such are
// reported at pos.
func (ld *loader) open(name string, pos Pos, keyword string, secret bool) (text string, ok bool) {
	if ld.size > MaxTotalSize {
		return "", false // said of an earlier file
	}
	data, info, err := ld.FS.Read(name)
	switch {
	case err != nil:
		ld.errorf(pos, keyword, "cannot read %s: %v", redact(name), cause(err))
	case !info.Regular:
		ld.errorf(pos, keyword, "%s is not a regular file", redact(name))
	case len(data) > MaxFileSize:
		ld.errorf(pos, keyword, "%s is larger than %d bytes", redact(name), MaxFileSize)
	default:
		ld.permissions(name, info, secret)
		ld.size += len(data)
		if ld.size <= MaxTotalSize {
			return string(data), true
		}
		ld.errorf(pos, keyword, "%s makes all files together larger than %d bytes", redact(name), MaxTotalSize)
	}
	return "", false
}

// cause drops the operation and path that a file error repeats.
func cause(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// permissions checks owner and mode of the file and of the folders above it: write access
// controls the firewall, read access gives the keys.
func (ld *loader) permissions(name string, info FileInfo, secret bool) {
	if ld.AnyPerms {
		return
	}
	loose, replaceable := Warning, Warning
	if ld.StrictPerms {
		loose = Error
	}
	if ld.StrictPerms || ld.StrictModes {
		replaceable = Error
	}
	add := func(s Severity, format string, args ...any) {
		ld.add(Problem{Pos: Pos{File: name}, Text: fmt.Sprintf(format, args...), Severity: s})
	}
	for _, fault := range info.Way {
		if ld.faults[fault] {
			continue
		}
		if ld.faults == nil {
			ld.faults = make(map[PathFault]bool)
		}
		ld.faults[fault] = true
		ld.add(Problem{Pos: Pos{File: fault.Path}, Text: fault.Text, Severity: replaceable})
	}
	if info.Symlink {
		add(loose, "is a symbolic link")
	}
	if info.Foreign {
		add(replaceable, "belongs to user %d, not to root: chown root %s", info.UID, name)
	}
	switch {
	case info.Perm&0o022 != 0:
		add(Error, "may be written by others than its owner (mode %#o); permissions should only be user read/write (0600): chmod 600 %s", info.Perm, name)
	case info.Perm&0o044 != 0 && (secret || ld.StrictPerms):
		add(loose, "may be read by others than its owner (mode %#o); permissions should only be user read/write (0600)", info.Perm)
	}
}

// value turns one line into a value, not parsed yet; nil if that failed.
func (ld *loader) value(f File, d Dialect, l *line) *Value {
	k := Find(f, l.keyword)
	if k == nil {
		ld.unknown(f, l)
		return nil
	}
	text, err := l.value(d, k)
	if err != nil {
		ld.errorf(l.pos, l.keyword, "%v", err)
		return nil
	}
	if note, severity := l.behind(d, k); note != "" {
		ld.add(Problem{Pos: l.pos, Keyword: l.keyword, Text: note, Severity: severity})
		if severity == Error {
			return nil
		}
	}
	if kinds[k.Kind].words && d != Perl19 && comment.MatchString(text) {
		ld.warnf(l.pos, l.keyword, "goes on to the end of the line, # and all: %s", ownLine)
	}
	if k.Verdict == Obsolete {
		if ld.obsolete == nil {
			ld.obsolete = make(map[string][]string)
		}
		ld.obsolete[l.pos.File] = append(ld.obsolete[l.pos.File], l.keyword)
	}
	return &Value{Keyword: k, Text: text, Pos: l.pos, Origin: FromFile, Name: l.keyword}
}

// belongsInto is said of a keyword that stands in the wrong one of the two files.
const belongsInto = "unknown keyword here, it belongs into "

// unknown reports a keyword that is not in the table.
func (ld *loader) unknown(f File, l *line) {
	p := Problem{Pos: l.pos, Keyword: shownKeyword(f, l), Text: "unknown keyword"}
	if ld.Lenient {
		p.Severity = Warning
	}
	switch {
	case ld.full():
	case Find(1-f, l.keyword) != nil:
		p.Text = belongsInto + (1 - f).String()
	case glued(f, l.keyword) != nil:
		p.Text = "unknown keyword, a blank is wanted between a keyword and its value"
	default:
		p.Hint = nearest(f, l.keyword)
	}
	ld.add(p)
}

// parse parses the value and checks it against the host.
func (ld *loader) parse(d Dialect, val *Value) (meaning any, ok bool) {
	ld.locateValue(val)
	meaning, err := val.Keyword.parse(d, val.Text)
	if err != nil {
		problem := Problem{Pos: val.Pos, Keyword: val.Name, Text: err.Error()}
		if d != Perl19 && comment.MatchString(val.Text) {
			problem.Text += ": " + ownLine
		}
		var u unknownWord
		if errors.As(err, &u) {
			problem.Hint = NearestOf(u.word, u.values)
		}
		var m misspelled
		if errors.As(err, &m) {
			problem.Hint = m.meant
		}
		ld.add(problem)
		return nil, false
	}
	if k := val.Keyword.Kind; (k == NetList || k == NetsOrFlag) && strings.Contains(val.Text, "/") {
		for _, entry := range zeroMasks(val.Text) {
			ld.warnf(val.Pos, val.Name, "%s is every address, for its mask covers nothing; write ANY, or the mask that is meant", entry)
		}
	}
	if val.Keyword.Kind == Flag && !strings.EqualFold(val.Text, "Y") && !strings.EqualFold(val.Text, "N") {
		ld.warnf(val.Pos, val.Name, "write Y or N: the old daemons read %q otherwise", clip(val.Text))
	}
	return meaning, ld.checkHost(val)
}

// checkHost compares a value with the facts of the host.
func (ld *loader) checkHost(val *Value) bool {
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

// at reports a problem at the place of a keyword.
func (ld *loader) at(v *Values, name, text string) {
	val := v.lookup(name)
	ld.errorf(val.Pos, val.Name, "%s", text)
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

// locateValue makes the relative paths in a value absolute, since a daemon in the
// background has another working directory.
func (ld *loader) locateValue(val *Value) {
	file := val.Pos.File
	if val.Origin == FromArgv {
		file = ""
	}
	switch k := val.Keyword; {
	case !val.IsSet() || k.Kind != FilePath && !k.relative:
	case k.program() && !strings.Contains(val.Text, "/"): // looked for in PATH
	case k.Name == "ACCESS_CONF" && !ld.FS.Exists(val.Text): // looked for in FWKNOP_CONF_DIR
	case k.Kind == List:
		names := strings.Split(val.Text, ",")
		for i, name := range names {
			names[i] = ld.absolute(ld.locate(file, strings.TrimSpace(name)))
		}
		val.Text = strings.Join(names, ", ")
	default:
		val.Text = ld.absolute(ld.locate(file, val.Text))
	}
}

// program reports that the value names a program.
func (k *Keyword) program() bool {
	return strings.HasSuffix(k.Name, "Cmd") || strings.HasSuffix(k.Name, "_EXE") || k.Name == "GPG_PATH"
}

// locate resolves a relative name in file: relative to the working directory, as in both
// old daemons, or to the folder of file if only that exists. The result is relative to
// the working directory, as all names here.
func (ld *loader) locate(file, name string) string {
	if name == "" || path.IsAbs(name) {
		return name
	}
	here, there := path.Clean(name), path.Join(path.Dir(file), name)
	if file != "" && here != there && !ld.FS.Exists(here) && ld.FS.Exists(there) {
		return there
	}
	return here
}

// absolute makes a name that locate returned absolute.
func (ld *loader) absolute(name string) string {
	if ld.Dir == "" || name == "" || path.IsAbs(name) {
		return name
	}
	return path.Join(ld.Dir, name)
}
