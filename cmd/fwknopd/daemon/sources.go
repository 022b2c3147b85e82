package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/ingest"
	"fwknopd/ingest/filter"
	"fwknopd/parse"
)

// A frame is kept as long as MAX_SNIFF_BYTES, which 1.9 took for the payload alone.
const (
	minSnaplen = 1500
	linkSlack  = 512 // headers of all layers, and what tells a payload that is too long
)

// A feed is where packets come from: which source, and what it is told. Two equal
// feeds need not be opened again.
type feed struct {
	Mode    string
	Path    string
	Port    int
	Filter  string
	Match   []string
	Kernel  bool
	Promisc bool
	Both    bool // directions
	Snaplen int
	Group   int
	Once    bool
	Deaf    bool // what is received is dropped
	Tail    bool // LOG_FOLLOWER tail
}

// feeds are what AUTH_MODE or INGEST ask for, and the switches of the two old
// daemons.
func feeds(l *config.Loaded) []feed {
	var list []feed
	for _, mode := range l.Server.AuthModes {
		if mode == "PCAP" && l.Server.CSyntax && l.Values.Bool("ENABLE_UDP_SERVER") {
			mode = "UDP" // the 2.6 daemon listens in place of sniffing
		}
		list = append(list, feedOf(mode, l))
	}
	return append(list, listeners(list, l)...)
}

// listeners are those of ENABLE_TCP_SERVER and ENABLE_UDP_SERVER that are not among
// the feeds. With AUTH_MODE SOCKET they feed us, as fwknop_serv did. Otherwise
// they only let clients connect: what they send is sniffed.
func listeners(list []feed, l *config.Loaded) (more []feed) {
	has := func(mode string) bool { return slices.ContainsFunc(list, func(f feed) bool { return f.Mode == mode }) }
	for _, mode := range []string{"TCP", "UDP"} {
		if l.Values.Bool("ENABLE_"+mode+"_SERVER") && !has(mode) {
			f := feedOf(mode, l)
			f.Deaf = !has("SOCKET")
			more = append(more, f)
		}
	}
	return more
}

func feedOf(mode string, l *config.Loaded) feed {
	v, s := l.Values, l.Server
	f := feed{Mode: mode}
	switch mode {
	case "PCAP":
		f.Path, f.Filter = v.String("PCAP_INTF"), s.PcapFilter
		f.Promisc, f.Both, f.Snaplen = v.Bool("ENABLE_PCAP_PROMISC"), v.Bool("ENABLE_PCAP_ANY_DIRECTION"), max(s.MaxSniffBytes, minSnaplen)+linkSlack
		if file := v.Path("PCAP_FILE"); file != "" {
			f = feed{Mode: mode, Path: file, Filter: s.PcapFilter, Once: true}
		}
	case "FILE_PCAP", "ULOG_PCAP":
		f.Path, f.Filter = v.Path("PCAP_PKT_FILE"), s.PcapFilter
		if file := v.Path("PCAP_FILE"); file != "" {
			f.Path, f.Once = file, true
		}
	case "KNOCK":
		f.Path, f.Match, f.Kernel = v.Path("IPT_SYSLOG_FILE"), s.FWMsgSearch, s.KernelLogOnly
		f.Tail = v.String("LOG_FOLLOWER") == "tail"
		if !v.Bool("ENABLE_SYSLOG_FILE") {
			f.Mode, f.Path = "FIFO", v.Path("KNOPMD_FIFO")
		}
	case "JOURNAL":
		f.Match, f.Kernel = s.FWMsgSearch, s.KernelLogOnly
	case "NFLOG":
		f.Group, f.Filter = v.Int("NFLOG_GROUP"), s.PcapFilter
	case "UDP":
		f.Port = v.Int("UDPSERV_PORT")
	case "TCP":
		f.Port = v.Int("TCPSERV_PORT")
	case "SOCKET":
		f.Path = v.Path("FWKNOP_SERV_SOCK")
	}
	return f
}

// sources are the feeds of a configuration as one Source.
type sources struct {
	ingest.Source
	feeds []feed
	open  []ingest.Source // of the feeds, one each
}

// Pending reports that another packet is there already.
func (s *sources) Pending() bool {
	p, ok := s.Source.(ingest.Pender)
	return ok && p.Pending()
}

// sources opens the feeds of l, or keeps those that are open if they are the same.
// If the new ones cannot be had, the old ones stay; unless both want the same port,
// so that the old ones had to go: then there are none.
func (w *worker) sources(ctx context.Context, l *config.Loaded, at positions) (*sources, error) {
	list := feeds(l)
	old := w.src
	if old != nil && sameFeeds(old.feeds, list) {
		return old, nil
	}
	clash := old != nil && slices.ContainsFunc(list, func(f feed) bool {
		return slices.ContainsFunc(old.feeds, func(o feed) bool { return f.Port != 0 && f.name() == o.name() })
	})
	if clash {
		old.Close()
		w.src = nil
	}
	src, err := w.openSources(ctx, list, at)
	if err == nil && old != nil && !clash {
		old.Close()
	}
	return src, err
}

