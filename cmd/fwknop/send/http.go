package send

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// http sends a request for the text of the packet, in the alphabet of base64 for URLs.
func http(ctx context.Context, p *Packet) (netip.AddrPort, error) {
	if p.Proxy != "" {
		return netip.AddrPort{}, p.dialTCP(ctx, p.Proxy, func(conn net.Conn) error {
			if _, err := conn.Write(p.request("http://" + p.authority())); err != nil {
				return err
			}
			return awaitProxy(conn)
		})
	}
	to, err := p.resolve(ctx)
	if err != nil {
		return to, err
	}
	return to, p.dialTCP(ctx, to.String(), func(conn net.Conn) error {
		_, err := conn.Write(p.request(""))
		return err
	})
}

// request returns the request; server is in front of the path if a proxy gets it.
func (p *Packet) request(server string) []byte {
	path := strings.NewReplacer("+", "-", "/", "_").Replace(string(p.Text))
	return fmt.Appendf(nil, "GET %s/%s HTTP/1.1\r\nUser-Agent: %s\r\nAccept: */*\r\nHost: %s\r\nConnection: close\r\n\r\n", server, path, p.UserAgent, p.authority())
}

// authority returns the server as in a URL.
func (p *Packet) authority() string {
	if p.Port != HTTPPort {
		return p.String()
	}
	if strings.Contains(p.Host, ":") {
		return "[" + p.Host + "]"
	}
	return p.Host
}

// HTTPPort is the port of servers for the carrier http if none is named.
const HTTPPort = 80

// proxyPatience is how long the connection to a proxy is kept: some forget a request
// whose client is gone, and servers do not answer.
const proxyPatience = 2 * time.Second

// awaitProxy waits until the proxy has passed on the request. Any answer but that of a
// proxy that wants a password may be the server's.
func awaitProxy(conn net.Conn) error {
	if err := conn.SetReadDeadline(time.Now().Add(proxyPatience)); err != nil {
		return err
	}
	status, _ := bufio.NewReader(conn).ReadString('\n')
	if fields := strings.Fields(status); len(fields) > 1 && fields[1] == "407" {
		return errors.New("the proxy wants a password (407), which this client cannot give")
	}
	return nil
}

// ParseProxy reads HOST[:PORT], with or without http:// in front. Without a port it is
// that of HTTP.
func ParseProxy(s string) (string, error) {
	s = strings.TrimSuffix(strings.TrimPrefix(s, "http://"), "/")
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		host, port = strings.Trim(s, "[]"), strconv.Itoa(HTTPPort)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || host == "" || strings.ContainsAny(host, "/@ ") {
		return "", fmt.Errorf("%q is not HOST[:PORT] of an HTTP proxy", s)
	}
	return net.JoinHostPort(host, port), nil
}
