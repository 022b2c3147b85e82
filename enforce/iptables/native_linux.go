package iptables

import (
	"encoding/binary"
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// nativeChains asks the kernel for the chains of nf_tables in one address family; one
// netlink dump takes far less time than a program.
func nativeChains(v6 bool) (chains []nativeChain, err error) {
	sock, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return nil, fmt.Errorf("connect to nf_tables: %w", err)
	}
	defer sock.Close()
	header := []byte{unix.NFPROTO_IPV4, unix.NFNETLINK_V0, 0, 0}
	if v6 {
		header[0] = unix.NFPROTO_IPV6
	}
	reply, err := sock.Execute(netlink.Message{
		Header: netlink.Header{Type: unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETCHAIN, Flags: netlink.Request | netlink.Dump}, Data: header,
	})
	if err != nil {
		return nil, fmt.Errorf("list chains: %w", err)
	}
	for _, m := range reply {
		c, err := parseChain(m.Data[min(len(header), len(m.Data)):])
		if err != nil {
			return nil, fmt.Errorf("list chains: %w", err)
		}
		chains = append(chains, c)
	}
	return chains, nil
}

func parseChain(attributes []byte) (c nativeChain, err error) {
	ad, err := netlink.NewAttributeDecoder(attributes)
	if err != nil {
		return c, err
	}
	ad.ByteOrder = binary.BigEndian
	for ad.Next() {
		switch ad.Type() {
		case unix.NFTA_CHAIN_TABLE:
			c.table = ad.String()
		case unix.NFTA_CHAIN_NAME:
			c.name = ad.String()
		case unix.NFTA_CHAIN_USE:
			c.uses = int(ad.Uint32())
		}
	}
	return c, ad.Err()
}
