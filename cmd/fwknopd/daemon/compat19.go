package daemon

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"fwknopd/enforce"
	"fwknopd/enforce/iptables"
	"fwknopd/enforce/monitor"
	"fwknopd/policy"
	"fwknopd/policy/conf"
	"fwknopd/policy/spa"
)

// words19 are the words of the 1.9 daemon for decisions.
var words19 = phrases{
	policy.SPAReplay: func(t *told) []string {
		if t.Detail.FirstSrc == "" {
			return nil // older than the records, or of a cache without addresses
		}
		return []string{fmt.Sprintf("attempted SPA packet replay from: %s (original SPA src: %s, digest: %s)", t.Src, t.Detail.FirstSrc, t.packet.old.digest)}
	},
	policy.SPAStale:  age19,
	policy.SPAFuture: age19,
	policy.SPAUser: func(t *told) []string {
		return []string{fmt.Sprintf("username mismatch from %s, expecting %s, got %s", t.Src, t.Detail.Want, t.Detail.Got)}
	},
	policy.SPAPort:   port19,
	policy.SPASource: source19,
	policy.SPATimeout: func(t *told) []string {
		return t.line19("received fw access request from %s, with client-defined timeout, but PERMIT_CLIENT_TIMEOUT is not set", t.Src)
	},
	policy.SPANAT: nat19,
	policy.SPACmdDisabled: func(t *told) []string {
		if t.Detail.Text != policy.TextCmdOff {
			return nil
		}
		return []string{fmt.Sprintf("received command \"%s\" but command mode not enabled for %s", t.packet.old.text, t.Src)}
	},
	policy.SPACmdRegex: func(t *told) []string {
		return []string{fmt.Sprintf("received command \"%s\" from %s but CMD_REGEX did not match %s", t.packet.old.text, t.Src, t.Src)}
	},
	policy.SPAAuthMethod:     auth19,
	policy.SPADecryptFailed:  key19,
	policy.SPADigestMismatch: key19,
	policy.SPAGPGSigner:      func(*told) []string { return []string{"GnuPG message not signed by any required key ID."} },
	policy.NoStanza: func(t *told) []string {
		if t.covered {
			return nil // as noStanza26
		}
		return nowhere19(t)
	},
	policy.KnockGranted:       granted19,
	policy.KnockDecryptFailed: func(t *told) []string { return []string{"sequence decrypt failed for " + t.Src.String()} },
	policy.KnockChecksum:      func(t *told) []string { return []string{"invalid checksum for " + t.Src.String()} },
	policy.KnockUser:          user19,
	policy.KnockOS:            system19,
	policy.KnockLimit:         limit19,
	policy.KnockTooFast: func(t *told) []string {
		return gap19(t, "Sequence min_time (%d seconds) not met: %s (port sequence num: %d) ")
	},
	policy.KnockTooSlow: func(t *told) []string {
		return gap19(t, "Sequence max_time (%d seconds) exceeded: %s(port sequence num: %d) ")
	},
	policy.KnockTimeout: timeout19,
}

func (t *told) encrypted() bool { return t.stanza != nil && t.stanza.Mode == conf.ModeEncrypted }

func (t *told) block() int {
	if t.stanza == nil {
		return 0
	}
	return t.stanza.Number
}

// old19 is what the 1.9 daemon tells of a refused message beside the decision.
type old19 struct {
	text   string // the message field
	digest string // that it keeps, of a replay
}

func old19Of(d *policy.Decision, m *spa.Message) (o old19) {
	if m == nil {
		return o
	}
	o.text = m.Text
	if d.Reason == policy.SPAReplay {
		o.digest = digest19(m)
	}
	return o
}

// line19 is a line that ends with the stanza it is about.
func (t *told) line19(format string, args ...any) []string {
	n := 0
	if t.stanza != nil {
		n = t.stanza.Pos.Line
	}
	return []string{fmt.Sprintf("%s (SOURCE line num: %d)", fmt.Sprintf(format, args...), n)}
}

