package nftables

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Watch implements [enforce.Backend]: the kernel tells every change of nf_tables;
// those that can take from us, or give us a new base chain, signal. It may be
// called once.
func (b *Backend) Watch(ctx context.Context) (<-chan struct{}, error) {
	sock, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{NetNS: b.netns})
	if err != nil {
		return nil, fmt.Errorf("watch nf_tables: %w", err)
	}
	if err := sock.JoinGroup(unix.NFNLGRP_NFTABLES); err != nil {
		sock.Close()
		return nil, fmt.Errorf("watch nf_tables: %w", err)
	}
	changed := make(chan struct{}, 1)
	go b.watch(sock, changed)
	context.AfterFunc(ctx, func() { sock.Close() })
	return changed, nil
}

// watch runs until the socket is closed. A lost message (ENOBUFS) is a change,
// too: nobody knows what it said.
func (b *Backend) watch(sock *netlink.Conn, changed chan<- struct{}) {
	defer close(changed)
	for {
		msgs, err := sock.Receive()
		if err != nil && !isOverrun(err) {
			return
		}
		if err == nil && !b.anyForeign(msgs) {
			continue
		}
		select {
		case changed <- struct{}{}:
		default:
		}
	}
}

func isOverrun(err error) bool { return errors.Is(err, unix.ENOBUFS) }

// notable are the messages after which something of ours may be missing.
var notable = []netlink.HeaderType{
	unix.NFT_MSG_NEWCHAIN, unix.NFT_MSG_DELTABLE, unix.NFT_MSG_DELCHAIN,
	unix.NFT_MSG_DELRULE, unix.NFT_MSG_DELSET, unix.NFT_MSG_DELSETELEM,
}

func (b *Backend) anyForeign(msgs []netlink.Message) bool {
	return slices.ContainsFunc(msgs, func(m netlink.Message) bool {
		return m.Header.PID != b.portID.Load() && slices.Contains(notable, m.Header.Type&0xff)
	})
}
