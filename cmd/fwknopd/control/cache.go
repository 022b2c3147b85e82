package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"fwknopd/ingest/safepath"
	"fwknopd/policy/conf"
	"fwknopd/policy/replay"
)

// RotateCache renames the replay cache to NAME-old (--rotate-digest-cache) and
// reports whether there was one. It must not be called while a daemon runs. The next
// daemon refuses messages sent before its start, since their digests are not looked up.
func RotateCache(path string) (renamed bool, err error) {
	err = rotate(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

func rotate(path string) error {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if !st.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", path)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return fmt.Errorf("%s: %w: stop the daemon first (fwknopd -K)", path, replay.ErrLocked)
	}
	if err != nil {
		return &os.PathError{Op: "flock", Path: path, Err: err}
	}
	return os.Rename(path, path+"-old")
}

// parseCache implements --exit-parse-digest-cache: it counts the digests without
// changing the file and fails if a line is in no known format.
func (c *command) parseCache() int {
	path := c.Server.DigestFile
	f, err := safepath.OpenData(path)
	if err != nil {
		return c.fail(err)
	}
	defer f.Close()
	code := exitOK
	m := replay.NewMemory(replay.Options{Notice: func(what string) {
		fmt.Fprintf(c.stderr, "fwknopd: %s\n", what)
		code = exitError
	}})
	if err := m.Load(f, path); err != nil {
		return c.fail(err)
	}
	if !c.JSON() {
		c.printfln("[+] %s: %s", path, conf.Count(m.Len(), "digest"))
		return code
	}
	err = json.NewEncoder(c.stdout).Encode(struct {
		V       int    `json:"v"`
		File    string `json:"file"`
		Digests int    `json:"digests"`
		Valid   bool   `json:"valid"`
	}{1, path, m.Len(), code == exitOK})
	if err != nil {
		return c.fail(err)
	}
	return code
}
