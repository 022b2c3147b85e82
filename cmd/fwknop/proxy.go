package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
)

// completeProxy fills in what follows from --proxy.
func (c *client) completeProxy() {
	if o := &c.Client; o.ProxyHost != "" {
		o.Destination = cmp.Or(o.Destination, o.ProxyHost)
		o.Access = cmp.Or(o.Access, "tcp/"+strconv.Itoa(o.ProxyPort))
	}
}

// planProxy has w try the port of --proxy only. With --nat-port or --nat-rand-port that of
// -A, which it is forwarded to, stands for it.
func (c *client) planProxy(w *waiting, access string) error {
	o := &c.Client
	port := strconv.Itoa(o.ProxyPort)
	if o.NATPort != 0 && o.Access == "tcp/"+port {
		port = strconv.Itoa(o.NATPort)
	}
	if !slices.Contains(w.tcp, port) {
		return usage("--proxy: tcp/%d is not what is asked for, which is %s; -A tcp/%[1]d asks for it", o.ProxyPort, access)
	}
	w.tcp, w.others = []string{port}, nil
	return nil
}

// relay passes on what comes on standard input and over the connection, until both are at
// their end. One may end long before the other.
func (c *client) relay(ctx context.Context, conn net.Conn) error {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	sent := make(chan error, 1)
	go func() {
		_, err := io.Copy(conn, c.stdin)
		conn.(*net.TCPConn).CloseWrite() // also after an error, or the server would wait for more
		sent <- err
	}()
	_, err := io.Copy(c.received, conn)
	if ctx.Err() != nil {
		return errInterrupted
	}
	if err != nil {
		return fmt.Errorf("the connection: %w", err)
	}
	if out, ok := c.received.(io.Closer); ok {
		out.Close()
	}
	select {
	case err = <-sent:
		return err
	case <-ctx.Done():
		return errInterrupted
	}
}
