package ingest

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"fwknopd/ingest/filter"
	"fwknopd/ingest/safepath"
)

// A Spec describes a source that never ends, or with Once a capture that is read to its
// end. Mode is one of AUTH_MODE; which of the other fields count depends on it.
//
// A process that parses packets should have few rights. So two processes share a Spec: the
// privileged one opens its Files, and the other reads [Spec.From] what it is handed.
type Spec struct {
	Mode    string
	Path    string // file, socket or interface
	Port    int
	Filter  string
	Payload filter.Payload // of live captures and UDP
	Match   []string
	Kernel  bool
	Promisc bool
	Both    bool // capture both directions
	Snaplen int
	Group   int
	Once    bool
	Tail    bool // LOG_FOLLOWER is tail
}

// A Handover is what the process that reads needs for a Spec.
type Handover struct {
	// Open asks the privileged process for one of the Files.
	Open func(name string) (*os.File, error)
	// Journal has it start journalctl, see [Journalctl.Open].
	Journal func(JournalQuery) (*os.File, error)
	// Lines connects to the process that reads the topics of KAFKA.
	Lines   func() (LineFeed, error)
	Problem func(Problem)
	Resume  State
	// Wait and Away are as in LiveOptions.
	Wait bool
	Away func(reason string)
}

// Files returns the functions that open what the source needs privileges for, by the
// names that Handover.Open is called with.
func (s Spec) Files() map[string]func() (*os.File, error) {
	files := make(map[string]func() (*os.File, error))
	k := s.kind()
	if k.open != nil {
		files[s.Name()] = func() (*os.File, error) { return k.open(&s) }
	}
	for suffix, open := range k.openMore {
		files[s.Name()+suffix] = func() (*os.File, error) { return open(&s) }
	}
	return files
}

// FilesAhead returns what Files does, and opens on another goroutine what the kernel takes long to
// open. That is returned by the first call of its function, if it is as good as new then. drop closes
// it if there was no call yet.
func (s Spec) FilesAhead() (files map[string]func() (*os.File, error), drop func()) {
	files = s.Files()
	k := s.kind()
	if k.stillGood == nil {
		return files, func() {}
	}
	open := files[s.Name()]
	wait := sync.OnceValues(open)
	go wait()
	var taken atomic.Bool
	files[s.Name()] = func() (*os.File, error) {
		if taken.Swap(true) {
			return open()
		}
		f, err := wait()
		switch {
		case err != nil: // of which the reason may be gone
			return open()
		case !k.stillGood(&s, f):
			f.Close()
			return open()
		}
		return f, nil
	}
	return files, func() {
		if taken.Swap(true) {
			return
		}
		if f, err := wait(); err == nil {
			f.Close()
		}
	}
}

// What the name of a second socket has more than that of the first.
const (
	datagrams = " datagrams"
	linkNews  = " links"
)

// Name identifies the source between the processes.
func (s *Spec) Name() string {
	switch {
	case s.Port != 0:
		return fmt.Sprintf("%s port %d", s.Mode, s.Port)
	case s.Mode == "NFLOG":
		return fmt.Sprintf("%s group %d", s.Mode, s.Group)
	}
	return s.Mode + " " + s.Path
}

// From makes the source of what the privileged process opens.
func (s Spec) From(h Handover) (Source, error) {
	expr, err := filter.Parse(s.Filter)
	if err != nil {
		return nil, err
	}
	read := ReadOptions{Match: s.Match, KernelOnly: s.Kernel, Filter: expr, Problem: h.Problem}
	k := s.kind()
	switch {
	case k.fromOpener != nil:
		return k.fromOpener(&s, read, h)
	case k.from == nil:
		return nil, errors.New("no such source")
	}
	file, err := h.Open(s.Name())
	if err != nil {
		return nil, err
	}
	return k.from(&s, file, read, h)
}

// A sourceKind is how sources of one Mode are opened, with privileges, and read from what was
// opened.
type sourceKind struct {
	open func(*Spec) (*os.File, error) // nil: it takes no privileges
	// stillGood reports whether what was opened a while ago is as good as new; nil: that is not
	// known, or open takes no time.
	stillGood func(*Spec, *os.File) bool
	// from takes over the file.
	from func(s *Spec, file *os.File, read ReadOptions, h Handover) (Source, error)
	// fromOpener, in place of from, is for sources that open more than one file in their
	// time, or none.
	fromOpener func(s *Spec, read ReadOptions, h Handover) (Source, error)

	follows bool // a path: see Folders
	// openMore opens what the source needs besides, by the suffix of its name.
	openMore map[string]func(*Spec) (*os.File, error)
}

func (s *Spec) kind() sourceKind {
	if s.Once {
		return sourceKind{open: func(s *Spec) (*os.File, error) { return safepath.OpenData(s.Path) }, from: readHanded}
	}
	return sourceKinds[s.Mode]
}

