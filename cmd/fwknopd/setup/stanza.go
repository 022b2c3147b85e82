package setup

import (
	"cmp"
	"fmt"
	"os/user"
	"regexp"

	"fwknopd/cmd/fwknopd/keygen"
	"fwknopd/policy/conf"
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
DIGEST_FILE                $FWKNOP_LIB_DIR/digest.cache
`, intf, spa.DefaultPort)
	if _, err := user.LookupGroup(logGroup); err == nil {
		text += "EVENT_LOG_GROUP            " + logGroup + "\n"
	}
	return text
}

// secrets are those of a new stanza.
type secrets struct {
	keygen.Keys
	totp string // of one-time codes, in base32; "" for none
}

// stanzaText is the stanza of access.conf that is asked for. A message must hold the address to
// open, so that an attacker on the path cannot have it opened for another one.
func (r *run) stanzaText(s secrets) string {
	text := fmt.Sprintf(`# %s%s
SOURCE                     %s
NAME                       %s
OPEN_PORTS                 %s
REQUIRE_SOURCE_ADDRESS     Y
FW_ACCESS_TIMEOUT          30
KEY_BASE64                 %s
HMAC_KEY_BASE64            %s
`, r.name, madeBy, cmp.Or(r.For, "ANY"), r.name, r.Port, s.Key, s.HMACKey)
	if r.Prefix != "" {
		text += keywordLine("GRANT_PREFIX", r.Prefix) + "\n"
	}
	if s.totp != "" {
		text += keywordLine("REQUIRE_AUTH_METHOD", conf.AuthTOTP) + "\n" + keywordLine("TOTP_SECRET", s.totp) + "\n"
	}
	return text
}

// keywordLine is a line of a configuration file, without its end.
func keywordLine(keyword, value string) string { return fmt.Sprintf("%-26s %s", keyword, value) }

// added returns the text of a file with a stanza at its end. The newline between ends the last
// line of the text if that has none, else it is a blank line: so [removed] restores the text.
func added(text, stanza string) string {
	if text == "" {
		return stanza
	}
	return text + "\n" + stanza
}

var (
	sourceLine = regexp.MustCompile(`(?m)^\s*SOURCE\s*[:\s]`)
	directive  = regexp.MustCompile(`(?m)^\s*%`)
)

// hasStanza reports whether a text has a stanza, or includes a file that may have one.
func hasStanza(text string) bool {
	return sourceLine.MatchString(text) || directive.MatchString(text)
}
