package daemon

import (
	"context"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// watchLinks sends state changes of the named interfaces, as reported by the kernel,
// until ctx is done.
func watchLinks(ctx context.Context, names map[string]bool) (<-chan link, error) {
	updates := make(chan netlink.LinkUpdate)
	if err := netlink.LinkSubscribe(updates, ctx.Done()); err != nil {
		return nil, err
	}
	links := make(chan link)
	go func() {
		defer close(links)
		for u := range updates {
			if name := u.Attrs().Name; names[name] {
				links <- link{name, u.Header.Type == unix.RTM_DELLINK, u.IfInfomsg.Flags&unix.IFF_RUNNING != 0}
			}
		}
	}()
	return links, nil
}
