package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"fwknopd/policy/conf"
)

// A record is the command line of the daemon, for -R.
type record struct {
	PID  int      `json:"pid"`
	Args []string `json:"args"` // without the program's name
	Dir  string   `json:"dir"`
}

// maxRecord bounds the file; the kernel bounds a command line at less.
const maxRecord = 4 << 20

// Record writes FWKNOP_CMDLINE_FILE for this process: a readable first line, and a
// second one with the exact arguments and working directory. args do not include the
// program's name: -R starts its own executable, not a file that happens to have that
// name. A daemon in the foreground has no record, because its supervisor restarts
// it; -R then reloads it by SIGHUP.
func Record(path string, args []string, dir string) error {
	text, err := json.Marshal(record{os.Getpid(), args, dir})
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%s\n%s\n", printableArgs(args), text)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// printableArgs returns the command line as 1.9 wrote it, with control characters
// replaced.
func printableArgs(args []string) string {
	return conf.Printable(strings.Join(append([]string{"fwknopd"}, args...), " "))
}

// readRecord reads what Record wrote. It refuses a file that other users may write:
// the command line in it is run with our privileges.
func readRecord(path string) (*record, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || int(st.Uid) != os.Geteuid() || st.Mode&0o022 != 0 {
		return nil, fmt.Errorf("%s: belongs to another user, or others may write to it", path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxRecord))
	if err != nil {
		return nil, err
	}
	_, exact, _ := bytes.Cut(text, []byte("\n"))
	var r record
	if err := json.Unmarshal(exact, &r); err != nil || r.Dir == "" {
		return nil, fmt.Errorf("%s: does not hold the command line of this daemon", path)
	}
	return &r, nil
}
