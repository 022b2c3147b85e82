package nftables

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

var errNoGeneration = errors.New("kernel does not tell its generation")

// generation asks for the number of the ruleset: each batch that takes effect, of
// whomever, raises it by one.
func generation(sock *netlink.Conn) (uint32, error) {
	reply, err := sock.Execute(netlink.Message{
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

// isUntouched reports whether nobody else has changed the ruleset since our last
// look or change.
func (b *Backend) isUntouched() bool {
	gen, err := generation(b.side)
	return err == nil && gen == b.gen
}

// flush sends the queued batch: all of it takes effect, or nothing.
func (b *Backend) flush() error {
	if err := b.conn.Flush(); err != nil {
		return b.redial(err)
	}
	gen, err := generation(b.side)
	if err != nil {
		return err
	}
	if gen != b.gen { // the batch was not empty; if more has happened, isUntouched will see it
		b.gen++
	}
	return nil
}
