package enforce

import (
	"errors"
	"strings"
	"testing"
)

func TestParseChain(t *testing.T) {
	for _, c := range []struct {
		value string
		want  Chain
	}{
		{"ACCEPT, src, filter, INPUT, 1, FWKNOP_INPUT, 1", Chain{"ACCEPT", DirSrc, "filter", "INPUT", 1, "FWKNOP_INPUT", 1}},
		{"ACCEPT,dst,filter,OUTPUT,3,FWKNOP_OUTPUT,2", Chain{"ACCEPT", DirDst, "filter", "OUTPUT", 3, "FWKNOP_OUTPUT", 2}},
		{"DNAT, both, nat, PREROUTING, 0, FWKNOP_PREROUTING, 0", Chain{"DNAT", DirBoth, "nat", "PREROUTING", 1, "FWKNOP_PREROUTING", 1}},
		{"ACCEPT, src, filter, DOCKER-USER, 1, FWKNOP_FORWARD, 1", Chain{"ACCEPT", DirSrc, "filter", "DOCKER-USER", 1, "FWKNOP_FORWARD", 1}},
		{"ACCEPT, src, filter, INPUT, FWKNOP_INPUT", Chain{"ACCEPT", DirSrc, "filter", "INPUT", 1, "FWKNOP_INPUT", 1}},
		{"ACCEPT, filter, INPUT, 1, FWKNOP_INPUT, 1", Chain{"ACCEPT", DirSrc, "filter", "INPUT", 1, "FWKNOP_INPUT", 0}},
		{"MASQUERADE, nat, POSTROUTING, 1, FWKNOP_MASQUERADE, 1", Chain{"MASQUERADE", DirSrc, "nat", "POSTROUTING", 1, "FWKNOP_MASQUERADE", 0}},
	} {
		got, err := ParseChain(c.value)
		if err != nil || got != c.want {
			t.Errorf("ParseChain(%q) = %+v, %v, want %+v", c.value, got, err, c.want)
		}
	}
}

func TestParseChainErrors(t *testing.T) {
	for _, c := range []struct {
		value string
		want  error
	}{
		{"", ErrChainFields},
		{"ACCEPT, src, filter, INPUT", ErrChainFields},
		{"ACCEPT, src, filter, INPUT, 1, FWKNOP_INPUT", ErrChainFields}, // six, but the second is no table
		{"ACCEPT, src, filter, INPUT, 1, FWKNOP_INPUT, 1, x", ErrChainFields},
		{"ACCEPT, up, filter, INPUT, 1, FWKNOP_INPUT, 1", ErrChainDirection},
		{"-j ACCEPT, src, filter, INPUT, 1, FWKNOP_INPUT, 1", ErrChainTarget},
		{"ACCEPT, src, fliter, INPUT, 1, FWKNOP_INPUT, 1", ErrChainTable},
		{"ACCEPT, src, filter, IN PUT, 1, FWKNOP_INPUT, 1", ErrChainName},
		{"ACCEPT, src, filter, INPUT, 1, FWKNOP;INPUT, 1", ErrChainName},
		{"ACCEPT, src, filter, INPUT, 1, -x, 1", ErrChainName},
		{"ACCEPT, src, filter, INPUT, 1, " + strings.Repeat("x", 29) + ", 1", ErrChainName},
		{"ACCEPT, src, filter, INPUT, first, FWKNOP_INPUT, 1", ErrChainPosition},
		{"ACCEPT, src, filter, INPUT, 1, FWKNOP_INPUT, 65537", ErrChainPosition},
		{"ACCEPT, src, filter, INPUT, -1, FWKNOP_INPUT, 1", ErrChainPosition},
		{"ACCEPT, src, filter, INPUT, 1, INPUT, 1", ErrChainLoop},
	} {
		if _, err := ParseChain(c.value); !errors.Is(err, c.want) {
			t.Errorf("ParseChain(%q) = %v, want %v", c.value, err, c.want)
		}
	}
}

// FuzzParseChain: what comes out can stand on a command line as it is.
func FuzzParseChain(f *testing.F) {
	f.Add("ACCEPT, src, filter, INPUT, 1, FWKNOP_INPUT, 1")
	f.Add("ACCEPT, filter, INPUT, 1, FWKNOP_INPUT, 1")
	f.Fuzz(func(t *testing.T, value string) {
		c, err := ParseChain(value)
		if err != nil {
			return
		}
		for _, name := range []string{c.Target, c.Table, c.From, c.To} {
			if name == "" || name[0] == '-' || strings.ContainsAny(name, " \t\n\"';|&$!,") {
				t.Fatalf("unfit name %q from %q", name, value)
			}
		}
		if c.JumpPos < 1 || c.RulePos < 0 {
			t.Fatalf("positions of %+v", c)
		}
	})
}
