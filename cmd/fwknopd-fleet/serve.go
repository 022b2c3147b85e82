package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/signal"
	"syscall"

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
	n, err := node.Open(cfg, node.Options{Log: m.Message, Quorum: m.Quorum, HeardOrder: m.Order, HeardDone: m.Done})
	if err != nil {
		m.Failed(err.Error())
		return failed(stderr, err)
	}
	defer n.Close()
	m.Ready()
	err = m.Run(ctx, fleetlink.Handler{
		Status: n.Status, Order: n.Order, Done: n.Done,
		Link: func(p fleetlink.Purpose, conn *net.UnixConn) {
			go func() {
				if err := serveLink(ctx, p, conn, n); err != nil {
					m.Message(fmt.Sprintf("the worker broke the protocol: %v", err))
				}
			}()
		},
	})
	if err != nil {
		return failed(stderr, err)
	}
	return exitOK
}

// serveLink serves a link of the worker by its purpose, until it ends.
func serveLink(ctx context.Context, p fleetlink.Purpose, conn *net.UnixConn, n *node.Node) error {
	switch p {
	case fleetlink.ForClaims:
		return fleetlink.Serve(ctx, conn, n)
	case fleetlink.ForGroup:
		return fleetlink.ServeGroup(ctx, conn, n)
	}
	return conn.Close()
}

func failed(stderr io.Writer, err error) int {
	fmt.Fprintf(stderr, "%s: %v\n", cli.Fleet, err)
	return exitError
}
