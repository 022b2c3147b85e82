package conf

import (
	"fmt"
	"iter"
	"path"
	"slices"
	"strings"
)

// Load reads fwknop.conf with its overrides and access.conf with what it includes, or the
// *.conf files of an access folder. Where neither name nor keywords of fwknop.conf show its
// dialect, that of access.conf decides the defaults. All problems of all files are found in
// one go; the results are usable only if none of them is an Error.
func Load(o Options) (*Server, *Values, *Access, Problems) {
	ld := &accessLoader{loader: loader{Options: o}, out: &Access{File: o.Access}, blank: make(map[Dialect]*Stanza)}
	ld.server, ld.values, ld.found = LoadServer(o)
	folder := o.AccessFolder
	if folder == "" && o.Access == "" {
		folder, ld.out.File = ld.server.AccessFolder, ld.server.AccessFile
	}
	if folder != "" {
		ld.out.File = folder
		ld.folder(folder, Pos{File: folder}, "", nil)
	} else {
		ld.file(ld.out.File, Pos{File: ld.out.File}, "", nil)
	}
	if ld.files == 0 {
		ld.decide(C26)
	}
	ld.out.Stanzas = make([]Stanza, 0, len(ld.pending))
	for _, b := range ld.pending {
		ld.complete(b)
		switch {
		case b.broken:
			ld.out.Refused = append(ld.out.Refused, b.Stanza)
		case b.Enabled:
			ld.out.Stanzas = append(ld.out.Stanzas, b.Stanza)
		default:
			ld.out.Off = append(ld.out.Off, b.Stanza)
		}
	}
	for _, p := range ld.out.LineProblems() {
		ld.add(p)
	}
	if ld.blocks == 0 && !ld.unread {
		ld.errorf(Pos{File: ld.out.File}, "SOURCE", "no stanza: a SOURCE line must begin one")
		if p := ld.swapped(); p != nil {
			return ld.server, ld.values, ld.out, p
		}
	}
	return ld.server, ld.values, ld.out, append(ld.found, ld.problems()...)
}

// swapped is the one problem of two files that were given for each other, nil if they were
// not: the server file has stanzas, and access.conf has keywords of the server file only.
func (ld *accessLoader) swapped() Problems {
	belongs := func(list Problems, name string, file File) bool {
		return slices.ContainsFunc(list, func(p Problem) bool { return p.Pos.File == name && p.Text == belongsInto+file.String() })
	}
	stanzas := func(p Problem) bool {
		return strings.TrimSuffix(p.Keyword, ":") == "SOURCE" && p.Text == belongsInto+AccessFile.String()
	}
	if !slices.ContainsFunc(ld.found, stanzas) || !belongs(ld.list, ld.out.File, ServerFile) {
		return nil
	}
	return Problems{{Pos: Pos{File: ld.Server}, Text: fmt.Sprintf("these look swapped: here are the stanzas, and in %s is what belongs into %s: -c %s -a %s",
		redact(ld.out.File), ServerFile, redact(ld.out.File), redact(ld.Server))}}
}

// An accessLoader builds stanzas out of files. fwknop.conf decides whether
// forwarding may be asked for, and where keys are by default.
type accessLoader struct {
	loader
	server  *Server
	values  *Values  // of fwknop.conf
	found   Problems // in fwknop.conf
	out     *Access
	files   int  // opened so far
	unread  bool // some file could not be read
	blocks  int  // SOURCE lines so far
	pending []*block
	blank   map[Dialect]*Stanza // stanzas with every keyword at its default
	names   map[string]Pos      // NAME of the stanzas completed so far
}

// A block is a stanza whose lines are being read. It belongs to the file that began it:
// an included file never changes the stanza that holds the include.
type block struct {
	Stanza
	broken bool // some line of it was refused
}

// A frame is one file being read and the include that led there.
type frame struct {
	up      *frame
	depth   int // of the main file: 0
	name    string
	at      Pos    // of the include directive
	keyword string // "%include" or "%include_folder"
}

