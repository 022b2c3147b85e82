package ingest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Names of linux/netfilter/nfnetlink_log.h.
const (
	nflogConfig = subsystem<<8 | 1 // NFULNL_MSG_CONFIG

	cfgCommand, cfgMode, cfgThreshold, cfgFlags = 1, 2, 5, 6
	commandBind                                 = 1
	copyPacket                                  = 2
	flagSequence                                = 1
)

const (
	// nflogCopy is how much of a packet is asked for: all that a server would take.
	nflogCopy = 2048
	// nflogBuffer is what the kernel may queue for us.
	nflogBuffer = 16 << 20
)

// bindNFLOG opens a socket and binds it to the group.
func bindNFLOG(group uint16) (*netlink.Conn, error) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err == nil {
		if err = configureNFLOG(conn, group); err != nil {
			conn.Close()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("nflog group %d: %w", group, err)
	}
	return conn, nil
}

func configureNFLOG(conn *netlink.Conn, group uint16) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	if err := raiseBuffer(raw, nflogBuffer); err != nil {
		return err
	}
	steps := []struct {
		attr uint16
		data []byte
	}{
		{cfgCommand, []byte{commandBind}},
		{cfgMode, append(binary.BigEndian.AppendUint32(nil, nflogCopy), copyPacket, 0)},
		{cfgThreshold, binary.BigEndian.AppendUint32(nil, 1)}, // one packet a message: latency before throughput
		{cfgFlags, binary.BigEndian.AppendUint16(nil, flagSequence)},
	}
	for _, step := range steps {
		attr, err := netlink.MarshalAttributes([]netlink.Attribute{{Type: step.attr, Data: step.data}})
		if err != nil {
			return err
		}
		head := []byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, byte(group >> 8), byte(group)} // struct nfgenmsg
		_, err = conn.Execute(netlink.Message{
			Header: netlink.Header{Type: nflogConfig, Flags: netlink.Request | netlink.Acknowledge},
			Data:   append(head, attr...),
		})
		if errors.Is(err, os.ErrPermission) && os.Geteuid() == 0 && step.attr == cfgCommand {
			return fmt.Errorf("another program reads this group: %w", err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
