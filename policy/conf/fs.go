package conf

import "time"

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

	// Generation holds where a file does not show its own.
	Generation  Generation
	Lenient     bool // unknown keywords are warnings
	AnyPerms    bool // say nothing of owners and permissions
	StrictPerms bool
	NoGPG       bool // leave all GPG_ keywords of access.conf out
	GPGOptions  int  // above 0 GPG_USE_OPTIONS, below 0 GPG_NO_OPTIONS holds for every stanza
	// Location is the time zone of ACCESS_EXPIRE; nil is UTC.
	Location *time.Location
}
