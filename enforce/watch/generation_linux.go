package watch

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Netlink header of nf_tables messages: family, version, resource id.
var nfgenmsg = []byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, 0, 0}

const (
	getGen netlink.HeaderType = unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETGEN
	newGen netlink.HeaderType = unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_NEWGEN
)

var errNoGeneration = errors.New("kernel does not report its generation")

// A Generation reads the number of the ruleset: each batch that takes effect, of any
// program, raises it by one.
type Generation struct{ sock *netlink.Conn }

// NewGeneration is for the network namespace netns, as in [NFTables]. It fails on
// a kernel without nf_tables.
func NewGeneration(netns int) (*Generation, error) {
	sock, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{NetNS: Namespace(netns)})
	if err != nil {
		return nil, fmt.Errorf("connect to nf_tables: %w", err)
	}
	g := &Generation{sock}
	if _, err := g.Now(); err != nil {
		sock.Close()
		return nil, err
	}
	return g, nil
}

// Close closes the connection.
func (g *Generation) Close() error { return g.sock.Close() }

// Now returns the present number.
func (g *Generation) Now() (uint32, error) {
	reply, err := g.sock.Execute(netlink.Message{
		Header: netlink.Header{Type: getGen, Flags: netlink.Request}, Data: nfgenmsg,
	})
	if err != nil {
		return 0, fmt.Errorf("ask for generation: %w", err)
	}
	for _, m := range reply {
		if m.Header.Type != newGen || len(m.Data) < len(nfgenmsg) {
			continue
		}
		ad, err := netlink.NewAttributeDecoder(m.Data[len(nfgenmsg):])
		if err != nil {
			return 0, fmt.Errorf("read generation: %w", err)
		}
		ad.ByteOrder = binary.BigEndian
		for ad.Next() {
			if ad.Type() == unix.NFTA_GEN_ID {
				return ad.Uint32(), nil
			}
		}
	}
	return 0, errNoGeneration
}
