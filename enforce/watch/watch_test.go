package watch

import (
	"context"
	"testing"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"fwknopd/fixtures/netlab"
)

func TestIsForeign(t *testing.T) {
	const nftables = unix.NFNL_SUBSYS_NFTABLES << 8
	mine := func(port uint32) bool { return port == 42 }
	for _, c := range []struct {
		name string
		kind int
		port uint32
		want bool
	}{
		{"rule deleted", unix.NFT_MSG_DELRULE, 7, true},
		{"rule deleted by us", unix.NFT_MSG_DELRULE, 42, false},
		{"rule added", unix.NFT_MSG_NEWRULE, 7, false},
		{"element added", unix.NFT_MSG_NEWSETELEM, 7, false},
		{"element deleted", unix.NFT_MSG_DELSETELEM, 7, true},
		{"chain added", unix.NFT_MSG_NEWCHAIN, 7, true},
		{"table deleted", unix.NFT_MSG_DELTABLE, 7, true},
		{"generation", unix.NFT_MSG_NEWGEN, 7, false},
	} {
		m := netlink.Message{Header: netlink.Header{Type: netlink.HeaderType(nftables | c.kind), PID: c.port}}
		if got := isForeign(m, mine); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestNFTables hears a change, and the end of its context; the generation counts
// what took effect.
func TestNFTables(t *testing.T) {
	netlab.Need(t, "nft")
	lab := netlab.New(t)
	ctx, cancel := context.WithCancel(t.Context())
	var changed <-chan struct{}
	var gen *Generation
	var err, genErr error
	lab.Server.Do(func() {
		changed, err = NFTables(ctx, 0, func(uint32) bool { return false })
		gen, genErr = NewGeneration(0)
	})
	if err != nil || genErr != nil {
		t.Fatal(err, genErr)
	}
	defer gen.Close()
	before, err := gen.Now()
	if err != nil {
		t.Fatal(err)
	}
	lab.Server.RunInput(t, "table ip t { chain c { }; }", "nft -f -")
	select {
	case <-changed:
	case <-time.After(time.Second):
		t.Error("a new chain was not heard")
	}
	if after, err := gen.Now(); err != nil || after != before+1 {
		t.Errorf("generation %d after one change of %d, %v", after, before, err)
	}
	cancel()
	for range changed { // ends when the channel is closed
	}
}