func age19(t *told) []string {
	d := &t.Detail
	if d.AgeS == nil || d.MaxAgeS == nil {
		return nil
	}
	hours := strconv.FormatFloat(float64(*d.AgeS)/3600, 'g', 15, 64)
	return []string{fmt.Sprintf("remote time stamp age difference is larger than %d second max.", *d.MaxAgeS),
		fmt.Sprintf("Time difference: %d (seconds), %s (hours)", *d.AgeS, hours)}
}

func port19(t *told) []string {
	switch {
	case t.Detail.Text == policy.TextNoAccess:
		return t.line19("received fw access request from %s, but DISABLE_FW_ACCESS is set to a true value", t.Src)
	case t.Detail.Port == "":
		return nil
	}
	return t.line19("IP %s not permitted to open %s", t.Src, t.Detail.Port)
}

func nowhere19(t *told) []string {
	return []string{fmt.Sprintf("Packet from %s did not match any SOURCE blocks in %s", t.Src, t.access)}
}

func source19(t *told) []string {
	switch {
	case t.Detail.Got == "0.0.0.0":
		return t.line19("IP: %s sent SPA packet that contained 0.0.0.0 (-s on the client side) but REQUIRE_SOURCE_ADDRESS is enabled", t.Src)
	case t.Detail.Text == policy.TextSourceBlacklist:
		return nowhere19(t)
	case t.Detail.Text == policy.TextBlacklist:
		return t.line19("allow IP: %s SPA packet from %s is blacklisted", t.Detail.Got, t.Src)
	}
	return nil
}

func nat19(t *told) []string {
	switch t.Detail.Text {
	case policy.TextForwardOff, policy.TextForwardingOff:
		return t.line19("FORWARD access requested through non-forward access SOURCE block")
	case policy.TextForwardOnly:
		return t.line19("non-forward access requested through FORWARD access SOURCE block")
	case policy.TextNATTarget:
		return t.line19("NAT access to %s restricted", t.Detail.Got)
	}
	return nil
}

func auth19(t *told) []string {
	switch t.Detail.Text {
	case policy.TextNoPassword:
		return []string{fmt.Sprintf("required server-auth method \"crypt\" not supplied by %s", t.Src)}
	case policy.TextPassword:
		return []string{fmt.Sprintf("IP: %s failed server-auth UNIX crypt() password test", t.Src)}
	}
	return nil
}

// key19 is said of a key that does not open the message.
func key19(t *told) []string {
	if t.stanza == nil {
		return nil
	}
	return []string{fmt.Sprintf("Key mis-match or broken message checksum for SOURCE %s (# %d in %s)", sourceWord19(&t.stanza.Source), t.stanza.Number, filepath.Base(t.access))}
}

// sourceWord19 spells a SOURCE as its file has it.
func sourceWord19(n *conf.Nets) string {
	words := make([]string, len(n.Include))
	for i, p := range n.Include {
		if words[i] = p.String(); p.Bits() == 0 {
			return "ANY"
		}
		if p.IsSingleIP() {
			words[i] = p.Addr().String()
		}
	}
	return strings.Join(words, ", ")
}

func granted19(t *told) (lines []string) {
	if t.encrypted() {
		lines = append(lines, fmt.Sprintf("successful knock decrypt for %s (SOURCE block: %d)", t.Src, t.block()))
	}
	return append(lines, fmt.Sprintf("port knock access sequence matched for %s (SOURCE block: %d)", t.Src, t.block()))
}

func user19(t *told) []string {
	if t.Detail.Got == "" {
		return []string{"missing username in encrypted sequence, expected: " + t.Detail.Want}
	}
	return []string{fmt.Sprintf("username mismatch, expected: %s, got: %s", t.Detail.Want, t.Detail.Got)}
}

func system19(t *told) []string {
	kind := "OS"
	if t.stanza != nil && t.stanza.RequireOSRegex != nil {
		kind = "OS regex"
	}
	switch {
	case t.Detail.Got == "":
		return []string{fmt.Sprintf("could not fingerprint OS for %s, expecting %s: %s", t.Src, kind, t.Detail.Want)}
	case kind == "OS":
		return []string{fmt.Sprintf("OS fingerprint mismatch for %s: expected: %s, received: %s", t.Src, t.Detail.Want, t.Detail.Got)}
	}
	return []string{fmt.Sprintf("OS fingerprint regex mismatch for %s: expected: %s, received: %s", t.Src, t.Detail.Want, t.Detail.Got)}
}

