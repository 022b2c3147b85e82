package config

import (
	"context"
	"net"
	"net/netip"
	"time"
)

// Resolve looks up a host name of a NAT request (ENABLE_NAT_DNS), for no longer than
// within.
func Resolve(host string, within time.Duration) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	for i := range found {
		found[i] = found[i].Unmap()
	}
	return found, err
}
