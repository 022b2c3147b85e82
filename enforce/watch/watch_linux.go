// Package watch reports changes of nf_tables by other programs: the rules of nft(8)
// and those of the nft variant of iptables.
package watch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// notable are the messages after which something of ours may be missing, or a
// chain that should lead to ours is new.
var notable = []netlink.HeaderType{
	unix.NFT_MSG_NEWCHAIN, unix.NFT_MSG_DELTABLE, unix.NFT_MSG_DELCHAIN,
	unix.NFT_MSG_DELRULE, unix.NFT_MSG_DELSET, unix.NFT_MSG_DELSETELEM,
}

// NFTables signals changes in the network namespace netns (a file descriptor; 0:
// that of the calling thread) until ctx ends, when the channel is closed. mine
// reports whether a netlink port makes changes of our own; a port is usually the process
// id of a program. A rule that is added is a change if ours reports true for its chain;
// nil is for no chain.
func NFTables(ctx context.Context, netns int, mine func(port uint32) bool, ours func(chain string) bool) (<-chan struct{}, error) {
	sock, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{NetNS: Namespace(netns)})
	if err != nil {
		return nil, fmt.Errorf("watch nf_tables: %w", err)
	}
	if err := sock.JoinGroup(unix.NFNLGRP_NFTABLES); err != nil {
		sock.Close()
		return nil, fmt.Errorf("watch nf_tables: %w", err)
	}
	changed := make(chan struct{}, 1)
	context.AfterFunc(ctx, func() { sock.Close() })
	go run(sock, filter{mine, ours}, changed)
	return changed, nil
}

// run ends when the socket is closed. A lost message (ENOBUFS) counts as a change.
func run(sock *netlink.Conn, f filter, changed chan<- struct{}) {
	defer close(changed)
	for {
		msgs, err := sock.Receive()
		if err != nil && !errors.Is(err, unix.ENOBUFS) {
			return
		}
		if err == nil && !slices.ContainsFunc(msgs, f.isForeign) {
			continue
		}
		select {
		case changed <- struct{}{}:
		default:
		}
	}
}

// A filter picks the changes by other programs, see [NFTables].
type filter struct {
	mine func(port uint32) bool
	ours func(chain string) bool
}

func (f filter) isForeign(m netlink.Message) bool {
	kind := m.Header.Type & 0xff
	told := slices.Contains(notable, kind) || kind == unix.NFT_MSG_NEWRULE && f.ours != nil && f.ours(chainOf(m.Data))
	return told && !f.mine(m.Header.PID)
}

// chainOf returns the chain of a rule.
func chainOf(data []byte) string {
	attrs, err := netlink.NewAttributeDecoder(data[min(len(nfgenmsg), len(data)):])
	if err != nil {
		return ""
	}
	for attrs.Next() {
		if attrs.Type() == unix.NFTA_RULE_CHAIN {
			return attrs.String()
		}
	}
	return ""
}

// Namespace returns how to name the network namespace netns (a file descriptor) when a
// socket is made: 0, the caller's own, if that is the same. Entering any, even the
// caller's own, needs CAP_SYS_ADMIN, which a service should not have.
func Namespace(netns int) int {
	if netns == 0 {
		return 0
	}
	var wanted, own unix.Stat_t
	if unix.Fstat(netns, &wanted) != nil || unix.Stat("/proc/self/task/"+strconv.Itoa(unix.Gettid())+"/ns/net", &own) != nil {
		return netns
	}
	if wanted.Dev == own.Dev && wanted.Ino == own.Ino {
		return 0
	}
	return netns
}
