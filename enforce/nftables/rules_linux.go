package nftables

import (
	"encoding/binary"
	"errors"
	"fmt"

	nft "github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"fwknopd/enforce/watch"
)

// Headers of nf_tables messages.
const (
	getRule netlink.HeaderType = unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETRULE
	newRule netlink.HeaderType = unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_NEWRULE
	// nfgenmsg is the length of the header behind that of netlink: family, version, resource.
	nfgenmsg = 4
)

// rulesOf lists the rules of a chain. The library's GetRules fails for a chain with a rule
// that matches on a connection's original or reply side ("ct original proto-dst 8080"): it
// reads the direction, a byte, as a word. Everything else is decoded by the library.
func (b *Backend) rulesOf(t *nft.Table, c *nft.Chain) ([]*nft.Rule, error) {
	rules, err := b.conn.GetRules(t, c)
	if err == nil {
		return rules, nil
	}
	sock, dialErr := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{NetNS: watch.Namespace(int(b.netns.Fd()))})
	if dialErr != nil {
		return nil, errors.Join(err, dialErr)
	}
	defer sock.Close()
	request, err := netlink.MarshalAttributes([]netlink.Attribute{
		{Type: unix.NFTA_RULE_TABLE, Data: []byte(t.Name + "\x00")},
		{Type: unix.NFTA_RULE_CHAIN, Data: []byte(c.Name + "\x00")},
	})
	if err != nil {
		return nil, err
	}
	reply, err := sock.Execute(netlink.Message{
		Header: netlink.Header{Type: getRule, Flags: netlink.Request | netlink.Dump},
		Data:   append([]byte{byte(t.Family), unix.NFNETLINK_V0, 0, 0}, request...),
	})
	if err != nil {
		return nil, err
	}
	rules = nil
	for _, m := range reply {
		if m.Header.Type != newRule || len(m.Data) < nfgenmsg {
			continue
		}
		r, err := decodeRule(byte(t.Family), m.Data[nfgenmsg:])
		if err != nil {
			return nil, fmt.Errorf("read rule: %w", err)
		}
		r.Table, r.Chain = t, c
		rules = append(rules, r)
	}
	return rules, nil
}

func attributes(data []byte) (*netlink.AttributeDecoder, error) {
	ad, err := netlink.NewAttributeDecoder(data)
	if err == nil {
		ad.ByteOrder = binary.BigEndian
	}
	return ad, err
}

func decodeRule(family byte, data []byte) (*nft.Rule, error) {
	ad, err := attributes(data)
	if err != nil {
		return nil, err
	}
	r := new(nft.Rule)
	for ad.Next() {
		switch ad.Type() {
		case unix.NFTA_RULE_HANDLE:
			r.Handle = ad.Uint64()
		case unix.NFTA_RULE_USERDATA:
			r.UserData = ad.Bytes()
		case unix.NFTA_RULE_EXPRESSIONS:
			ad.Do(func(list []byte) (err error) {
				r.Exprs, err = decodeExprs(family, list)
				return err
			})
		}
	}
	return r, ad.Err()
}

// decodeExprs decodes a list of expressions; one that the library does not know is left
// out, as by the library.
func decodeExprs(family byte, data []byte) (list []expr.Any, err error) {
	ad, err := attributes(data)
	if err != nil {
		return nil, err
	}
	for ad.Next() {
		if ad.Type() != unix.NFTA_LIST_ELEM {
			continue
		}
		ad.Do(func(one []byte) error {
			e, err := decodeExpr(family, one)
			if e != nil {
				list = append(list, e)
			}
			return err
		})
	}
	return list, ad.Err()
}

func decodeExpr(family byte, data []byte) (e expr.Any, err error) {
	ad, err := attributes(data)
	if err != nil {
		return nil, err
	}
	name := ""
	for ad.Next() {
		switch ad.Type() {
		case unix.NFTA_EXPR_NAME:
			if name = ad.String(); name == "notrack" {
				return new(expr.Notrack), nil
			}
		case unix.NFTA_EXPR_DATA:
			ad.Do(func(fields []byte) (err error) {
				e, err = decodeFields(family, name, fields)
				return err
			})
		}
	}
	return e, ad.Err()
}

// newExpr are the expressions that the library decodes, but for ct.
var newExpr = map[string]func() expr.Any{
	"range": func() expr.Any { return new(expr.Range) }, "meta": func() expr.Any { return new(expr.Meta) },
	"cmp": func() expr.Any { return new(expr.Cmp) }, "counter": func() expr.Any { return new(expr.Counter) },
	"objref": func() expr.Any { return new(expr.Objref) }, "payload": func() expr.Any { return new(expr.Payload) },
	"lookup": func() expr.Any { return new(expr.Lookup) }, "immediate": func() expr.Any { return new(expr.Immediate) },
	"bitwise": func() expr.Any { return new(expr.Bitwise) }, "redir": func() expr.Any { return new(expr.Redir) },
	"nat": func() expr.Any { return new(expr.NAT) }, "limit": func() expr.Any { return new(expr.Limit) },
	"quota": func() expr.Any { return new(expr.Quota) }, "dynset": func() expr.Any { return new(expr.Dynset) },
	"log": func() expr.Any { return new(expr.Log) }, "exthdr": func() expr.Any { return new(expr.Exthdr) },
	"match": func() expr.Any { return new(expr.Match) }, "target": func() expr.Any { return new(expr.Target) },
	"connlimit": func() expr.Any { return new(expr.Connlimit) }, "queue": func() expr.Any { return new(expr.Queue) },
	"flow_offload": func() expr.Any { return new(expr.FlowOffload) }, "reject": func() expr.Any { return new(expr.Reject) },
	"masq": func() expr.Any { return new(expr.Masq) }, "hash": func() expr.Any { return new(expr.Hash) },
	"synproxy": func() expr.Any { return new(expr.SynProxy) }, "fib": func() expr.Any { return new(expr.Fib) },
	"numgen": func() expr.Any { return new(expr.Numgen) },
}

func decodeFields(family byte, name string, fields []byte) (expr.Any, error) {
	if name == "ct" {
		return decodeCt(fields)
	}
	fresh, ok := newExpr[name]
	if !ok {
		return nil, nil
	}
	e := fresh()
	if err := expr.Unmarshal(family, fields, e); err != nil {
		return nil, fmt.Errorf("expression %s: %w", name, err)
	}
	if value, ok := e.(*expr.Immediate); ok && value.Register == unix.NFT_REG_VERDICT && len(value.Data) == 0 {
		v := new(expr.Verdict) // an immediate, too
		return v, expr.Unmarshal(family, fields, v)
	}
	return e, nil
}

func decodeCt(fields []byte) (expr.Any, error) {
	ad, err := attributes(fields)
	if err != nil {
		return nil, err
	}
	e := new(expr.Ct)
	for ad.Next() {
		switch ad.Type() {
		case unix.NFTA_CT_KEY:
			e.Key = expr.CtKey(ad.Uint32())
		case unix.NFTA_CT_DREG:
			e.Register = ad.Uint32()
		case unix.NFTA_CT_SREG:
			e.Register, e.SourceRegister = ad.Uint32(), true
		case unix.NFTA_CT_DIRECTION:
			e.Direction = uint32(ad.Uint8())
		}
	}
	return e, ad.Err()
}
