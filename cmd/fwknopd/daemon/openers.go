package daemon

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"fwknopd/ingest"
	"fwknopd/ingest/filter"
)

// datagramName is what the name of the second socket of a feed has more.
const datagramSuffix = " datagrams"

// name is what the worker asks the monitor for.
func (f *sourceSpec) name() string {
	switch {
	case f.Port != 0:
		return fmt.Sprintf("%s port %d", f.Mode, f.Port)
	case f.Mode == "NFLOG":
		return fmt.Sprintf("%s group %d", f.Mode, f.Group)
	}
	return f.Mode + " " + f.Path
}

// live are the options of a capture, the same in both processes.
func (f *sourceSpec) liveOptions(expr *filter.Filter) ingest.LiveOptions {
	return ingest.LiveOptions{Filter: expr, Promiscuous: f.Promisc, AnyDirection: f.Both, Snaplen: f.Snaplen}
}

// offerFeeds adds what the monitor opens for the feeds: everything that takes rights.
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

// openFollowed opens a log or a capture that grows. A pipe in its place would keep
// the monitor waiting for a writer; it is refused.
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
