package worker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/cmd/fwknopd/privsep"
	"fwknopd/ingest"
	"fwknopd/ingest/filter"
	"fwknopd/parse"
)

// sources are the sources of a configuration, merged into one.
type sources struct {
	ingest.Source
	specs []privsep.SourceSpec
}

// sources opens the sources of l, or returns the open ones if they are the same. If the
// new ones cannot be opened, the old ones stay in use, unless both need the same port:
// then the old ones have been closed and w.src is nil.
func (w *worker) sources(ctx context.Context, l *config.Loaded, at positions) (*sources, error) {
	list := privsep.SourceSpecs(l)
	old := w.src
	if old != nil && reflect.DeepEqual(old.specs, list) {
		return old, nil
	}
	clash := old != nil && slices.ContainsFunc(list, func(f privsep.SourceSpec) bool {
		return slices.ContainsFunc(old.specs, func(o privsep.SourceSpec) bool { return f.Port != 0 && f.Name() == o.Name() })
	})
	if clash {
		old.Close()
		w.src = nil
	}
	src, err := w.openSources(ctx, list, at)
	for _, f := range list {
		if err == nil && (f.Mode == "UDP" || f.Mode == "TCP") {
			w.compat26f(l, "Kicking off %s server to listen on port %d.", f.Mode, f.Port)
		}
	}
	if err == nil && old != nil && !clash {
		old.Close()
	}
	return src, err
}

func (w *worker) openSources(ctx context.Context, list []privsep.SourceSpec, at positions) (*sources, error) {
	var open []ingest.Source
	for _, f := range list {
		src, err := w.openSource(ctx, f, at)
		if err != nil {
			for _, s := range open {
				s.Close()
			}
			return nil, fmt.Errorf("%s: %w", f.Mode, err)
		}
		open = append(open, src)
	}
	return &sources{ingest.Merge(open...), list}, nil
}

func (w *worker) openSource(ctx context.Context, f privsep.SourceSpec, at positions) (ingest.Source, error) {
	expr, err := filter.Parse(f.Filter)
	if err != nil {
		return nil, err
	}
	place := at.Places[f.Name()]
	read := ingest.ReadOptions{Match: f.Match, KernelOnly: f.Kernel, Filter: expr, Problem: w.logProblem}
	follow := ingest.FollowOptions{ReadOptions: read, Resume: place, RawIP: f.Mode == "ULOG_PCAP",
		Open: func() (*os.File, error) { return w.open(ctx, f.Name()) }}
	switch {
	case f.Once:
		return w.readOnce(ctx, f, read)
	case f.Mode == "PCAP":
		opt := f.LiveOptions(expr)
		opt.Problem, opt.Wait = w.logProblem, w.wait
		opt.Away = func(reason string) { w.setAway(context.WithoutCancel(ctx), f, reason) }
		opt.Socket = func() (*os.File, error) { return w.open(ctx, f.Name()) }
		return ingest.Capture(f.Path, opt)
	case f.Mode == "FILE_PCAP" || f.Mode == "ULOG_PCAP":
		return ingest.FollowPcap(f.Path, follow)
	case f.Mode == "KNOCK" && f.Tail:
		return ingest.FollowTail(f.Path, follow)
	case f.Mode == "KNOCK":
		return ingest.FollowLog(f.Path, follow)
	case f.Mode == "JOURNAL":
		return ingest.FollowJournal(ingest.JournalOptions{ReadOptions: read, Resume: place})
	}
	file, err := w.open(ctx, f.Name())
	if err != nil {
		return nil, err
	}
	src, err := w.takeSource(ctx, f, file, read)
	if err == nil && f.Discard {
		src = discardSource{src}
	}
	return src, err
}

// A discardSource drops everything that it receives.
type discardSource struct{ ingest.Source }

// Next implements ingest.Source. It returns only errors.
func (d discardSource) Next(ctx context.Context, ev *parse.Event) error {
	for {
		if err := d.Source.Next(ctx, ev); err != nil && !errors.Is(err, parse.ErrSkip) {
			return err
		}
	}
}

// takeSource makes a source of a descriptor that the monitor opened.
func (w *worker) takeSource(ctx context.Context, f privsep.SourceSpec, file *os.File, read ingest.ReadOptions) (ingest.Source, error) {
	opt := ingest.ServerOptions{Problem: w.logProblem}
	switch f.Mode {
	case "UDP":
		return ingest.UDPFromFile(file, opt)
	case "TCP":
		return ingest.TCPFromFile(file, opt)
	case "SOCKET":
		datagrams, err := w.open(ctx, f.Name()+privsep.DatagramSuffix)
		if err != nil {
			file.Close()
			return nil, err
		}
		return ingest.UnixFromFile(f.Path, file, datagrams, opt)
	case "NFLOG":
		return ingest.FollowNFLOG(uint16(f.Group), ingest.NFLOGOptions{Match: f.Match, Filter: read.Filter, Problem: w.logProblem, Socket: file})
	case "FIFO":
		return ingest.FIFOFromFile(f.Path, file, read), nil
	}
	file.Close()
	return nil, errors.New("no such source")
}

// readOnce reads a capture to its end (PCAP_FILE). The monitor has opened it.
func (w *worker) readOnce(ctx context.Context, f privsep.SourceSpec, read ingest.ReadOptions) (ingest.Source, error) {
	file, err := w.open(ctx, f.Name())
	if err != nil {
		return nil, err
	}
	read.Stdin = file
	return ingest.Read([]string{ingest.Stdin}, read)
}