func limit19(t *told) []string {
	limit := 0
	if t.Detail.Limit != nil {
		limit = *t.Detail.Limit
	}
	return []string{fmt.Sprintf("%s exceeded knock limit (set to %d accesses)", t.Src, limit),
		fmt.Sprintf("access controls for %s will not be modified", t.Src)}
}

func gap19(t *told, format string) []string {
	d := &t.Detail
	if d.LimitS == nil || d.Step == nil {
		return nil
	}
	return []string{fmt.Sprintf(format, int(*d.LimitS), d.Port, *d.Step-1)}
}

func timeout19(t *told) []string {
	if !t.encrypted() {
		return nil // it never said so
	}
	return []string{fmt.Sprintf("invalid encrypted sequence %s timeout", t.Src)}
}

// events19 are the words of the 1.9 daemon for what the monitor did.
var events19 = map[monitor.Kind]func(*keeper, *monitor.Event) []string{
	monitor.Granted:  added19,
	monitor.Extended: already19,
	monitor.Kept:     already19,
	monitor.Expired:  removed19,
	monitor.Revoked:  func(k *keeper, ev *monitor.Event) []string { k.outlived(ev); return nil },
}

// way is where a rule leads: from whom, to whom, which port.
func (r *oldRule) way() (from, to, port string) {
	g := &r.part
	any := enforce.Anywhere(g.Src)
	from, to, port = g.Src.String(), any, "all"
	if len(g.Ports) == 1 {
		port = enforce.ProtoName(g.Ports[0].Proto) + "/" + fmt.Sprint(g.Ports[0].Number)
	}
	switch {
	case r.role == enforce.Output:
		return any, from, port
	case r.role == enforce.DNAT && g.All:
		return from, g.NAT.Target.Addr().String(), port
	case r.role == enforce.DNAT:
		return from, g.NAT.Target.Addr().String(), port + " to " + fmt.Sprint(g.NAT.Target.Port())
	case g.Dst.IsValid():
		to = g.Dst.String()
	}
	return from, to, port
}

func (r *oldRule) target() string { return iptables.Defaults[r.role].Target }

func added19(k *keeper, ev *monitor.Event) (lines []string) {
	seconds := lifetime19(ev.Grant.Expires, ev.Time)
	for _, r := range k.oldRules(&ev.Grant) {
		from, to, port := r.way()
		lines = append(lines, fmt.Sprintf("add %s %s -> %s(%s) %s rule %d sec", r.chain, from, to, port, r.target(), seconds))
		k.lives[r.part.Key()] = seconds
	}
	return lines
}

// lifetime19 is in whole seconds, 0 without end.
func lifetime19(end, now time.Time) int {
	if end.IsZero() {
		return 0
	}
	return int(end.Sub(now).Round(time.Second) / time.Second)
}

func already19(k *keeper, ev *monitor.Event) (lines []string) {
	for _, r := range k.oldRules(&ev.Grant) {
		from, to, port := r.way()
		lines = append(lines, fmt.Sprintf("source: %s -> %s(%s) already allowed to connect in chain: %s", from, to, port, r.chain))
	}
	return lines
}

func removed19(k *keeper, ev *monitor.Event) (lines []string) {
	for _, r := range k.oldRules(&ev.Grant) {
		from, to, port := r.way()
		seconds, known := k.lives[r.part.Key()]
		if !known {
			continue // taken over: how long it was to live, its opener knew
		}
		lines = append(lines, fmt.Sprintf("removed iptables %s %s rule for %s -> %s(%s), %d sec timeout exceeded", r.chain, r.target(), from, to, port, seconds))
	}
	k.outlived(ev)
	return lines
}

// outlived forgets how long a grant was to live.
func (k *keeper) outlived(ev *monitor.Event) {
	for _, part := range ev.Grant.Split() {
		delete(k.lives, part.Key())
	}
}
