// Package config loads the configuration from disk and implements the commands that
// show and check it (check, -D, help).
package config

import (
	"cmp"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"fwknopd/policy/conf"
)

// defaultFiles are the default paths of the server file; the first that exists is read.
var defaultFiles = []string{"/etc/fwknop/fwknop.conf", "/etc/fwknop/fwknopd.conf"}

// Options select what [Load] reads.
type Options struct {
	Config       string            // -c; "" for the default path, which need not exist
	Access       string            // -a; "" for the path in the server file
	AccessFolder string            // --access-folder
	Overrides    []string          // -O, in the order given; later ones win
	Argv         map[string]string // values of the command line by keyword; they win over all files
	Lenient      bool              // unknown keywords are warnings
	StrictPerms  bool              // warnings about owner and mode are errors
	// StrictModes refuses files that users other than root and our own may replace, as the
	// daemon does.
	StrictModes bool
	// Offline loads the configuration of another machine or time: it is not checked
	// against the users, programs, chains and permissions of this one.
	Offline    bool
	NoGPG      bool // ignore all GPG_ keywords
	GPGOptions int  // above 0 GPG_USE_OPTIONS, below 0 GPG_NO_OPTIONS for every stanza
	// ServerOnly does not read access.conf.
	ServerOnly bool
	// Dir is the directory that relative names are resolved against; "" for the working
	// directory of the process, unless FS is given.
	Dir string
	// FS reads the files; nil: from disk. It is not serialized.
	FS conf.FS `json:"-"`
}

// Loaded is a configuration as the rest of the program uses it.
type Loaded struct {
	Server *conf.Server
	Access *conf.Access // nil with ServerOnly
	Values *conf.Values // of the server file, with origins
	Files  []string     // every file that was read, absolute, for watching
}

// Load reads the configuration. It is usable only if there is no error among the
// problems; what could be read is returned in any case, for dump and check.
func Load(o Options) (*Loaded, conf.Problems) {
	if o.FS == nil {
		o.FS, o.Dir = Disk{Dir: o.Dir}, absolute(cmp.Or(o.Dir, "."))
	}
	files := &recordingFS{FS: o.FS, dir: o.Dir}
	co := conf.Options{
		FS: files, Dir: o.Dir, Server: o.Main(), Overrides: o.Overrides, Argv: o.Argv,
		Access: o.Access, AccessFolder: o.AccessFolder,
		Lenient: o.Lenient, StrictPerms: o.StrictPerms, StrictModes: o.StrictModes, AnyPerms: o.Offline,
		NoGPG: o.NoGPG, GPGOptions: o.GPGOptions, Location: time.Local,
	}
	if !o.Offline {
		co.Host = localHost{}
		co.Hostname, _ = os.Hostname() // "" for an error
	}
	l := &Loaded{}
	var problems conf.Problems
	if o.ServerOnly {
		l.Server, l.Values, problems = conf.LoadServer(co)
	} else {
		l.Server, l.Values, l.Access, problems = conf.Load(co)
	}
	l.Files = files.names
	l.useShippedSignatures(files)
	if !o.Offline {
		problems = append(problems, l.checkPlatform(runtime.GOOS)...)
	}
	if o.StrictModes && !o.Offline {
		problems = append(problems, l.checkModes()...)
		_, faults := l.FleetSecrets()
		problems = append(problems, faults...)
	}
	return l, unique(append(problems, l.checkValues()...))
}

// useShippedSignatures handles the file that the manual names,
// $FWKNOP_CONF_DIR/pf.os. Unless another one is configured, its signatures are added to
// the built-in ones, because existing values of REQUIRE_OS use its labels. If P0F_FILE
// names it and it does not exist, only the built-in ones are used.
func (l *Loaded) useShippedSignatures(fs conf.FS) {
	shipped := filepath.Join(l.Server.ConfDir, "pf.os")
	set := l.Values.IsSet("P0F_FILE")
	if set && l.Server.P0fFile != shipped {
		return
	}
	switch {
	case !fs.Exists(shipped):
		l.Server.P0fFile = ""
	case !set:
		l.Server.P0fFile = "+" + shipped
	}
}

// Main returns the path of the server file: that of -c, else the first default path
// that exists, else "".
func (o Options) Main() string {
	if o.Config != "" {
		return o.Config
	}
	for _, name := range defaultFiles {
		if _, err := os.Stat(name); err == nil {
			return name
		}
	}
	return ""
}

// A recordingFS records the names of the files that were read.
type recordingFS struct {
	conf.FS
	dir   string
	names []string
	seen  map[string]bool
}

func (r *recordingFS) Read(name string) ([]byte, conf.FileInfo, error) {
	abs := name
	if !filepath.IsAbs(name) {
		abs = absolute(filepath.Join(r.dir, name))
	}
	if !r.seen[abs] {
		if r.seen == nil {
			r.seen = make(map[string]bool)
		}
		r.seen[abs] = true
		r.names = append(r.names, abs)
	}
	return r.FS.Read(name)
}
