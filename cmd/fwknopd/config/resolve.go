package config

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"
)

// Resolve looks up a host name of a NAT request (ENABLE_NAT_DNS), for no longer than
// within.
func Resolve(host string, within time.Duration) (netip.Addr, error) {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.Addr{}, err
	}
	if len(found) == 0 {
		return netip.Addr{}, errors.New("no address")
	}
	return found[0].Unmap(), nil
}
