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
)

// A record is how the daemon was started: what -R starts again.
type record struct {
	PID  int      `json:"pid"`
	Args []string `json:"args"` // without the program's name
	Dir  string   `json:"dir"`
}

// maxRecord bounds the file; the kernel bounds a command line at less.
const maxRecord = 4 << 20

// Record writes FWKNOP_CMDLINE_FILE for this process: a first line to read, a second
// one that keeps every argument and the working directory as they were. Args leaves out the
// program's name: -R starts its own executable, whatever lies about under the
// name. A daemon in the foreground has no record, as whoever started it restarts
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
	_, err = fmt.Fprintf(f, "%s\n%s\n", readable(args), text)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// readable is the command line as 1.9 wrote it, control characters aside.
func readable(args []string) string {
	line := strings.Join(append([]string{"fwknopd"}, args...), " ")
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, line)
}

// readRecord reads what Record wrote. A file that others may write to is refused:
// what it says is started with our rights.
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
		return nil, fmt.Errorf("%s: belongs to somebody else, or others may write to it", path)
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
