package watch

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/wait"
)

func TestIsForeign(t *testing.T) {
	const nftables = unix.NFNL_SUBSYS_NFTABLES << 8
	f := filter{func(port uint32) bool { return port == 42 }, func(chain string) bool { return chain == "FWKNOP_INPUT" }}
	rule := func(chain string) []byte {
		attrs, err := netlink.MarshalAttributes([]netlink.Attribute{
			{Type: unix.NFTA_RULE_TABLE, Data: []byte("filter\x00")}, {Type: unix.NFTA_RULE_CHAIN, Data: []byte(chain + "\x00")},
		})
		if err != nil {
			t.Fatal(err)
		}
		return append([]byte{unix.NFPROTO_IPV4, 0, 0, 0}, attrs...)
	}
	for _, c := range []struct {
		name string
		kind int
		port uint32
		want bool
		data []byte
	}{
		{"rule deleted", unix.NFT_MSG_DELRULE, 7, true, nil},
		{"rule deleted by us", unix.NFT_MSG_DELRULE, 42, false, nil},
		{"rule added", unix.NFT_MSG_NEWRULE, 7, false, nil},
		{"rule added to our chain", unix.NFT_MSG_NEWRULE, 7, true, rule("FWKNOP_INPUT")},
		{"rule added to our chain by us", unix.NFT_MSG_NEWRULE, 42, false, rule("FWKNOP_INPUT")},
		{"rule added to another chain", unix.NFT_MSG_NEWRULE, 7, false, rule("INPUT")},
		{"element added", unix.NFT_MSG_NEWSETELEM, 7, false, nil},
		{"element deleted", unix.NFT_MSG_DELSETELEM, 7, true, nil},
		{"chain added", unix.NFT_MSG_NEWCHAIN, 7, true, nil},
		{"table deleted", unix.NFT_MSG_DELTABLE, 7, true, nil},
		{"generation", unix.NFT_MSG_NEWGEN, 7, false, nil},
	} {
		m := netlink.Message{Header: netlink.Header{Type: netlink.HeaderType(nftables | c.kind), PID: c.port}, Data: c.data}
		if got := f.isForeign(m); got != c.want {
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
		changed, err = NFTables(ctx, 0, func(uint32) bool { return false }, nil)
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
	case <-time.After(wait.Timeout):
		t.Error("a new chain was not heard")
	}
	if after, err := gen.Now(); err != nil || after != before+1 {
		t.Errorf("generation %d after one change of %d, %v", after, before, err)
	}
	cancel()
	for range changed { // ends when the channel is closed
	}
}

// Messages that the kernel could not deliver (ENOBUFS) count as a change.
func TestChangesLost(t *testing.T) {
	netlab.Need(t, "nft")
	lab := netlab.New(t)
	var sock *netlink.Conn
	var err error
	lab.Server.Do(func() { sock, err = netlink.Dial(unix.NETLINK_NETFILTER, nil) })
	if err != nil {
		t.Fatal(err)
	}
	defer sock.Close()
	if err := errors.Join(sock.JoinGroup(unix.NFNLGRP_NFTABLES), sock.SetReadBuffer(1)); err != nil {
		t.Fatal(err)
	}
	for i := range 8 { // none of this is a change that counts
		lab.Server.RunInput(t, fmt.Sprintf("add table inet t%d\n", i), "nft -f -")
	}
	changed := make(chan struct{}, 1)
	go run(sock, filter{mine: func(uint32) bool { return true }}, changed)
	select {
	case <-changed:
	case <-time.After(wait.Timeout):
		t.Error("not reported")
	}
}