// folder reads the *.conf files of a folder in the order of their names.
func (ld *accessLoader) folder(dir string, at Pos, keyword string, up *frame) {
	names, err := ld.FS.List(dir)
	if err != nil {
		ld.unread = true
		ld.errorf(at, keyword, "cannot read the folder %s: %v", redact(dir), cause(err))
		return
	}
	for _, name := range names {
		if strings.HasSuffix(name, ".conf") && !strings.HasPrefix(path.Base(name), ".") {
			ld.file(name, at, keyword, up)
		}
	}
}

// file reads one file of stanzas.
func (ld *accessLoader) file(name string, at Pos, keyword string, up *frame) {
	f := &frame{up: up, name: name, at: at, keyword: keyword}
	if up != nil {
		f.depth = up.depth + 1
	}
	if f.depth > maxDepth {
		ld.refuseInclude(f, fmt.Sprintf("includes are deeper than %d files", maxDepth))
		return
	}
	for u := up; u != nil; u = u.up {
		if u.name == name {
			ld.refuseInclude(f, "files include each other")
			return
		}
	}
	if ld.files++; ld.files > maxFiles {
		if ld.files == maxFiles+1 {
			ld.errorf(at, keyword, "more than %d files", maxFiles)
		}
		return
	}
	text, ok := ld.open(name, at, keyword, true)
	d := C26
	if ok {
		beside := ld.Dialect
		if ld.server.Evident || path.Base(ld.Server) == "fwknop.conf" {
			beside = ld.server.Dialect
		}
		d = accessDialect(beside, collect(AccessFile, lex(name, text, new(report))))
	}
	if ld.files == 1 {
		ld.decide(d)
	}
	if !ok {
		ld.unread = true
		return
	}
	ld.lines(f, d, lex(name, text, &ld.report))
	ld.noticeObsolete(name)
}

// refuseInclude reports an include at the outermost one: the line that the operator wrote in
// the main file. It lists the files from there to f.
func (ld *accessLoader) refuseInclude(f *frame, why string) {
	chain := redact(f.name)
	for u := f.up; u != nil; u = u.up {
		chain = redact(u.name) + " -> " + chain
	}
	for f.depth > 1 {
		f = f.up
	}
	ld.unread = true
	ld.errorf(f.at, f.keyword, "%s: %s", why, chain)
}

// decide takes the dialect of the first file for the whole. A fwknop.conf that does not show
// its own is read again with its defaults.
func (ld *accessLoader) decide(d Dialect) {
	ld.out.Dialect = d
	if !ld.server.Evident && ld.server.Dialect != d {
		ld.Dialect = d
		ld.server, ld.values, ld.found = LoadServer(ld.Options)
	}
}

// lines reads the lines of one file into blocks. The lines after an include
// continue the stanza before it.
func (ld *accessLoader) lines(f *frame, d Dialect, lines iter.Seq[line]) {
	var own *block
	warned := false
	for l := range lines {
		switch {
		case strings.HasPrefix(l.keyword, "%"):
			ld.directive(f, &l, own)
		case l.keyword == "SOURCE":
			own = ld.begin(d, l.pos)
			ld.addLine(own, d, &l)
		case own == nil:
			if val := ld.value(AccessFile, d, &l); val != nil && !warned {
				ld.warnf(l.pos, l.keyword, "stands before the first SOURCE and belongs to no stanza")
				warned = true
			}
		default:
			ld.addLine(own, d, &l)
		}
	}
}

// directive executes %include, %include_folder and %include_keys.
func (ld *accessLoader) directive(f *frame, l *line, b *block) {
	text := strings.TrimRight(l.rest, " \t;")
	if text == "" {
		ld.errorf(l.pos, shownKeyword(AccessFile, l), "no value")
		return
	}
	name := ld.locate(l.pos.File, text)
	switch l.keyword {
	case "%include":
		ld.file(name, l.pos, l.keyword, f)
	case "%include_folder":
		ld.folder(name, l.pos, l.keyword, f)
	case "%include_keys":
		ld.keys(name, l, b)
	default:
		ld.add(Problem{Pos: l.pos, Keyword: shownKeyword(AccessFile, l), Text: "unknown directive",
			Hint: NearestOf(l.keyword, directives)})
	}
}

