package daemon

import (
	"context"
	"net"
	"time"
)

// linkInterval is how often interfaces are looked at.
const linkInterval = time.Second

// watchLinks tells the states of the named interfaces again and again, until ctx ends.
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
