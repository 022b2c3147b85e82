package daemon

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"fwknopd/cmd/fwknopd/engine"
	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/enforce/monitor"
	"fwknopd/ingest"
	"fwknopd/ingest/filter"
	"fwknopd/policy/replay"
)

// workerPolicy returns what the worker may request.
func (d *daemon) workerPolicy() monitor.Policy {
	s := d.conf()
	p := s.policy
	p.Files = s.openers(func(text string) { d.logf(warning, "%s", text) })
	p.Files[privsep.FileConfig] = func() (*os.File, error) {
		c := *s.workerConfig
		d.mu.Lock()
		c.Positions = d.positions
		d.mu.Unlock()
		c.Wait = d.waitsForInterface()
		return configFile(&c)
	}
	return p
}

// configFile returns the encoded configuration as a file that cannot be modified.
func configFile(c *privsep.Config) (*os.File, error) {
	text, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	return sealedFile(text)
}

// openers returns the files that the worker may request by name, except the
// configuration: the digest file, and sources that take privileges to open.
func (s *setup) openers(notice func(string)) map[string]func() (*os.File, error) {
	files := make(map[string]func() (*os.File, error))
	if path := engine.DigestFile(s.Server); path != "" {
		files[privsep.FileJournal] = func() (*os.File, error) {
			return openJournal(path, engine.StoreOptions(s.Server, time.Now(), notice))
		}
		files[privsep.FileOldSums] = func() (*os.File, error) { return os.Open(filepath.Join(filepath.Dir(path), privsep.FileOldSums)) }
	}
	for _, f := range privsep.SourceSpecs(s.Loaded) {
		if open := opener(f); open != nil {
			files[f.Name()] = open
		}
		if f.Mode == "SOCKET" {
			files[f.Name()+privsep.DatagramSuffix] = func() (*os.File, error) { return ingest.OpenUnixDatagram(f.Path) }
		}
	}
	return files
}

// openJournal creates, repairs and compacts the digest file, and opens it for the
// worker.
func openJournal(path string, o replay.Options) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	j, err := replay.Open(path, o)
	if err != nil {
		return nil, err
	}
	if err := j.Close(); err != nil {
		return nil, err
	}
	return os.OpenFile(path, os.O_RDWR|os.O_APPEND|unix.O_NOFOLLOW, 0)
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
