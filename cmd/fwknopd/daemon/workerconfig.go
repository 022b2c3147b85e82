package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/cmd/fwknopd/keyring"
	"fwknopd/policy/conf"
)

// A workerConfig is everything the worker needs, since it cannot read files: every
// configuration file as the monitor read it. The worker parses them with the same code
// and so gets the same configuration.
type workerConfig struct {
	Options    config.Options
	Files      map[string]fileResult
	Folders    map[string][]string
	Exist      map[string]bool // results of Exists
	Keys       []*keyring.Keys // of the stanzas with GPG settings, in file order
	Signatures []byte          // P0F_FILE; nil: built in
	Positions  []byte          // of the last worker, see positions
	Limit      int             // -C; 0: none
	Wait       bool            // for a missing interface
	Verbose    int
	Debug      bool
	Test       bool
}

// A fileResult is the result of reading a file.
type fileResult struct {
	Data     []byte
	Info     conf.FileInfo
	Err      string
	NotExist bool // Err is fs.ErrNotExist
}

// A recordingFS is a conf.FS that records the results of another one.
type recordingFS struct {
	conf.FS
	cfg *workerConfig
}

// Read implements conf.FS.
func (h recordingFS) Read(name string) ([]byte, conf.FileInfo, error) {
	data, info, err := h.FS.Read(name)
	f := fileResult{Data: data, Info: info}
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

// A workerFS is the conf.FS of the worker. It returns the recorded results.
type workerFS struct{ cfg *workerConfig }

// Read implements conf.FS.
func (h workerFS) Read(name string) ([]byte, conf.FileInfo, error) {
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
func (h workerFS) List(dir string) ([]string, error) {
	names, ok := h.cfg.Folders[dir]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: fs.ErrNotExist}
	}
	return names, nil
}

// Exists implements conf.FS.
func (h workerFS) Exists(name string) bool { return h.cfg.Exist[name] }

// file returns the encoded configuration as a file that cannot be modified.
func (c *workerConfig) file() (*os.File, error) {
	text, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	return sealedFile(text)
}
