// Package config holds the commands that show and judge the configuration (check,
// -D, help, man pages) and the glue that loads it from disk for all others.
package config

import (
	"cmp"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"fwknopd/policy/conf"
)

// Default places of the server file; the first one that exists is read.
var defaultFiles = []string{"/etc/fwknop/fwknop.conf", "/etc/fwknop/fwknopd.conf"}

// Options say what [Load] shall read.
type Options struct {
	Config       string            // -c; "" for the default place, which may be missing
	Access       string            // -a; "" for what the server file says
	AccessFolder string            // --access-folder
	Overrides    []string          // -O, in the order given; later ones win
	Argv         map[string]string // values of the command line by keyword; they win over all files
	Lenient      bool              // unknown keywords are warnings
	StrictPerms  bool              // what is warned of about owner and mode is refused
	// Offline loads the configuration of another machine or time: users, programs,
	// chains and permissions of this one are not looked at.
	Offline    bool
	NoGPG      bool // leave all GPG_ keywords out
	GPGOptions int  // above 0 GPG_USE_OPTIONS, below 0 GPG_NO_OPTIONS for every stanza
	// ServerOnly leaves access.conf alone.
	ServerOnly bool
	// Dir is the working directory that relative names are meant from; "" for the one
	// of the process, unless FS is given.
	Dir string
	// FS reads the files; nil: from disk. Not saved with the rest.
	FS conf.FS `json:"-"`
}

// Loaded is a configuration as the rest of the program uses it.
type Loaded struct {
	Server *conf.Server
	Access *conf.Access // nil with ServerOnly
	Values *conf.Values // of the server file, with origins
	Files  []string     // every file that was read, absolute, for watching
}

// Load reads the configuration. It is usable only if the problems hold no error;
// what could be read is there in any case, for dump and check.
func Load(o Options) (*Loaded, conf.Problems) {
	if o.FS == nil {
		o.FS, o.Dir = Disk{Dir: o.Dir}, absolute(cmp.Or(o.Dir, "."))
	}
	files := &recorder{FS: o.FS, dir: o.Dir}
	co := conf.Options{
		FS: files, Dir: o.Dir, Server: o.Main(), Overrides: o.Overrides, Argv: o.Argv,
		Access: o.Access, AccessFolder: o.AccessFolder,
		Lenient: o.Lenient, StrictPerms: o.StrictPerms, AnyPerms: o.Offline,
		NoGPG: o.NoGPG, GPGOptions: o.GPGOptions, Location: time.Local,
	}
	if !o.Offline {
		co.Host = machine{}
	}
	l := &Loaded{}
	var problems conf.Problems
	if o.ServerOnly {
		l.Server, l.Values, problems = conf.LoadServer(co)
	} else {
		l.Server, l.Values, l.Access, problems = conf.Load(co)
	}
	l.Files = files.names
	l.shippedSignatures(files)
	if !o.Offline {
		problems = append(problems, l.foreign(runtime.GOOS)...)
	}
	return l, append(problems, l.verify()...)
}

// shippedSignatures looks for the file that the manual names, $FWKNOP_CONF_DIR/pf.os.
// Where no other is configured, its signatures are used beside the built-in ones: its
// labels are what REQUIRE_OS was written for. A P0F_FILE that only names it, and it is
// not there, means the built-in ones too.
func (l *Loaded) shippedSignatures(fs conf.FS) {
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

// Main is the server file to read, "" if neither -c names one nor a default place
// has one.
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

// recorder remembers which files were asked for.
type recorder struct {
	conf.FS
	dir   string
	names []string
	seen  map[string]bool
}

func (r *recorder) Read(name string) ([]byte, conf.FileInfo, error) {
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