// keys reads a file of keys into the stanza that includes it.
func (ld *accessLoader) keys(name string, at *line, b *block) {
	if b == nil {
		ld.errorf(at.pos, at.keyword, "stands before the first SOURCE")
		return
	}
	if ld.files++; ld.files > maxFiles {
		ld.errorf(at.pos, at.keyword, "more than %d files", maxFiles)
		return
	}
	text, ok := ld.open(name, at.pos, at.keyword, true)
	if !ok {
		b.broken = true
		return
	}
	d := accessDialect(b.Dialect, collect(AccessFile, lex(name, text, new(report))))
	for l := range lex(name, text, &ld.report) {
		if k := Find(AccessFile, l.keyword); k != nil && !isKey(k) || strings.HasPrefix(l.keyword, "%") {
			ld.errorf(l.pos, shownKeyword(AccessFile, &l), "a file of keys may hold keys only")
			continue
		}
		ld.addLine(b, d, &l)
	}
}

// isKey reports a keyword that a file of keys may hold.
func isKey(k *Keyword) bool {
	switch k.Name {
	case "KEY", "KEY_BASE64", "HMAC_KEY", "HMAC_KEY_BASE64", "GPG_DECRYPT_PW", "GPG_DECRYPT_ID",
		"HMAC_DIGEST_TYPE", "ENCRYPTION_MODE", "GPG_KEY_FILE", "TOTP_SECRET":
		return true
	}
	return false
}

// begin returns a new block with every keyword at its default.
func (ld *accessLoader) begin(d Dialect, pos Pos) *block {
	if ld.blank[d] == nil {
		s := &Stanza{Dialect: d, GPG: &GPG{}, KnockLimit: -1, MinTimeDiff: -1, MaxTimeDiff: -1}
		for i := range AccessKeywords {
			k := &AccessKeywords[i]
			if value, _ := k.parse(d, k.DefaultFor(d)); value != nil && k.intoStanza != nil {
				k.assign(k.intoStanza(s), value, false)
			}
		}
		ld.blank[d] = s
	}
	b := &block{Stanza: *ld.blank[d]}
	gpg := *b.GPG
	b.GPG = &gpg
	ld.blocks++
	b.Pos, b.Number = pos, ld.blocks
	b.Values = &Values{File: AccessFile, Dialect: d, given: make([]Value, 0, 8)} // a common stanza has no more
	switch {
	case ld.blocks <= MaxStanzas:
		ld.pending = append(ld.pending, b)
	case ld.blocks == MaxStanzas+1:
		ld.errorf(pos, "SOURCE", "more than %d stanzas", MaxStanzas)
	}
	return b
}

// addLine adds one line to a block.
func (ld *accessLoader) addLine(b *block, d Dialect, l *line) {
	val := ld.value(AccessFile, d, l)
	if val == nil && ld.Lenient && Find(AccessFile, l.keyword) == nil {
		return // with a warning
	}
	var value any
	ok := val != nil
	if ok {
		value, ok = ld.parse(d, val)
	}
	if !ok {
		b.refuse(l)
		return
	}
	k := val.Keyword
	if ld.NoGPG && strings.HasPrefix(k.Name, "GPG_") {
		return
	}
	counts, again := b.Values.add(*val, &ld.report)
	if counts && k.intoStanza != nil && (value != nil || k.DefaultFor(d) != "") {
		k.assign(k.intoStanza(&b.Stanza), value, again)
	}
	if n := len(b.Expectations); counts && k.Kind == Expect && n > 0 {
		b.Expectations[n-1].Pos, b.Expectations[n-1].Stanza = val.Pos, b.Number
	}
}

// refused is the text of a value that was refused.
const refused = "?"

// refuse records that a keyword is there although its value was refused, so that
// it is not reported missing as well; it counts as its default.
func (b *block) refuse(l *line) {
	b.broken = true
	k := Find(AccessFile, l.keyword)
	if k == nil || b.Values.find(k) != nil {
		return
	}
	b.Values.given = append(b.Values.given, Value{Keyword: k, Name: l.keyword, Text: refused, Pos: l.pos, Origin: FromFile})
	if k.intoStanza != nil {
		k.keep(k.intoStanza(&b.Stanza), refused)
	}
}
