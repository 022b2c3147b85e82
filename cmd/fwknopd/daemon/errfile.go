package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// maxErrFile is the size at which a file in FWKNOP_ERR_DIR is renamed, in place of the one
// renamed before.
const maxErrFile = 1 << 20

// appendErrFile appends to a file in FWKNOP_ERR_DIR; errors are ignored. l.mu must be
// held.
func (l *logger) appendErrFile(name, text string) {
	if l.errDir == "" {
		return
	}
	path := filepath.Join(l.errDir, name)
	line := fmt.Sprintf("%s fwknopd v%s pid: %d %s\n", time.Now().Format(time.ANSIC), l.version, os.Getpid(), text)
	if st, err := os.Lstat(path); err == nil && st.Mode().IsRegular() && st.Size()+int64(len(line)) > maxErrFile {
		_ = os.Rename(path, path+".1")
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	if endsInLine(f) {
		line = "\n" + line
	}
	_, _ = f.WriteString(line)
}
