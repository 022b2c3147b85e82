package nftables

import (
	"context"

	"fwknopd/enforce/watch"
)

// Watch implements [enforce.Backend].
func (b *Backend) Watch(ctx context.Context) (<-chan struct{}, error) {
	return watch.NFTables(ctx, int(b.netns.Fd()), b.Mine, nil)
}

// Mine reports whether a change came from our own connection.
func (b *Backend) Mine(port uint32) bool { return port == b.portID.Load() }
