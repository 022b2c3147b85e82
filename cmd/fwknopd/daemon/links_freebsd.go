package daemon

import (
	"context"
	"net"
	"time"
)

// linkInterval is the polling interval for interfaces.
const linkInterval = time.Second

// watchLinks polls the named interfaces and sends their states until ctx is done.
func watchLinks(ctx context.Context, names map[string]bool) (<-chan link, error) {
	links := make(chan link)
	go func() {
		defer close(links)
		every(ctx, linkInterval, func() {
			for name := range names {
				ifi, err := net.InterfaceByName(name)
				links <- link{name, err != nil, err == nil && ifi.Flags&net.FlagRunning != 0}
			}
		})
	}()
	return links, nil
}
