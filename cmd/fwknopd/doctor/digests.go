package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"golang.org/x/sys/unix"

	"fwknopd/cmd/fwknopd/control"
	"fwknopd/cmd/fwknopd/engine"
	"fwknopd/policy/conf"
	"fwknopd/policy/replay"
)

// examineDigests looks at the journal of seen messages.
func examineDigests(s *conf.Server) []finding {
	path := engine.DigestFile(s)
	if path == "" {
		return []finding{{"digests", ok, "ENABLE_DIGEST_PERSISTENCE N: seen messages are kept in memory", ""}}
	}
	daemon := runningDaemon(s)
	if owner := lockOwner(path); owner > 0 && owner != daemon {
		return []finding{{"digests", fix, fmt.Sprintf("%s is in use by process %d, so that the daemon cannot have it", path, owner),
			fmt.Sprintf("end process %d, or set another DIGEST_FILE", owner)}}
	}
	now := time.Now()
	c, err := replay.Inspect(context.Background(), path, engine.StoreOptions(s, now, nil))
	if errors.Is(err, fs.ErrNotExist) && daemon > 0 {
		return []finding{{"digests", warning, path + " is gone, the daemon writes to a file without a name", control.HowToRestart}}
	}
	return judgeDigests(path, c, err, now)
}

// judgeDigests judges the content of a journal, or the error of reading it, at a time.
func judgeDigests(path string, c replay.Content, err error, now time.Time) (list []finding) {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return []finding{{"digests", ok, path + " is not there yet: the daemon makes it", ""}}
	case errors.Is(err, replay.ErrTooLarge), errors.Is(err, unix.ELOOP): // a symbolic link
		return []finding{{"digests", fix, err.Error(), fmt.Sprintf("mv %s %[1]s.old: messages sent until then are refused", path)}}
	case err != nil:
		return []finding{{"digests", fix, err.Error() + ": the daemon refuses it, and grants nothing; look at what is in it before", fmt.Sprintf("chown root %s; chmod 600 %[1]s", path)}}
	}
	if c.Skipped > 0 {
		list = append(list, finding{"digests", warning, fmt.Sprintf("%s: %s without a record, the first is line %d: %v", path, conf.Count(c.Skipped, "line"), c.First, c.Reason),
			fmt.Sprintf("sed -n %dp %s shows the first; the daemon leaves them out", c.First, path)})
	}
	if c.Horizon.After(now) {
		list = append(list, finding{"digests", fix, fmt.Sprintf("%s: messages sent before %s are refused, which is to come: a clock was ahead, or is behind now", path, stamp(c.Horizon)),
			"set the clock (chronyc makestep), then " + control.HowToRestart})
	}
	if len(list) > 0 {
		return list
	}
	text := fmt.Sprintf("%s has %s in %d KiB", path, conf.Count(c.Records, "message"), (c.Size+1023)>>10)
	if !c.Horizon.IsZero() {
		text += "; what was sent before " + stamp(c.Horizon) + " is refused"
	}
	return []finding{{"digests", ok, text, ""}}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
