package control

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"fwknopd/policy/replay"
)

// rotateCache is --rotate-digest-cache: the cache gets the name NAME-old. What was in
// it is forgotten, so that is not for a daemon that runs.
func (c *command) rotateCache() int {
	path := c.Server.DigestFile
	if err := rotate(path); err != nil {
		return c.fail(err)
	}
	c.say("[+] Renamed %s to %s-old; messages in it count as new while they are young enough.", path, path)
	return exitOK
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

// parseCache is --exit-parse-digest-cache: it counts, changes nothing, and fails if
// a line is none of any known cache.
func (c *command) parseCache() int {
	path := c.Server.DigestFile
	f, err := os.Open(path)
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
	c.say("[+] %s: %d digests", path, m.Len())
	return code
}
