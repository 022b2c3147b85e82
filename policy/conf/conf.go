// Package conf reads fwknop.conf (or fwknopd.conf) and access.conf of both dialects, 1.9
// and 2.6. It reports all problems of all files at once, each with its place. Where the
// two old daemons differ, a file has the meaning that its own daemon gave it.
//
// [Server] and [Access] are the configuration as typed fields. [Values] is the text of
// each keyword with its origin, for the dump and for messages. The tables
// [ServerKeywords] and [AccessKeywords] define the keywords: for the parser, the hints,
// the dump, the help and the manual pages; each row names the field that it fills. A new
// keyword needs a row, a field and the code that reads the field.
//
// The package does no I/O: files and facts of the host come through [FS] and [Host].
//
// Entry point: [Load].
package conf

import "time"

// FileInfo describes a file; the loader decides which of it is a problem.
type FileInfo struct {
	Regular bool   // a plain file, after following links
	Symlink bool   // the name is a symbolic link
	Perm    uint32 // permission bits
	UID     uint32 // owner
	Foreign bool   // the owner is neither root nor our user
	// Way is what lets other users replace the file: owner and mode of the folders and
	// links that its path leads through.
	Way []PathFault `json:",omitempty"`
}

// A PathFault is what lets other users replace a file, and the command that mends it.
type PathFault struct{ Path, Text string }

// FS reads files by name. Read must not return more than MaxFileSize+1 bytes.
type FS interface {
	Read(name string) ([]byte, FileInfo, error)
	// List returns the names of the files of a folder, sorted, with the folder's path.
	List(dir string) ([]string, error)
	// Exists reports a file or directory of that name.
	Exists(name string) bool
}

// Host answers questions about the machine that the configuration is for.
type Host interface {
	Dir(path string) error        // is there such a directory
	Executable(path string) error // is there such a program
	User(name string) bool
	Group(name string) bool
	// Chain reports whether the firewall has a chain; known is false if that cannot be found out.
	Chain(table, chain string) (exists, known bool)
}

// Options are what to load and how strictly.
type Options struct {
	FS   FS
	Host Host // nil: facts of the host are not checked (configuration of another one)

	Hostname string // of this host, for FLEET_NAME; "": not known

	Server    string   // fwknop.conf; "" for none: everything at its default
	Overrides []string // -O files, later ones win
	// Dir is the working directory, absolute: relative names in the files are relative
	// to it, as are those that FS reads. "" leaves such names relative.
	Dir          string
	Access       string // access.conf; "" for ACCESS_CONF or ACCESS_FOLDER
	AccessFolder string // read the *.conf files of this folder instead
	Argv         map[string]string

	// Dialect is that of files that do not show their own.
	Dialect     Dialect
	Lenient     bool // unknown keywords are warnings
	AnyPerms    bool // do not check owners and permissions
	StrictPerms bool
	// StrictModes makes it an error that users other than root and our own may replace a
	// file, as StrictModes of sshd; otherwise it is a warning.
	StrictModes bool
	NoGPG       bool // leave all GPG_ keywords of access.conf out
	GPGOptions  int  // above 0 GPG_USE_OPTIONS, below 0 GPG_NO_OPTIONS holds for every stanza
	// Location is the time zone of ACCESS_EXPIRE; nil is UTC.
	Location *time.Location
}
