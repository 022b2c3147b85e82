package iptables

import "fwknopd/enforce"

// A Role is what a chain of ours is for.
type Role uint8

const (
	Input      Role = iota // IPT_INPUT_ACCESS
	Output                 // IPT_OUTPUT_ACCESS
	Forward                // IPT_FORWARD_ACCESS
	DNAT                   // IPT_DNAT_ACCESS
	SNAT                   // IPT_SNAT_ACCESS
	Masquerade             // IPT_MASQUERADE_ACCESS
	roles
)

// Defaults are the chains of the manual.
var Defaults = map[Role]enforce.Chain{
	Input:      {Target: "ACCEPT", Direction: enforce.DirSrc, Table: "filter", From: "INPUT", JumpPos: 1, To: "FWKNOP_INPUT", RulePos: 1},
	Output:     {Target: "ACCEPT", Direction: enforce.DirDst, Table: "filter", From: "OUTPUT", JumpPos: 1, To: "FWKNOP_OUTPUT", RulePos: 1},
	Forward:    {Target: "ACCEPT", Direction: enforce.DirSrc, Table: "filter", From: "FORWARD", JumpPos: 1, To: "FWKNOP_FORWARD", RulePos: 1},
	DNAT:       {Target: "DNAT", Direction: enforce.DirSrc, Table: "nat", From: "PREROUTING", JumpPos: 1, To: "FWKNOP_PREROUTING", RulePos: 1},
	SNAT:       {Target: "SNAT", Direction: enforce.DirSrc, Table: "nat", From: "POSTROUTING", JumpPos: 1, To: "FWKNOP_POSTROUTING", RulePos: 1},
	Masquerade: {Target: "MASQUERADE", Direction: enforce.DirSrc, Table: "nat", From: "POSTROUTING", JumpPos: 1, To: "FWKNOP_POSTROUTING", RulePos: 1},
}
