package privsep

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"reflect"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/cmd/fwknopd/keyring"
	"fwknopd/policy/conf"
)

const (
	// MaxKeys bounds the exported OpenPGP keys of all stanzas, in bytes.
	MaxKeys = 32 << 20
	// MaxConfig bounds the encoded Config, which holds both configurations and the keys in
	// base64, and some hundred bytes for each file and stanza.
	MaxConfig = (2*conf.MaxTotalSize+MaxKeys)/3*4 + 32<<20
)

// A Config is everything the worker needs, since it cannot read files: every
// configuration file as the monitor read it. The worker parses them with the same code
// and so gets the same configuration.
type Config struct {
	Options    config.Options
	Files      map[string]FileResult
	Folders    map[string][]string
	Exist      map[string]bool // results of Exists
	Keys       []*keyring.Keys // of the stanzas with GPG settings, in file order
	Signatures []byte          // P0F_FILE; nil: built in
	Positions  []byte          // of the last worker, as it logged them
	Limit      int             // -C; 0: none
	Wait       bool            // for a missing interface
	Fleet      bool            // what is granted is claimed, see [FileFleet]
	Generation int             // counts the reloads
	Verbose    int
	Debug      bool
}

// A FileResult is the result of reading a file.
type FileResult struct {
	Data     []byte
	Info     conf.FileInfo
	Err      string
	NotExist bool // Err is fs.ErrNotExist
}

// Record returns a conf.FS that reads from fsys and records the results in c.
func (c *Config) Record(fsys conf.FS) conf.FS {
	c.Files, c.Folders, c.Exist = make(map[string]FileResult), make(map[string][]string), make(map[string]bool)
	return recordingFS{fsys, c}
}

// Load loads the configuration from the recorded results.
func (c *Config) Load() (*config.Loaded, conf.Problems) {
	c.Options.FS, c.Options.Offline = recordedFS{c}, true
	return config.Load(c.Options)
}

// Equal reports whether both have the same files with the same content.
func (c *Config) Equal(other *Config) bool {
	return maps.EqualFunc(c.Files, other.Files, func(f, g FileResult) bool {
		return bytes.Equal(f.Data, g.Data) && reflect.DeepEqual(f.Info, g.Info) && f.Err == g.Err
	})
}

// A recordingFS is a conf.FS that records the results of another one.
type recordingFS struct {
	conf.FS
	cfg *Config
}

// Read implements conf.FS.
func (h recordingFS) Read(name string) ([]byte, conf.FileInfo, error) {
	data, info, err := h.FS.Read(name)
	f := FileResult{Data: data, Info: info}
	if err != nil {
		f.Err, f.NotExist = err.Error(), errors.Is(err, fs.ErrNotExist)
	}
	h.cfg.Files[name] = f
	return data, info, err
}

// List implements conf.FS.
func (h recordingFS) List(dir string) ([]string, error) {
	names, err := h.FS.List(dir)
	if err == nil {
		h.cfg.Folders[dir] = names
	}
	return names, err
}

// Exists implements conf.FS.
func (h recordingFS) Exists(name string) bool {
	h.cfg.Exist[name] = h.FS.Exists(name)
	return h.cfg.Exist[name]
}

// A recordedFS is a conf.FS that returns recorded results.
type recordedFS struct{ cfg *Config }

// Read implements conf.FS.
func (h recordedFS) Read(name string) ([]byte, conf.FileInfo, error) {
	f, ok := h.cfg.Files[name]
	switch {
	case !ok:
		return nil, conf.FileInfo{}, fmt.Errorf("%s: not handed over by the monitor", name)
	case f.NotExist:
		return nil, conf.FileInfo{}, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	case f.Err != "":
		return nil, conf.FileInfo{}, errors.New(f.Err)
	}
	return f.Data, f.Info, nil
}

// List implements conf.FS.
func (h recordedFS) List(dir string) ([]string, error) {
	names, ok := h.cfg.Folders[dir]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: fs.ErrNotExist}
	}
	return names, nil
}

// Exists implements conf.FS.
func (h recordedFS) Exists(name string) bool { return h.cfg.Exist[name] }
