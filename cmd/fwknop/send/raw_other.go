//go:build !linux

package send

import (
	"errors"
	"net/netip"
)

// sendRaw sends nothing: only Linux has the raw carriers.
func sendRaw(netip.Addr, []byte) error {
	return errors.New("udpraw, tcpraw and icmp are for Linux only; udp, tcp and http are for all systems")
}
