package conf

import (
	"fmt"
	"net/netip"
	"path"
	"strings"
)

// maxSocketPath is the longest path that every system takes as the name of a unix socket.
const maxSocketPath = 103

// An Endpoint is where a server listens: a unix socket or an address with a port. The zero
// Endpoint is nowhere.
type Endpoint struct {
	Path string         // absolute; "": not a unix socket
	Addr netip.AddrPort // valid iff Path is ""
}

// IsZero reports whether e is nowhere.
func (e Endpoint) IsZero() bool { return e == Endpoint{} }

// String is the spelling that a configuration has.
func (e Endpoint) String() string {
	switch {
	case e.Path != "":
		return e.Path
	case e.Addr.IsValid():
		return e.Addr.String()
	}
	return ""
}

// parseEndpoint reads an absolute path, or an address and a port.
func parseEndpoint(text string) (Endpoint, error) {
	if strings.Contains(text, "/") {
		switch {
		case !path.IsAbs(text) || strings.HasSuffix(text, "/"):
			return Endpoint{}, fmt.Errorf("%q is not the absolute path of a socket", clip(text))
		case len(text) > maxSocketPath:
			return Endpoint{}, fmt.Errorf("longer than the %d bytes of a socket's name", maxSocketPath)
		}
		return Endpoint{Path: path.Clean(text)}, nil
	}
	at, err := netip.ParseAddrPort(text)
	if err != nil || at.Port() == 0 {
		return Endpoint{}, fmt.Errorf("%q is neither an absolute path nor an address and a port, such as 127.0.0.1:9109 or [::1]:9109", clip(text))
	}
	return Endpoint{Addr: netip.AddrPortFrom(at.Addr().Unmap(), at.Port())}, nil
}
