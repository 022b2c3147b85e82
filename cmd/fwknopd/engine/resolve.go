package engine

import (
	"context"
	"net"
	"net/netip"
	"time"
)

// resolveTimeout bounds the lookup of a host name.
const resolveTimeout = 2 * time.Second

// Resolve looks up the host name of a NAT request (ENABLE_NAT_DNS).
func Resolve(host string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(context.Background(), resolveTimeout)
	defer cancel()
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	for i := range found {
		found[i] = found[i].Unmap()
	}
	return found, err
}
