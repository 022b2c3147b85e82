package doctor

import (
	"regexp"
	"slices"
	"strings"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/enforce/ruleset"
	"fwknopd/policy/conf"
)

// judgeConfiguration returns a finding for each problem of the configuration.
func judgeConfiguration(problems conf.Problems, file string) (list []finding) {
	for _, p := range problems {
		state := warning
		if p.Severity == conf.Error {
			state = fix
		}
		text, mend := cutCommand(p.String())
		if before, options, found := strings.Cut(text, ": -c "); found { // the files are swapped
			text, mend = before, "fwknopd -c "+options+", or give each the other's name"
		}
		list = append(list, finding{"configuration", state, text, mend})
	}
	switch {
	case problems.Failed():
		return append(list, finding{"configuration", fix, "it is refused; nothing else was looked at", "fwknopd check"})
	case file == "":
		return append(list, finding{"configuration", fix, "there is none", "fwknopd init --port tcp/22"})
	case len(list) == 0:
		return []finding{{"configuration", ok, file, ""}}
	}
	return list
}

// command is what mends a file or folder, behind what is wrong with it; see [safepath.Fault].
var command = regexp.MustCompile(`: ((?:chown|chmod|mv) [^;]*[^;\s])`)

// cutCommand separates a text from the command that mends what it says.
func cutCommand(text string) (rest, mend string) {
	at := command.FindStringSubmatchIndex(text)
	if at == nil {
		return text, ""
	}
	return text[:at[0]] + text[at[1]:], text[at[2]:at[3]]
}

// drop is how nothing but connections that stand and what is open gets in, for a host where
// nothing drops.
const drop = "nft add table inet gate; nft 'add chain inet gate in { type filter hook input priority 0; policy accept; }'; " +
	"nft add rule inet gate in ct state established,related accept; nft add rule inet gate in tcp dport 22 drop (for each port that is to be closed)"

// openByHand is what to do about a chain that a grant cannot open; auto is the change to
// FIREWALL_TYPE auto.
func openByHand(line, auto string) string {
	if strings.Contains(line, " of "+ruleset.FirewalldName+" ") { // with a table that is its own, from firewalld 2.2 on
		return auto
	}
	return "let that chain accept what a grant is for, and one on the hook input drop it"
}

// behindGuard is what to do about a rule in front of the guard.
const behindGuard = "put the rule behind the guard (with iptables the jump to FWKNOP_GUARD), or delete it"

// setGuard is the change that guards the published ports of a survey, beside those that are
// guarded.
func setGuard(survey []string, l *config.Loaded) string {
	var ports []string
	for _, p := range l.Server.GuardForward {
		ports = append(ports, p.String())
	}
	for _, line := range survey {
		port, _, published := strings.Cut(line, ruleset.IsPublished)
		if published && strings.Contains(line, ruleset.Unguarded) && !slices.Contains(ports, port) {
			ports = append(ports, port)
		}
	}
	return set(l, "GUARD_FORWARD", strings.Join(ports, ", "))
}

func setAuto(l *config.Loaded) string { return set(l, "FIREWALL_TYPE", "auto") }

// judgeFirewall judges the lines of a survey; mend is the change to FIREWALL_TYPE auto, guard
// that to GUARD_FORWARD.
func judgeFirewall(lines []string, mend, guard string) (list []finding) {
	for _, line := range lines {
		f := finding{"firewall", ok, line, ""}
		switch {
		case strings.Contains(line, ruleset.AutoOpens):
			f.State, f.Fix = fix, mend
		case strings.Contains(line, ruleset.NotOpened):
			f.State, f.Fix = fix, openByHand(line, mend)
		case strings.Contains(line, ruleset.Opened):
		case strings.Contains(line, ruleset.NothingDrops):
			f.State, f.Text, f.Fix = warning, line+": the ports are open to all as it is", drop
		case strings.Contains(line, ruleset.Unguarded):
			f.State, f.Fix = fix, guard
		case strings.Contains(line, ruleset.Guards):
		case strings.Contains(line, ruleset.Bypassed):
			f.State, f.Fix = warning, behindGuard
			if strings.Contains(line, ruleset.AllPass) {
				f.State = fix
			}
		case strings.Contains(line, ruleset.EndedLeft):
			f.State, f.Fix = warning, "nft delete table inet "+ruleset.EndedTable
		case strings.Contains(line, ruleset.CutsConnections):
			f.State, f.Fix = warning, "accept established connections before the drop"
		case !strings.HasPrefix(line, "grants are opened in "):
			f.State = warning
			if strings.HasPrefix(line, "cannot be looked at") {
				f.State = fix
			}
		}
		list = append(list, f)
	}
	return list
}
