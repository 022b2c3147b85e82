package firewall

import (
	"context"
	"errors"
	"testing"

	"fwknopd/enforce"
	"fwknopd/enforce/ipfw"
	"fwknopd/policy/conf"
)

func TestChain(t *testing.T) {
	for text, want := range map[string]enforce.Chain{
		"ACCEPT, src, filter, INPUT, 1, FWKNOP_INPUT, 1":    {Target: "ACCEPT", Table: "filter", From: "INPUT", JumpPos: 1, To: "FWKNOP_INPUT", RulePos: 1},
		"ACCEPT, dst, filter, OUTPUT, 2, MINE, 3":           {Target: "ACCEPT", Direction: enforce.DirDst, Table: "filter", From: "OUTPUT", JumpPos: 2, To: "MINE", RulePos: 3},
		"ACCEPT, both, filter, DOCKER-USER, FWKNOP_FORWARD": {Target: "ACCEPT", Direction: enforce.DirBoth, Table: "filter", From: "DOCKER-USER", JumpPos: 1, To: "FWKNOP_FORWARD", RulePos: 1},
		"DNAT, nat, PREROUTING, 1, FWKNOP_PREROUTING, 1":    {Target: "DNAT", Table: "nat", From: "PREROUTING", JumpPos: 1, To: "FWKNOP_PREROUTING", RulePos: 1},
	} {
		spec, err := conf.ParseChain(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got, err := convertChain(spec); err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", text, got, err, want)
		}
	}
}

func TestNoneAndForeign(t *testing.T) {
	if fw, err := Open(context.Background(), load(t, "FIREWALL_TYPE external_cmd;\nENABLE_EXTERNAL_CMDS Y;\nEXTERNAL_CMD_OPEN /bin/true;\nEXTERNAL_CMD_CLOSE /bin/true;\n")); fw != nil || err != nil {
		t.Errorf("external_cmd: %v, %v", fw, err)
	}
	if _, err := Open(context.Background(), load(t, "FIREWALL_TYPE ipfw;\n")); !errors.Is(err, ipfw.ErrSystem) {
		t.Errorf("ipfw: %v", err)
	}
}
