// Package conf reads what an fwknop user has: fwknop.conf (or fwknopd.conf) and
// access.conf of both dialects. Values keep where they were written; all problems
// of all files are found in one go, each with its place; and where the two old
// daemons differ, a file means what its own daemon made of it.
//
// There are two layers. [Values] is what files, command line and defaults say, by
// keyword; [Server] and [Access] are the same with types, as the engine uses them.
// The tables [ServerKeywords] and [AccessKeywords] are the only source of what a
// keyword is: for the parser, the hints, the dump, the help and the manual pages.
//
// The package does no I/O: files and facts of the host come through [FS] and [Host].
//
// Entry point: [Load].
package conf

import "time"

// Load reads both files. Where neither name nor keywords of fwknop.conf show its
// dialect, that of access.conf decides the defaults.
func Load(o Options) (*Server, *Values, *Access, Problems) {
	s, v, sp := LoadServer(o)
	a, ap := LoadAccess(o, s)
	if !s.Evident && a.Dialect != s.Dialect {
		o.Dialect = a.Dialect
		s, v, sp = LoadServer(o)
		a, ap = LoadAccess(o, s)
	}
	return s, v, a, append(sp, ap...)
}

// FileInfo is what the operating system says of a file; how bad that is, is
// decided here.
type FileInfo struct {
	Regular bool   // a plain file, after following links
	Symlink bool   // the name is a symbolic link
	Perm    uint32 // permission bits
	UID     uint32 // owner
	Foreign bool   // the owner is neither root nor who runs us
}

// FS reads files by name. Read must not return more than MaxFileSize+1 bytes.
type FS interface {
	Read(name string) ([]byte, FileInfo, error)
	// List returns the names of the files of a folder, sorted, with the folder's path.
	List(dir string) ([]string, error)
	// Exists reports a file or directory of that name.
	Exists(name string) bool
}

// Host answers what only the machine knows on which the configuration shall run.
type Host interface {
	Dir(path string) error        // is there such a directory
	Executable(path string) error // is there such a program
	User(name string) bool
	Group(name string) bool
	// Chain reports whether the firewall has a chain; known is false if nobody can say.
	Chain(table, chain string) (exists, known bool)
}

// Options say what to load and how strictly.
type Options struct {
	FS   FS
	Host Host // nil: facts of the host are not checked (configuration of another one)

	Server    string   // fwknop.conf; "" for none: everything at its default
	Overrides []string // -O files, later ones win
	// Dir is the working directory, absolute: relative names in the files are meant
	// from there. FS reads from there too. "" leaves such names relative.
	Dir          string
	Access       string // access.conf; "" for what the server file says
	AccessFolder string // read the *.conf files of this folder instead
	Argv         map[string]string

	// Dialect holds where a file does not show its own.
	Dialect     Dialect
	Lenient     bool // unknown keywords are warnings
	AnyPerms    bool // say nothing of owners and permissions
	StrictPerms bool
	NoGPG       bool // leave all GPG_ keywords of access.conf out
	GPGOptions  int  // above 0 GPG_USE_OPTIONS, below 0 GPG_NO_OPTIONS holds for every stanza
	// Location is the time zone of ACCESS_EXPIRE; nil is UTC.
	Location *time.Location
}
