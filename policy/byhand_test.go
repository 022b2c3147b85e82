package policy

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"fwknopd/enforce"
	"fwknopd/policy/conf"
)

// What an administrator asks for is granted as a packet of the client that asks for the same.
func TestByHandIsAPacketsGrant(t *testing.T) {
	for _, tt := range []struct {
		name    string
		set     func(*situation)
		seconds uint32 // that the client and the administrator ask for; 0: none
	}{
		{"plain", func(*situation) {}, 0},
		{"for a time", func(*situation) {}, 60},
		{"output", func(s *situation) { s.server.Output = true }, 0},
		{"to one of our addresses", func(s *situation) { s.server.DestinationRule = true }, 0},
		{"forced translation", func(s *situation) {
			s.server.Forwarding, s.one().ForceNAT, s.one().ForceMasquerade = true, netip.MustParseAddrPort("10.0.0.5:2222"), true
		}, 0},
		{"commands", func(s *situation) { s.one().ExternalOpen, s.one().ExternalClose = "o $SRC $PORT", "c $SRC" }, 0},
		{"cycle", func(s *situation) {
			s.one().CycleOpen, s.one().CycleTimer = "o $SRC $PORT $CLIENT_TIMEOUT $TIMEOUT", 20*time.Second
		}, 0},
		{"cycle for a time", func(s *situation) {
			s.one().CycleOpen, s.one().CycleTimer = "o $SRC $PORT $CLIENT_TIMEOUT $TIMEOUT", 20*time.Second
		}, 60},
	} {
		s := plain()
		tt.set(s)
		if tt.seconds > 0 {
			s.timeout(tt.seconds)
		}
		d := s.decide(t)
		h := ByHand{Src: client, Ports: []enforce.Port{{Proto: enforce.TCP, Number: 22}}, Lifetime: time.Duration(tt.seconds) * time.Second}
		if s.server.DestinationRule {
			h.Dst = d.Grant.Dst
		}
		g, ref := h.Grant(&s.server, s.one(), s.now)
		if d.Verdict != Allow || ref != nil || g.Key() != d.Grant.Key() || !g.Expires.Equal(d.Grant.Expires) || g.Stanza != d.Grant.Stanza {
			t.Errorf("%s: %+v, %+v, the packet: %+v", tt.name, g, ref, d)
		}
	}
}

func TestByHandRefusals(t *testing.T) {
	ssh, web := enforce.Port{Proto: enforce.TCP, Number: 22}, enforce.Port{Proto: enforce.TCP, Number: 80}
	for _, tt := range []struct {
		name   string
		set    func(*situation, *ByHand)
		reason Reason // "": it is granted
		text   string
	}{
		{"granted", func(*situation, *ByHand) {}, "", ""},
		{"another port", func(_ *situation, h *ByHand) { h.Ports = []enforce.Port{ssh, web} }, SPAPort, "not in OPEN_PORTS"},
		{"any port", func(s *situation, h *ByHand) { s.one().OpenPortsAny, h.Ports = true, []enforce.Port{web} }, "", ""},
		{"a restricted port", func(s *situation, _ *ByHand) { s.one().RestrictPorts = []conf.Port{ssh} }, SPAPort, "in RESTRICT_PORTS"},
		{"another source", func(s *situation, _ *ByHand) { s.one().Source = nets("203.0.113.0/24") }, SPASource, "not in SOURCE"},
		{"blacklisted", func(s *situation, _ *ByHand) { s.server.Blacklist = nets("192.0.2.0/24") }, SPASource, TextBlacklist},
		{"a stanza that has expired", func(s *situation, _ *ByHand) { s.one().Expires = s.now }, SPAExpiredStanza, "since"},
		{"a shadow", func(s *situation, _ *ByHand) { s.one().Shadow = true }, NoStanza, "shadow"},
		{"not in AUTH_MODE", func(s *situation, _ *ByHand) { s.server.AuthModes = []string{"KNOCK"} }, NoStanza, "AUTH_MODE [KNOCK]"},
		{"no access", func(s *situation, _ *ByHand) { s.one().DisableAccess = true }, SPAPort, TextNoAccess},
		{"without end", func(s *situation, _ *ByHand) { s.one().AccessTimeout = 0 }, SPATimeout, "say for how long"},
		{"without end for a time", func(s *situation, h *ByHand) { s.one().AccessTimeout, h.Lifetime = 0, time.Minute }, "", ""},
		{"no destination", func(s *situation, _ *ByHand) { s.server.DestinationRule = true }, SPASource, "ENABLE_DESTINATION_RULE"},
		{"a destination", func(_ *situation, h *ByHand) { h.Dst = netip.MustParseAddr("198.51.100.1") }, SPASource, "ENABLE_DESTINATION_RULE"},
		{"another destination", func(s *situation, h *ByHand) {
			s.server.DestinationRule, s.one().Destination, h.Dst = true, nets("198.51.100.2/32"), netip.MustParseAddr("198.51.100.1")
		}, SPASource, "not in DESTINATION"},
		{"two ports to translate", func(s *situation, h *ByHand) {
			s.server.Forwarding, s.one().ForceNAT, s.one().OpenPortsAny = true, netip.MustParseAddrPort("10.0.0.5:2222"), true
			h.Ports = []enforce.Port{ssh, web}
		}, SPANAT, "for one port"},
		{"a sequence", func(s *situation, _ *ByHand) { s.one().Mode, s.server.AuthModes = conf.ModeShared, []string{"KNOCK"} }, "", ""},
		{"another port than that of a sequence", func(s *situation, h *ByHand) {
			s.one().Mode, s.server.AuthModes, h.Ports = conf.ModeShared, []string{"KNOCK"}, []enforce.Port{web}
		}, SPAPort, "not in OPEN_PORTS"},
	} {
		s := plain()
		h := ByHand{Src: client, Ports: []enforce.Port{ssh}}
		tt.set(s, &h)
		g, ref := h.Grant(&s.server, s.one(), s.now)
		switch {
		case tt.reason == "" && (ref != nil || !g.Src.IsValid() || !g.Expires.After(s.now)):
			t.Errorf("%s: %+v, %+v", tt.name, g, ref)
		case tt.reason != "" && (ref == nil || ref.Reason != tt.reason || !strings.Contains(ref.Detail.Text, tt.text) || g.Src.IsValid()):
			t.Errorf("%s: %+v, %+v", tt.name, g, ref)
		}
	}
}
