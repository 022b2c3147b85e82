package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/signal"
	"syscall"

	"fwknopd/cmd/fwknopd-fleet/events"
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
	n, err := node.Open(cfg, node.Options{Log: m.Message, Quorum: m.Quorum})
	if err != nil {
		m.Failed(err.Error())
		return failed(stderr, err)
	}
	defer n.Close()
	store := events.NewStore(n)
	publisher := events.NewPublisher(store, m.Message)
	go publisher.Run(ctx)
	m.Ready()
	err = m.Run(ctx, fleetlink.Handler{
		Status: func() fleetlink.Status {
			s := n.Status()
			s.Events = publisher.Tally()
			return s
		},
		Link: func(p fleetlink.Purpose, conn *net.UnixConn) {
			switch p {
			case fleetlink.ForClaims:
				go served(m, "the worker", func() error { return fleetlink.Serve(ctx, conn, n) })
			case fleetlink.ForEvents:
				go served(m, "the monitor", func() error { return fleetlink.TakeEvents(ctx, conn, publisher) })
			case fleetlink.ForReading:
				go served(m, "a command", func() error { return fleetlink.ServeReader(ctx, conn, store) })
			default:
				conn.Close()
			}
		},
	})
	if err != nil {
		return failed(stderr, err)
	}
	return exitOK
}

// served serves a link, and has logged how the other end broke the protocol.
func served(m *fleetlink.Monitor, other string, serve func() error) {
	if err := serve(); err != nil {
		m.Message(fmt.Sprintf("%s broke the protocol: %v", other, err))
	}
}

func failed(stderr io.Writer, err error) int {
	fmt.Fprintf(stderr, "%s: %v\n", cli.Fleet, err)
	return exitError
}
