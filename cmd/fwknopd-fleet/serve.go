package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"fwknopd/cmd/fwknopd-fleet/events"
	"fwknopd/cmd/fwknopd-fleet/kafka"
	"fwknopd/cmd/fwknopd-fleet/node"
	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/fleetlink"
	"fwknopd/cmd/fwknopd/sandbox"
)

// serve is the fleet process of a daemon, whose monitor started it. It ends with the monitor.
func serve(stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := errors.Join(sandbox.NoDumps(), sandbox.NoNewPrivileges()); err != nil {
		return failed(stderr, err)
	}
	m, cfg, err := fleetlink.Inherited()
	if err != nil {
		return failed(stderr, err)
	}
	if err := confine(cfg, false, m.Message); err != nil {
		m.Failed(err.Error())
		return failed(stderr, err)
	}
	p := &process{ctx: ctx, cfg: &cfg, monitor: m}
	h := fleetlink.Handler{Status: p.status, Link: p.link}
	if cfg.Claims() {
		if p.node, err = node.Open(cfg, node.Options{Log: m.Message, Quorum: m.Quorum, HeardOrder: m.Order, HeardDone: m.Done, StoredOrder: m.Stored, LateOrder: m.Late}); err != nil {
			m.Failed(err.Error())
			return failed(stderr, err)
		}
		defer p.node.Close()
		h.Order, h.Done = p.node.Order, p.node.Done
		p.events = events.NewStore(p.node)
		p.publisher = events.NewPublisher(p.events, m.Message)
		go p.publisher.Run(ctx)
	}
	defer p.links.Wait()
	m.Ready()
	err = m.Run(ctx, h)
	stop()
	if err != nil {
		return failed(stderr, err)
	}
	return exitOK
}

// A process serves the links of the worker, the monitor and commands.
type process struct {
	ctx       context.Context
	cfg       *fleetlink.Config
	monitor   *fleetlink.Monitor
	node      *node.Node // nil: there is no fleet to claim from
	events    *events.Store
	publisher *events.Publisher
	links     sync.WaitGroup // those that commit something when they end
}

// link serves a link, which it takes over.
func (p *process) link(purpose fleetlink.Purpose, conn *net.UnixConn) {
	switch {
	case purpose == fleetlink.ForLines && p.cfg.Kafka != nil:
		p.links.Go(func() { p.ended("the worker", kafka.Follow(p.ctx, p.cfg.Kafka, conn)) })
	case p.node == nil:
		conn.Close()
	case purpose == fleetlink.ForClaims:
		go func() { p.ended("the worker", fleetlink.Serve(p.ctx, conn, p.node)) }()
	case purpose == fleetlink.ForGroup:
		go func() { p.ended("the worker", fleetlink.ServeGroup(p.ctx, conn, p.node)) }()
	case purpose == fleetlink.ForEvents:
		go func() { p.ended("the monitor", fleetlink.TakeEvents(p.ctx, conn, p.publisher)) }()
	case purpose == fleetlink.ForReading:
		go func() { p.ended("a command", fleetlink.ServeReader(p.ctx, conn, p.events)) }()
	default:
		conn.Close()
	}
}

// ended has it logged why the link of another process ended before its time.
func (p *process) ended(other string, err error) {
	if err != nil {
		p.monitor.Message(fmt.Sprintf("the link of %s ended: %v", other, err))
	}
}

// status returns the status of the fleet.
func (p *process) status() fleetlink.Status {
	if p.node == nil {
		return fleetlink.Status{V: 1, Asked: time.Now(), Why: "FLEET is not set"}
	}
	s := p.node.Status()
	s.Events = p.publisher.Tally()
	if s.Quorum && len(p.cfg.Servers) > 0 && p.cfg.Events { // the members of an embedded fleet are configured
		s.Know(p.events.Known(p.ctx))
	}
	return s
}

func failed(stderr io.Writer, err error) int {
	fmt.Fprintf(stderr, "%s: %v\n", cli.Fleet, err)
	return exitError
}
