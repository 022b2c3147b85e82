package nftables

import (
	"context"

	"fwknopd/enforce/watch"
)

// Watch implements [enforce.Backend].
func (b *Backend) Watch(ctx context.Context) (<-chan struct{}, error) {
	return watch.NFTables(ctx, b.netns, func(port uint32) bool { return port == b.portID.Load() })
}
