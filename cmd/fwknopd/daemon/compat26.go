package daemon

import (
	"fmt"
	"os/user"
	"slices"
	"strings"

	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce"
	"fwknopd/enforce/command"
	"fwknopd/enforce/monitor"
	"fwknopd/policy/conf"
)

// events26 has the 2.6 daemon's log lines for monitor events.
var events26 = map[monitor.Kind]func(*daemon, *monitor.Event) []string{
	monitor.Granted:    added26,
	monitor.Extended:   added26,
	monitor.Adopted:    func(d *daemon, ev *monitor.Event) []string { d.addRules(ev); return nil },
	monitor.Revoked:    func(d *daemon, ev *monitor.Event) []string { d.removeRules(ev); return nil },
	monitor.Expired:    removed26,
	monitor.CommandRan: ran26,
}

// added26 is logged for rules that were added, not for commands that open.
func added26(d *daemon, ev *monitor.Event) (lines []string) {
	g := &ev.Grant
	dst := report.Anywhere(g.Src)
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
	d.removeRules(ev) // an extension replaces the rules with the earlier expiry
	for _, r := range d.addRules(ev) {
		lines = append(lines, fmt.Sprintf("Added %s rule to %s for %s -> %s %s, expires at %d", r.what, r.chain, g.Src, dst, ports, epoch(g)))
	}
	return lines
}

func removed26(d *daemon, ev *monitor.Event) (lines []string) {
	g := &ev.Grant
	if g.External != nil {
		return closed26(d, g)
	}
	numbers := d.removeRules(ev)
	for i, r := range d.compatRules(g) {
		lines = append(lines, fmt.Sprintf("Removed rule %d from %s with expire time of %d", numbers[i], r.chain, epoch(g)))
	}
	return lines
}

// epoch returns the end of a grant in seconds since 1970, 0 for a grant without end.
func epoch(g *enforce.Grant) int64 {
	if g.Expires.IsZero() {
		return 0
	}
	return enforce.CeilSecond(g.Expires)
}

func closed26(d *daemon, g *enforce.Grant) []string {
	st := d.conf().Access.StanzaAt(g.Stanza)
	if st == nil || st.CycleOpen == "" || len(g.External.Close) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("[%s] (stanza #%d) Timer expired, running CMD_CYCLE_CLOSE command: %s", g.Src, st.Number, strings.Join(g.External.Close, " "))}
}

func ran26(d *daemon, ev *monitor.Event) []string {
	st := d.conf().Access.StanzaAt(ev.Command.Stanza)
	if st == nil {
		return nil
	}
	status := ev.Result.Status
	if ev.Err != nil {
		status = 255
	}
	head := fmt.Sprintf("[%s] (stanza #%d) ", ev.Command.Src, st.Number)
	return []string{head + "Running command '" + commandText26(d, st, ev.Command.Text) + "'" + credentialText26(st), fmt.Sprintf("%sCMD_EXEC: command returned 0, pid_status: %d", head, status)}
}

// commandText26 returns a command with sudo and its options in front of it.
func commandText26(d *daemon, st *conf.Stanza, text string) string {
	if !st.CmdSudo {
		return text
	}
	words := []string{d.conf().Server.SudoExe}
	if st.CmdSudoUser != "" {
		words = append(words, "-u", st.CmdSudoUser)
	}
	if st.CmdSudoGroup != "" {
		words = append(words, "-g", st.CmdSudoGroup)
	}
	return strings.Join(append(words, text), " ")
}

// credentialText26 names the user and group that a command runs as.
func credentialText26(st *conf.Stanza) string {
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

// ruleNumbers has the rules of each chain, by key, in the order in which 2.6 appends
// them.
type ruleNumbers map[string][]string

// addRules records the rules of a grant and returns them.
func (d *daemon) addRules(ev *monitor.Event) []compatRule {
	rules := d.compatRules(&ev.Grant)
	for _, r := range rules {
		d.rules[r.chain] = append(d.rules[r.chain], r.part.Key())
	}
	return rules
}

// removeRules removes the recorded rules of a grant. It returns the number that each
// had before the removal; 1 for a rule that was not recorded.
func (d *daemon) removeRules(ev *monitor.Event) []int {
	rules := d.compatRules(&ev.Grant)
	numbers := make([]int, len(rules))
	for i, r := range rules {
		numbers[i] = max(slices.Index(d.rules[r.chain], r.part.Key()), 0) + 1
	}
	for _, r := range rules {
		d.rules[r.chain] = slices.DeleteFunc(d.rules[r.chain], func(key string) bool { return key == r.part.Key() })
	}
	return numbers
}
