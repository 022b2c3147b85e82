package daemon

import (
	"fmt"
	"os/user"
	"slices"
	"strings"
	"time"

	"fwknopd/enforce"
	"fwknopd/enforce/command"
	"fwknopd/enforce/monitor"
	"fwknopd/policy"
	"fwknopd/policy/conf"
)

// words26 are the words of the 2.6 daemon for decisions.
var words26 = phrases{
	policy.SPAReplay: replay26,
	policy.SPAStale:  age26,
	policy.SPAFuture: age26,
	policy.SPAUser: func(t *told) []string {
		return t.line26("Username in SPA data (%s) does not match required username: %s", t.Detail.Got, t.Detail.Want)
	},
	policy.SPAPort: func(t *told) []string {
		return t.line26("One or more requested protocol/ports was denied per access.conf.")
	},
	policy.SPAExpiredStanza: func(t *told) []string { return t.line26("Access stanza has expired") },
	policy.SPACmdDisabled: func(t *told) []string {
		return t.line26("SPA Command messages are not allowed in the current configuration.")
	},
	policy.SPAHMACMismatch: func(t *told) []string {
		when := ""
		if t.stanza != nil && t.stanza.GPG != nil && t.stanza.Key.IsZero() {
			when = " (before decryption)"
		}
		return t.line26("Error creating fko context%s: Args contain invalid data: FKO_ERROR_INVALID_DATA_HMAC_COMPAREFAIL", when)
	},
	policy.SPADecryptFailed: func(t *told) []string {
		return t.line26("Error creating fko context: Decryption failed or decrypted data is invalid")
	},
	policy.SPASource:    source26,
	policy.SPANAT:       nat26,
	policy.SPAGPGSigner: signer26,
	policy.NoStanza:     noStanza26,
	policy.SPACommand: func(t *told) []string {
		return t.line26("Processing SPA Command message: command='%s'.", t.Command.Text)
	},
	policy.SPAGranted: cycle26,
}

// line26 is a line about a packet and a stanza.
func (t *told) line26(format string, args ...any) []string {
	n := 0
	if t.stanza != nil {
		n = t.stanza.Number
	}
	return []string{fmt.Sprintf("[%s] (stanza #%d) %s", t.packet.src.Addr(), n, fmt.Sprintf(format, args...))}
}

// replay26 leaves out the port that the packet was sent to the first time: the journal
// has it, the records in memory do not.
func replay26(t *told) []string {
	line := fmt.Sprintf("Replay detected from source IP: %s, Destination proto/port: %d/%d", t.packet.src.Addr(), t.packet.proto, t.packet.dst.Port())
	if t.Detail.FirstSrc != "" {
		line += ", Original source IP: " + t.Detail.FirstSrc
	}
	if t.Detail.FirstSeen != nil {
		line += ", Entry created: " + t.Detail.FirstSeen.Local().Format("01/02/06 15:04:05")
	}
	return []string{line}
}

func age26(t *told) []string {
	if t.Detail.AgeS == nil {
		return nil // without a time there is no difference
	}
	age := *t.Detail.AgeS
	return t.line26("SPA data time difference is too great (%d seconds).", max(age, -age))
}

func source26(t *told) []string {
	if t.Detail.Got != "0.0.0.0" {
		return nil
	}
	return t.line26("Got 0.0.0.0 when valid source IP was required.")
}

func nat26(t *told) []string {
	switch {
	case t.Detail.Text == policy.TextNATDNS:
		return []string{"Received Hostname in NAT SPA message, but hostname is disabled."}
	case !strings.HasSuffix(t.Detail.Text, "is off") || t.stanza == nil:
		return nil
	}
	return []string{fmt.Sprintf("(stanza #%d) SPA packet from %s requested NAT access, but is not enabled/supported", t.stanza.Number, t.packet.src.Addr())}
}

func signer26(t *told) []string {
	if t.Detail.Signer == "" {
		return nil
	}
	return t.line26("Incoming SPA packet signed by ID: %s, but that ID is not in the GPG_REMOTE_ID list.", shortID(t.Detail.Signer))
}

// shortID is the end of a key id or fingerprint, as 2.6 shows it.
func shortID(id string) string { return id[max(len(id)-8, 0):] }

// signed26 is what 2.6 says of a message that it opened with the key of a stanza.
func (w *worker) signed26(line int, reason policy.Reason, p *packet) {
	st := w.teller.stanzas[line]
	if p.signer == "" || st == nil || st.GPG == nil || st.GPG.DisableSig || reason == policy.SPAReplay {
		return
	}
	w.mark26(w.loaded, "[%s] (stanza #%d) Incoming SPA data signed by '%s' (fingerprint '%s').", p.src.Addr(), st.Number, shortID(p.signer), p.signer)
}

func noStanza26(t *told) []string {
	if t.covered {
		return nil // DESTINATION or the interface is what does not fit
	}
	return []string{"No access data found for source IP: " + t.packet.src.Addr().String()}
}