var sourceKinds = map[string]sourceKind{
	"PCAP": {
		open: openLive, stillGood: isCapture, fromOpener: captureFrom,
		openMore: map[string]func(*Spec) (*os.File, error){linkNews: func(*Spec) (*os.File, error) { return openLinks() }},
	},
	"FILE_PCAP": {open: openFollowed, fromOpener: followFrom, follows: true},
	"ULOG_PCAP": {open: openFollowed, fromOpener: followFrom, follows: true},
	"KNOCK":     {open: openFollowed, fromOpener: followFrom, follows: true},
	"JOURNAL": {fromOpener: func(_ *Spec, read ReadOptions, h Handover) (Source, error) {
		return followJournal(JournalOptions{ReadOptions: read, Open: h.Journal, Resume: h.Resume})
	}},
	"KAFKA": {fromOpener: func(s *Spec, read ReadOptions, h Handover) (Source, error) {
		return newFeed(s.Name(), h.Lines, read, h.Away), nil
	}},
	"FIFO": {
		open: func(s *Spec) (*os.File, error) { return openFIFO(s.Path) },
		from: func(s *Spec, pipe *os.File, read ReadOptions, _ Handover) (Source, error) {
			return newFIFO(s.Path, pipe, read), nil
		},
	},
	"KMSG": {
		open: func(*Spec) (*os.File, error) { return openKMSG() },
		fromOpener: func(s *Spec, read ReadOptions, h Handover) (Source, error) {
			file, err := h.Open(s.Name())
			if err != nil {
				return nil, err
			}
			return newKMSG(file, read, h.Resume)
		},
	},
	"NFLOG": {
		open: func(s *Spec) (*os.File, error) { return openNFLOG(uint16(s.Group)) },
		from: func(s *Spec, socket *os.File, read ReadOptions, _ Handover) (Source, error) {
			return newNFLOG(uint16(s.Group), socket, read)
		},
	},
	"UDP": {
		open: func(s *Spec) (*os.File, error) { return openUDP(fmt.Sprintf(":%d", s.Port), s.Payload) },
		from: func(s *Spec, socket *os.File, _ ReadOptions, h Handover) (Source, error) {
			return newUDPServer(socket, s.Payload, h.Problem)
		},
	},
	"TCP": {
		open: func(s *Spec) (*os.File, error) { return openTCP(fmt.Sprintf(":%d", s.Port)) },
		from: func(_ *Spec, socket *os.File, _ ReadOptions, h Handover) (Source, error) {
			return newTCPServer(socket, h.Problem)
		},
	},
	"SOCKET": {
		open: func(s *Spec) (*os.File, error) { return openUnix(s.Path) },
		openMore: map[string]func(*Spec) (*os.File, error){
			datagrams: func(s *Spec) (*os.File, error) { return openUnixDatagrams(s.Path) },
		},
		from: func(s *Spec, stream *os.File, _ ReadOptions, h Handover) (Source, error) {
			packets, err := h.Open(s.Name() + datagrams)
			if err != nil {
				stream.Close()
				return nil, err
			}
			return newUnixServer(s.Path, stream, packets, h.Problem)
		},
	},
}

// readHanded reads a capture to its end.
func readHanded(_ *Spec, file *os.File, read ReadOptions, _ Handover) (Source, error) {
	read.Stdin = file
	return Read([]string{Stdin}, read)
}

func openLive(s *Spec) (*os.File, error) {
	expr, err := filter.Parse(s.Filter)
	if err != nil {
		return nil, err
	}
	return openCapture(s.Path, s.live(expr))
}

func captureFrom(s *Spec, read ReadOptions, h Handover) (Source, error) {
	opt := s.live(read.Filter)
	opt.Problem, opt.Wait, opt.Away = h.Problem, h.Wait, h.Away
	opt.Socket = func() (*os.File, error) { return h.Open(s.Name()) }
	opt.Links = func() (*os.File, error) { return h.Open(s.Name() + linkNews) }
	return Capture(s.Path, opt)
}

// live returns the options of a capture that must be the same in both processes.
func (s *Spec) live(expr *filter.Filter) LiveOptions {
	return LiveOptions{Filter: expr, Payload: s.Payload, Promiscuous: s.Promisc, AnyDirection: s.Both, Snaplen: s.Snaplen}
}

// openFollowed opens a log or capture file that grows. A pipe is refused, since opening
// it would block until there is a writer.
func openFollowed(s *Spec) (*os.File, error) {
	f, err := safepath.OpenData(s.Path)
	if err != nil {
		return nil, err
	}
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		f.Close()
		return nil, fmt.Errorf("%s: not a file that can be followed (a pipe goes with KNOPMD_FIFO)", s.Path)
	}
	return f, nil
}

func followFrom(s *Spec, read ReadOptions, h Handover) (Source, error) {
	opt := FollowOptions{ReadOptions: read, Resume: h.Resume, RawIP: s.Mode == "ULOG_PCAP",
		Open: func() (*os.File, error) { return h.Open(s.Name()) }}
	switch {
	case s.Mode != "KNOCK":
		return followPcap(s.Path, opt)
	case s.Tail:
		return followTail(s.Path, opt)
	}
	return followLog(s.Path, opt)
}