func (w *worker) openSources(ctx context.Context, list []feed, at positions) (*sources, error) {
	var open []ingest.Source
	for _, f := range list {
		src, err := w.openFeed(ctx, f, at)
		if err != nil {
			for _, s := range open {
				s.Close()
			}
			return nil, fmt.Errorf("%s: %w", f.Mode, err)
		}
		open = append(open, src)
	}
	return &sources{ingest.Merge(open...), list, open}, nil
}

func sameFeeds(a, b []feed) bool { return fmt.Sprintf("%#v", a) == fmt.Sprintf("%#v", b) }

func (w *worker) openFeed(ctx context.Context, f feed, at positions) (ingest.Source, error) {
	expr, err := filter.Parse(f.Filter)
	if err != nil {
		return nil, err
	}
	read := ingest.ReadOptions{Match: f.Match, KernelOnly: f.Kernel, Filter: expr, Problem: w.problem}
	follow := ingest.FollowOptions{ReadOptions: read, Resume: at.of(f.Path), RawIP: f.Mode == "ULOG_PCAP",
		Open: func() (*os.File, error) { return w.open(ctx, f.name()) }}
	switch {
	case f.Once:
		return w.readOnce(ctx, f, read)
	case f.Mode == "PCAP":
		opt := f.live(expr)
		opt.Problem = w.problem
		opt.Socket = func() (*os.File, error) { return w.open(ctx, f.name()) }
		return ingest.Capture(f.Path, opt)
	case f.Mode == "FILE_PCAP" || f.Mode == "ULOG_PCAP":
		return ingest.FollowPcap(f.Path, follow)
	case f.Mode == "KNOCK" && f.Tail:
		return ingest.FollowTail(f.Path, follow)
	case f.Mode == "KNOCK":
		return ingest.FollowLog(f.Path, follow)
	case f.Mode == "JOURNAL":
		return ingest.FollowJournal(ingest.JournalOptions{ReadOptions: read, Cursor: at.Cursor})
	}
	file, err := w.open(ctx, f.name())
	if err != nil {
		return nil, err
	}
	src, err := w.takeFeed(ctx, f, file, read)
	if err == nil && f.Deaf {
		src = deaf{src}
	}
	return src, err
}

// deaf is a source that never has anything.
type deaf struct{ ingest.Source }

// Next implements ingest.Source: it waits for the end.
func (d deaf) Next(ctx context.Context, ev *parse.Event) error {
	for {
		if err := d.Source.Next(ctx, ev); err != nil && !errors.Is(err, parse.ErrSkip) {
			return err
		}
	}
}

// takeFeed makes a source of what the monitor opened.
func (w *worker) takeFeed(ctx context.Context, f feed, file *os.File, read ingest.ReadOptions) (ingest.Source, error) {
	opt := ingest.ServerOptions{Problem: w.problem}
	switch f.Mode {
	case "UDP":
		w.out.putf(recordMark, "Kicking off UDP server to listen on port %d.", f.Port)
		return ingest.TakeUDP(file, opt)
	case "TCP":
		w.out.putf(recordMark, "Kicking off TCP server to listen on port %d.", f.Port)
		return ingest.TakeTCP(file, opt)
	case "SOCKET":
		datagrams, err := w.open(ctx, f.name()+datagramName)
		if err != nil {
			file.Close()
			return nil, err
		}
		return ingest.TakeUnix(f.Path, file, datagrams, opt)
	case "NFLOG":
		return ingest.FollowNFLOG(uint16(f.Group), ingest.NFLOGOptions{Match: f.Match, Filter: read.Filter, Problem: w.problem, Socket: file})
	case "FIFO":
		return ingest.TakeFIFO(f.Path, file, read), nil
	}
	file.Close()
	return nil, errors.New("no such source")
}

// readOnce reads a capture to its end (PCAP_FILE): it comes as standard input.
func (w *worker) readOnce(ctx context.Context, f feed, read ingest.ReadOptions) (ingest.Source, error) {
	file, err := w.open(ctx, f.name())
	if err != nil {
		return nil, err
	}
	read.Stdin = file
	return ingest.Read([]string{ingest.Stdin}, read)
}

// problem tells of what is wrong with an input, within reason: it may come from every
// packet of a flood, and from several goroutines.
func (w *worker) problem(p ingest.Problem) {
	w.problems.Lock()
	lost := w.problems.take(time.Now())
	w.problems.Unlock()
	if lost > 0 {
		w.out.putf(recordBad, "%d more like this were not told one by one", lost)
	}
	if lost >= 0 {
		w.out.putf(recordBad, "%s:%d: %v", p.Name, p.Record, p.Err)
	}
}

// A sharedBudget is a budget for several goroutines.
type sharedBudget struct {
	sync.Mutex
	budget
}