// cycle26 are the lines before the commands of CMD_CYCLE_OPEN.
func cycle26(t *told) []string {
	if t.Grant.External == nil || t.stanza == nil || t.stanza.CycleOpen == "" {
		return nil
	}
	lines := t.line26("Running CMD_CYCLE_OPEN command: %s", strings.Join(t.Grant.External.Open, " "))
	if len(t.Grant.External.Close) == 0 {
		return lines
	}
	left := t.Grant.Expires.Sub(t.packet.now).Round(time.Second)
	return append(lines, t.line26("Running CMD_CYCLE_CLOSE command in %d seconds: %s", left/time.Second, strings.Join(t.Grant.External.Close, " "))...)
}

// events26 are the words of the 2.6 daemon for what the monitor did.
var events26 = map[monitor.Kind]func(*keeper, *monitor.Event) []string{
	monitor.Granted:    added26,
	monitor.Extended:   added26,
	monitor.Adopted:    func(k *keeper, ev *monitor.Event) []string { k.number(ev); return nil },
	monitor.Revoked:    func(k *keeper, ev *monitor.Event) []string { k.numbers(ev); return nil },
	monitor.Expired:    removed26,
	monitor.CommandRan: ran26,
}

// added26 is said of rules that were added, not of what a command opens.
func added26(k *keeper, ev *monitor.Event) (lines []string) {
	g := &ev.Grant
	dst := enforce.Anywhere(g.Src)
	if g.NAT == nil && g.Dst.IsValid() {
		dst = g.Dst.String()
	}
	ports := "*/*"
	if !g.All {
		words := make([]string, len(g.Ports))
		for i, p := range g.Ports {
			words[i] = p.String()
		}
		ports = strings.Join(words, ",")
	}
	k.numbers(ev) // those of an earlier end go
	for _, r := range k.number(ev) {
		lines = append(lines, fmt.Sprintf("Added %s rule to %s for %s -> %s %s, expires at %d", r.what, r.chain, g.Src, dst, ports, epoch(g)))
	}
	return lines
}

func removed26(k *keeper, ev *monitor.Event) (lines []string) {
	g := &ev.Grant
	if g.External != nil {
		return closed26(k, g)
	}
	numbers := k.numbers(ev)
	for i, r := range k.oldRules(g) {
		lines = append(lines, fmt.Sprintf("Removed rule %d from %s with expire time of %d", numbers[i], r.chain, epoch(g)))
	}
	return lines
}

func closed26(k *keeper, g *enforce.Grant) []string {
	st := k.stanzaOf(g.Stanza)
	if st == nil || st.CycleOpen == "" || len(g.External.Close) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("[%s] (stanza #%d) Timer expired, running CMD_CYCLE_CLOSE command: %s", g.Src, st.Number, strings.Join(g.External.Close, " "))}
}

func ran26(k *keeper, ev *monitor.Event) []string {
	st := k.stanzaOf(ev.Command.Stanza)
	if st == nil {
		return nil
	}
	status := ev.Result.Status
	if ev.Err != nil {
		status = 255
	}
	head := fmt.Sprintf("[%s] (stanza #%d) ", ev.Command.Src, st.Number)
	return []string{head + "Running command '" + running26(k, st, ev.Command.Text) + "'" + as26(st), fmt.Sprintf("%sCMD_EXEC: command returned 0, pid_status: %d", head, status)}
}

// running26 is a command with the sudo in front of it.
func running26(k *keeper, st *conf.Stanza, text string) string {
	if !st.CmdSudo {
		return text
	}
	words := []string{k.conf().Server.SudoExe}
	if st.CmdSudoUser != "" {
		words = append(words, "-u", st.CmdSudoUser)
	}
	if st.CmdSudoGroup != "" {
		words = append(words, "-g", st.CmdSudoGroup)
	}
	return strings.Join(append(words, text), " ")
}

// as26 says as whom a command runs.
func as26(st *conf.Stanza) string {
	if st.CmdUser == "" {
		return ""
	}
	u, err := user.Lookup(st.CmdUser)
	if err != nil {
		return ""
	}
	group, gid := st.CmdGroup, u.Gid
	if group == "" {
		group = st.CmdUser
	} else if n, err := command.GroupID(group); err == nil {
		gid = fmt.Sprint(n)
	}
	return fmt.Sprintf(" setuid/setgid user/group to %s/%s (UID=%s,GID=%s)", st.CmdUser, group, u.Uid, gid)
}

// A ledger numbers the rules of each chain as 2.6 does, which appends them.
type ledger map[string][]string

// number enters the rules of a grant.
func (k *keeper) number(ev *monitor.Event) []oldRule {
	rules := k.oldRules(&ev.Grant)
	for _, r := range rules {
		k.ledger[r.chain] = append(k.ledger[r.chain], r.part.Key())
	}
	return rules
}

// numbers takes the rules of a grant out, and gives the number of each while all were
// there; 1 for one that was never entered.
func (k *keeper) numbers(ev *monitor.Event) []int {
	rules := k.oldRules(&ev.Grant)
	numbers := make([]int, len(rules))
	for i, r := range rules {
		numbers[i] = max(slices.Index(k.ledger[r.chain], r.part.Key()), 0) + 1
	}
	for _, r := range rules {
		k.ledger[r.chain] = slices.DeleteFunc(k.ledger[r.chain], func(key string) bool { return key == r.part.Key() })
	}
	return numbers
}
