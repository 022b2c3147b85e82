package nftables

import (
	"context"

	"fwknopd/enforce/watch"
)

// Watch implements [enforce.Backend].
func (b *Backend) Watch(ctx context.Context) (<-chan struct{}, error) {
	return watch.NFTables(ctx, int(b.netns.Fd()), func(port uint32) bool { return port == b.portID.Load() }, nil)
}
