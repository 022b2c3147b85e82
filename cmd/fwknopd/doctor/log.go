package doctor

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"fwknopd/parse"
)

// lastOfLog is how much of a log is looked at, from its end, in bytes.
const lastOfLog = 256 << 10

// examineLog reads the end of the log that knock sequences are taken from. options: a stanza
// asks for the system of the client.
func examineLog(name string, options bool) finding {
	text, err := tail(name, lastOfLog)
	if errors.Is(err, fs.ErrPermission) {
		return finding{"log", fix, err.Error() + ": root has not CAP_DAC_READ_SEARCH here (logrotate must keep what mends it)", fmt.Sprintf("chgrp root %s; chmod g+r %[1]s", name)}
	}
	if err != nil {
		return finding{"log", fix, err.Error(), "IPT_SYSLOG_FILE names the log of the kernel; AUTH_MODE JOURNAL reads the journal"}
	}
	return judgeLog(name, text, options)
}

// tail returns the last bytes of a file.
func tail(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.NewSectionReader(f, max(0, st.Size()-most), most))
}

// judgeLog judges the end of a log.
func judgeLog(name string, text []byte, options bool) finding {
	var lines, records, syns, withOptions int
	var ev parse.Event
	for line := range bytes.Lines(text) {
		lines++
		if parse.LogLine(bytes.TrimRight(line, "\r\n"), time.Unix(0, 0), &ev) != nil {
			continue
		}
		records++
		if ev.Proto == parse.TCP && ev.Flags&(parse.SYN|parse.ACK) == parse.SYN {
			if syns++; ev.HasOptions {
				withOptions++
			}
		}
	}
	of := fmt.Sprintf("%s: %d of the last %d lines are records of the firewall", name, records, lines)
	const rule = "iptables -A INPUT -j LOG --log-prefix 'DROP ' --log-tcp-options (before the drop)"
	switch {
	case records == 0:
		return finding{"log", warning, of + ": no knock can be seen", rule}
	case options && syns > 0 && withOptions == 0:
		return finding{"log", warning, of + "; none has TCP options, so REQUIRE_OS never holds", rule}
	}
	return finding{"log", ok, of, ""}
}
