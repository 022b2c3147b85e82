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

// A bundle is what the worker, who may read nothing, is told: every file of the
// configuration as the monitor read it. The worker loads them with the same code,
// and so comes to the same configuration.
type workerConfig struct {
	Options    config.Options
	Files      map[string]fileResult
	Folders    map[string][]string
	Exist      map[string]bool // names that were asked about, and whether they exist
	Keys       []*keyring.Keys // of the stanzas with a GPG part, in reading order
	Signatures []byte          // P0F_FILE; nil: our own
	Positions  []byte          // where the last worker was, see positions
	Limit      int             // -C; 0: none
	Wait       bool            // for an interface that is not there
	Verbose    int
	Debug      bool
	Test       bool
}

// A heldFile is the outcome of one read.
type fileResult struct {
	Data     []byte
	Info     conf.FileInfo
	Err      string
	NotExist bool // Err is fs.ErrNotExist
}

// holding is a conf.FS that remembers what another one said.
type recordingFS struct {
	conf.FS
	b *workerConfig
}

// Read implements conf.FS.
func (h recordingFS) Read(name string) ([]byte, conf.FileInfo, error) {
	data, info, err := h.FS.Read(name)
	f := fileResult{Data: data, Info: info}
	if err != nil {
		f.Err, f.NotExist = err.Error(), errors.Is(err, fs.ErrNotExist)
	}
	h.b.Files[name] = f
	return data, info, err
}

// List implements conf.FS.
func (h recordingFS) List(dir string) ([]string, error) {
	names, err := h.FS.List(dir)
	if err == nil {
		h.b.Folders[dir] = names
	}
	return names, err
}

// Exists implements conf.FS.
func (h recordingFS) Exists(name string) bool {
	h.b.Exist[name] = h.FS.Exists(name)
	return h.b.Exist[name]
}

// held is the conf.FS of the worker.
type workerFS struct{ b *workerConfig }

// Read implements conf.FS.
func (h workerFS) Read(name string) ([]byte, conf.FileInfo, error) {
	f, ok := h.b.Files[name]
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
	names, ok := h.b.Folders[dir]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: fs.ErrNotExist}
	}
	return names, nil
}

// Exists implements conf.FS.
func (h workerFS) Exists(name string) bool { return h.b.Exist[name] }

// file is the bundle as the worker gets it: nobody can change it any more.
func (b *workerConfig) file() (*os.File, error) {
	text, err := json.Marshal(b)
	if err != nil {
		return nil, err
	}
	return sealedFile(text)
}
