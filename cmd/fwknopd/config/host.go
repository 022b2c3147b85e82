package config

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"sort"
	"syscall"
	"time"

	"fwknopd/enforce/command"
	"fwknopd/ingest/safepath"
	"fwknopd/policy/conf"
)

// Disk is the conf.FS of the file system. Relative names are resolved against Dir, ""
// for the working directory of the process.
type Disk struct{ Dir string }

func (d Disk) path(name string) string {
	if d.Dir == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(d.Dir, name)
}

// Read implements conf.FS.
func (d Disk) Read(name string) ([]byte, conf.FileInfo, error) {
	if name == os.DevNull { // scripts pass it for "no file"
		return nil, conf.FileInfo{Regular: true, Perm: 0o600}, nil
	}
	name = d.path(name)
	link, err := os.Lstat(name)
	if err != nil {
		return nil, conf.FileInfo{}, err
	}
	f, way, _, err := safepath.Open(name)
	if err != nil {
		return nil, conf.FileInfo{}, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, conf.FileInfo{}, err
	}
	info := conf.FileInfo{
		Regular: st.Mode().IsRegular(),
		Symlink: link.Mode()&os.ModeSymlink != 0,
		Perm:    uint32(st.Mode().Perm()),
	}
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		info.UID = sys.Uid
		info.Foreign = sys.Uid != 0 && int(sys.Uid) != os.Geteuid()
	}
	for _, fault := range way {
		info.Way = append(info.Way, conf.PathFault{Path: fault.Path, Text: fault.Text})
	}
	if !info.Regular {
		return nil, info, nil
	}
	data, err := io.ReadAll(io.LimitReader(f, conf.MaxFileSize+1))
	return data, info, err
}

// List implements conf.FS.
func (d Disk) List(dir string) ([]string, error) {
	entries, err := os.ReadDir(d.path(dir))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() {
			names = append(names, filepath.Join(dir, e.Name()))
		}
	}
	sort.Strings(names)
	return names, nil
}

// Exists implements conf.FS.
func (d Disk) Exists(name string) bool {
	_, err := os.Stat(d.path(name))
	return err == nil
}

// localHost is the conf.Host of this machine.
type localHost struct{}

func (localHost) Dir(path string) error {
	st, err := os.Stat(path)
	if err == nil && !st.IsDir() {
		return errors.New("not a directory")
	}
	return err
}

func (localHost) Executable(path string) error {
	st, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case !st.Mode().IsRegular() || st.Mode().Perm()&0o111 == 0:
		return errors.New("not executable")
	}
	return nil
}

func (localHost) User(name string) bool {
	_, err := user.Lookup(name)
	return err == nil
}

func (localHost) Group(name string) bool {
	_, err := user.LookupGroup(name)
	return err == nil
}

// chainTimeout bounds one run of iptables.
const chainTimeout = 5 * time.Second

// maxChain is how much of its output is read.
const maxChain = 64 << 10

// Chain reports whether iptables has the chain; known is false if that cannot be
// determined, for example without root.
func (localHost) Chain(table, chain string) (exists, known bool) {
	iptables, err := exec.LookPath("iptables")
	if err != nil || os.Geteuid() != 0 {
		return false, false
	}
	_, err = command.Output(context.Background(), command.Command{
		Argv: []string{iptables, "-w", "-t", table, "-S", chain}, Environment: os.Environ(), Timeout: chainTimeout, MaxOutput: maxChain, KillAtOnce: true,
	})
	var failed *command.FailedError
	switch {
	case err == nil, errors.Is(err, command.ErrTooMuch):
		return true, true
	case errors.As(err, &failed) && failed.Status == 1:
		return false, true
	}
	return false, false
}
