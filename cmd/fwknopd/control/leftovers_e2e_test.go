package control

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"fwknopd/fixtures/wait"
)

// allRoles enables a chain for every role.
const allRoles = "ENABLE_IPT_FORWARDING Y;\nENABLE_IPT_OUTPUT Y;\nENABLE_IPT_SNAT Y;\nENABLE_IPT_LOCAL_NAT Y;\n"

// left returns our rules in the firewall, of both families, one line each.
func (h *host) left(variant string) (lines []string) {
	for _, program := range []string{"iptables", "ip6tables"} {
		for _, table := range []string{"filter", "nat"} {
			out := h.Run(h.t, program+variant+" -t "+table+" -S")
			for line := range strings.Lines(out) {
				if strings.Contains(line, "FWKNOP") {
					lines = append(lines, program+" "+strings.TrimSpace(line))
				}
			}
		}
	}
	return lines
}

func (h *host) wantsLeft(variant, when string, n int) {
	h.t.Helper()
	if left := h.left(variant); len(left) != n {
		h.t.Errorf("%s: %d left, want %d:\n%s", when, len(left), n, strings.Join(left, "\n"))
	}
}

// TestLiveLeavesNothing checks that -K and --fw-flush leave no chain or jump if the old
// daemon leaves none: 2.6 never does unless FLUSH_IPT_AT_EXIT is N; 1.9 does only while
// grants are open.
func TestLiveLeavesNothing(t *testing.T) {
	for _, variant := range []string{"-nft", "-legacy"} {
		for _, twoSix := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, 2.6 %v", variant[1:], twoSix), func(t *testing.T) {
				h := newHost(t, "iptables")
				if twoSix {
					h.conf = "etc/fwknopd.conf"
				}
				leaves(h, variant, twoSix)
			})
		}
	}
}

// chainsOfAll is how many lines iptables -S has for the chains and jumps of all roles: INPUT,
// OUTPUT, FORWARD, PREROUTING and one in POSTROUTING, in both families.
const chainsOfAll = 2 * 5 * 2

func leaves(h *host, variant string, twoSix bool) {
	configure := func(more string) {
		server := "PCAP_INTF lo;\nFWKNOP_RUN_DIR " + h.dir + "/run;\nFWKNOP_LIB_DIR " + h.dir + "/lib;\nFWKNOP_DIR " + h.dir + "/log;\nFIREWALL_TYPE iptables;\n" + allRoles
		access := "SOURCE: ANY;\nOPEN_PORTS: tcp/22;\nKEY: " + clientKey + ";\nFW_ACCESS_TIMEOUT: 3;\nENABLE_OUTPUT_ACCESS;\n"
		if twoSix {
			server += "FIREWALL_EXE /usr/sbin/iptables" + variant + ";\n"
			access = "SOURCE ANY\nOPEN_PORTS tcp/22\nKEY " + clientKey + "\nFW_ACCESS_TIMEOUT 3\nINTERNAL_NET_ACCESS 10.0.0.0/8\n"
		} else {
			server += "AUTH_MODE PCAP;\nALERTING_METHODS noemail, nosyslog;\niptablesCmd /usr/sbin/iptables" + variant + ";\n"
		}
		h.write(h.conf, server+more)
		h.write("etc/access.conf", access)
	}
	ends := func() { h.wants(0, "", "-K") }

	configure("")
	h.start()
	h.wantsLeft(variant, "at work", chainsOfAll)
	ends()
	h.wantsLeft(variant, "ended, nothing was open", 0)

	h.start()
	h.knock("192.0.2.7", "tcp/22")
	h.open(1)
	expired := time.Now().Add(4 * time.Second)
	ends()
	if twoSix {
		h.wantsLeft(variant, "ended with a grant open", 0)
	} else {
		// Chain, jump and rule for INPUT and OUTPUT, until they expire.
		h.wantsLeft(variant, "ended with a grant open", 2*3)
		wait.At(expired)
		h.start()
		h.open(0)
		h.wantsLeft(variant, "swept by the next start", chainsOfAll)
		ends()
	}
	h.wantsLeft(variant, "ended again", 0)

	h.start()
	h.knock("192.0.2.7", "tcp/22")
	h.open(1)
	h.Run(h.t, "kill -KILL "+h.pid())
	h.wants(0, "", "--fw-flush", "--fw-del-chains")
	h.wantsLeft(variant, "flushed after a crash", 0)

	configure("FLUSH_IPT_AT_EXIT N;\n")
	h.start()
	ends()
	h.wantsLeft(variant, "FLUSH_IPT_AT_EXIT N", chainsOfAll)
	configure("FLUSH_IPT_AT_EXIT Y;\n")
	h.start()
	h.knock("192.0.2.7", "tcp/22")
	h.open(1)
	ends()
	h.wantsLeft(variant, "FLUSH_IPT_AT_EXIT Y", 0)
}
