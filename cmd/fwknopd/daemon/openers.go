package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/cmd/fwknopd/engine"
	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/ingest"
	"fwknopd/ingest/filter"
	"fwknopd/policy/replay"
)

// addOpeners adds the functions with which the monitor opens the sources: everything
// that needs privileges.
func addOpeners(files map[string]func() (*os.File, error), list []privsep.SourceSpec) {
	for _, f := range list {
		if open := opener(f); open != nil {
			files[f.Name()] = open
		}
		if f.Mode == "SOCKET" {
			files[f.Name()+privsep.DatagramSuffix] = func() (*os.File, error) { return ingest.OpenUnixDatagram(f.Path) }
		}
	}
}

// opener returns the function that opens a source, nil if the worker opens it itself.
func opener(f privsep.SourceSpec) func() (*os.File, error) {
	switch {
	case f.Once:
		return func() (*os.File, error) { return os.Open(f.Path) }
	case f.Mode == "PCAP":
		return func() (*os.File, error) {
			expr, err := filter.Parse(f.Filter)
			if err != nil {
				return nil, err
			}
			return ingest.OpenCapture(f.Path, f.LiveOptions(expr))
		}
	case f.Mode == "UDP":
		return func() (*os.File, error) { return ingest.OpenUDP(fmt.Sprintf(":%d", f.Port)) }
	case f.Mode == "TCP":
		return func() (*os.File, error) { return ingest.OpenTCP(fmt.Sprintf(":%d", f.Port)) }
	case f.Mode == "SOCKET":
		return func() (*os.File, error) { return ingest.OpenUnix(f.Path) }
	case f.Mode == "NFLOG":
		return func() (*os.File, error) { return ingest.OpenNFLOG(uint16(f.Group)) }
	case f.Mode == "FIFO":
		return func() (*os.File, error) { return ingest.OpenFIFO(f.Path) }
	case f.Mode == "KNOCK" || f.Mode == "FILE_PCAP" || f.Mode == "ULOG_PCAP":
		return func() (*os.File, error) { return openFollowed(f.Path) }
	}
	return nil
}

// openFollowed opens a log or capture file that grows. A pipe is refused, since opening
// it would block the monitor until there is a writer.
func openFollowed(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		f.Close()
		return nil, fmt.Errorf("%s: not a file that can be followed (a pipe goes with KNOPMD_FIFO)", path)
	}
	return f, nil
}

// journalOpener returns the function with which the monitor creates, repairs and
// compacts the journal, and opens it for the worker.
func journalOpener(l *config.Loaded, notice func(string)) func() (*os.File, error) {
	path := engine.DigestFile(l.Server)
	return func() (*os.File, error) {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, err
		}
		j, err := replay.Open(path, engine.StoreOptions(l.Server, time.Now(), notice))
		if err != nil {
			return nil, err
		}
		if err := j.Close(); err != nil {
			return nil, err
		}
		return os.OpenFile(path, os.O_RDWR|os.O_APPEND|unix.O_NOFOLLOW, 0)
	}
}
