package setup

import (
	"fmt"
	"os/user"
	"regexp"
	"strings"

	"fwknopd/cmd/fwknopd/keygen"
	"fwknopd/policy/spa"
)

// madeBy ends the comment in front of a stanza of init, which goes with it.
const madeBy = ", made by fwknopd init"

// logGroup may read logs on most Linux systems.
const logGroup = "adm"

// serverText is the server file that init writes where there is none.
func serverText(intf string) string {
	text := fmt.Sprintf(`# Made by fwknopd init. "fwknopd help KEYWORD" explains a keyword, "fwknopd -D" shows all values.
PCAP_INTF                  %s
PCAP_FILTER                udp port %d
FLUSH_IPT_AT_INIT          N
FLUSH_IPT_AT_EXIT          N
`, intf, spa.DefaultPort)
	if _, err := user.LookupGroup(logGroup); err == nil {
		text += "EVENT_LOG_GROUP            " + logGroup + "\n"
	}
	return text
}

// stanzaText is a stanza of access.conf. A message must hold the address to open, so that an
// attacker on the path cannot have it opened for another one.
func stanzaText(name, source, ports string, keys keygen.Keys) string {
	return fmt.Sprintf(`# %s%s
SOURCE                     %s
NAME                       %s
OPEN_PORTS                 %s
REQUIRE_SOURCE_ADDRESS     Y
FW_ACCESS_TIMEOUT          30
KEY_BASE64                 %s
HMAC_KEY_BASE64            %s
`, name, madeBy, source, name, ports, keys.Key, keys.HMACKey)
}

// added returns the text of a file with a stanza at its end.
func added(text, stanza string) string {
	switch {
	case text == "":
	case !strings.HasSuffix(text, "\n"):
		text += "\n\n"
	case !strings.HasSuffix(text, "\n\n"):
		text += "\n"
	}
	return text + stanza
}

var (
	sourceLine = regexp.MustCompile(`(?m)^\s*SOURCE\s*[:\s]`)
	directive  = regexp.MustCompile(`(?m)^\s*%`)
)

// hasStanza reports whether a text has a stanza, or includes a file that may have one.
func hasStanza(text string) bool {
	return sourceLine.MatchString(text) || directive.MatchString(text)
}

// removed returns the text of a file without the stanza whose SOURCE is in a line, from 1: to
// its last line before the next stanza that is neither blank nor a comment, and with the
// comment of init in front of it. gone is how many lines were removed.
func removed(text string, line int, name string) (rest string, gone int, err error) {
	lines := strings.SplitAfter(text, "\n")
	begin, end := line-1, line
	for i := line; i < len(lines); i++ {
		trimmed := strings.TrimSpace(lines[i])
		switch {
		case sourceLine.MatchString(lines[i]):
			i = len(lines)
		case directive.MatchString(lines[i]):
			return "", 0, fmt.Errorf("line %d, %s, stands in or behind the stanza: remove the stanza by hand", i+1, trimmed)
		case trimmed != "" && !strings.HasPrefix(trimmed, "#"):
			end = i + 1
		}
	}
	if begin > 0 && strings.TrimSpace(lines[begin-1]) == "# "+name+madeBy {
		begin--
	}
	gone = end - begin
	if begin > 0 && strings.TrimSpace(lines[begin-1]) == "" { // the blank line that separated it
		begin--
	}
	rest = strings.Join(lines[:begin], "") + strings.Join(lines[end:], "")
	if begin == 0 {
		rest = strings.TrimLeft(rest, "\n")
	}
	return rest, gone, nil
}
