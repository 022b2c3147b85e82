package daemon

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"fwknopd/ingest"
	"fwknopd/ingest/filter"
)

// datagramSuffix is appended to the name of a source for its second socket.
const datagramSuffix = " datagrams"

// name identifies a source in requests to the monitor.
func (f *sourceSpec) name() string {
	switch {
	case f.Port != 0:
		return fmt.Sprintf("%s port %d", f.Mode, f.Port)
	case f.Mode == "NFLOG":
		return fmt.Sprintf("%s group %d", f.Mode, f.Group)
	}
	return f.Mode + " " + f.Path
}

// liveOptions returns the options of a capture, which must be the same in both
// processes.
func (f *sourceSpec) liveOptions(expr *filter.Filter) ingest.LiveOptions {
	return ingest.LiveOptions{Filter: expr, Promiscuous: f.Promisc, AnyDirection: f.Both, Snaplen: f.Snaplen}
}

// addOpeners adds the functions with which the monitor opens the sources: everything
// that needs privileges.
func addOpeners(files map[string]func() (*os.File, error), list []sourceSpec) {
	for _, f := range list {
		if open := f.opener(); open != nil {
			files[f.name()] = open
		}
		if f.Mode == "SOCKET" {
			files[f.name()+datagramSuffix] = func() (*os.File, error) { return ingest.OpenUnixDatagram(f.Path) }
		}
	}
}

// opener returns the function that opens the source, nil if the worker opens it itself.
func (f sourceSpec) opener() func() (*os.File, error) {
	switch {
	case f.Once:
		return func() (*os.File, error) { return os.Open(f.Path) }
	case f.Mode == "PCAP":
		return func() (*os.File, error) {
			expr, err := filter.Parse(f.Filter)
			if err != nil {
				return nil, err
			}
			return ingest.OpenCapture(f.Path, f.liveOptions(expr))
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
