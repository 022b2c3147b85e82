package conf

import (
	"slices"
	"strings"
)

// feeds are the values of AUTH_MODE and INGEST that bring packets for an evaluation.
var feeds = map[Mode][]string{
	ModeSPA:       {"PCAP", "FILE_PCAP", "ULOG_PCAP", "SOCKET", "UDP", "TCP", "NFLOG"},
	ModeShared:    {"KNOCK", "JOURNAL", "NFLOG"},
	ModeEncrypted: {"KNOCK", "JOURNAL", "NFLOG"},
}

// Feeds reports whether the daemon reads packets for stanzas of that mode. The others
// have no part in its decisions.
func (s *Server) Feeds(m Mode) bool {
	return slices.ContainsFunc(s.AuthModes, func(mode string) bool { return slices.Contains(feeds[m], mode) })
}

// Unfed says why a stanza of that mode never decides anything, "" if it does.
func (s *Server) Unfed(m Mode) string {
	if s.Feeds(m) {
		return ""
	}
	what := "SPA packets"
	if m != ModeSPA {
		what = "knocks"
	}
	return "AUTH_MODE " + strings.Join(s.AuthModes, ", ") + " reads no " + what + ": the stanza never grants anything; " +
		strings.Join(feeds[m], ", ") + " would"
}
