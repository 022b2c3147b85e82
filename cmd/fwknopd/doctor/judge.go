package doctor

import (
	"io"
	"strings"

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
		list = append(list, finding{"configuration", state, p.String(), ""})
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

// drop is how nothing but connections that stand and what is open gets in, for a host where
// nothing drops.
const drop = "nft add table inet gate; nft 'add chain inet gate in { type filter hook input priority 0; policy accept; }'; " +
	"nft add rule inet gate in ct state established,related accept; nft add rule inet gate in tcp dport 22 drop (for each port that is to be closed)"

// PrintFirewall prints what the lines of a survey mean, with what mends it.
func PrintFirewall(w io.Writer, survey []string) { printText(w, judgeFirewall(survey)) }

// judgeFirewall judges the lines of a survey.
func judgeFirewall(lines []string) (list []finding) {
	for _, line := range lines {
		f := finding{"firewall", ok, line, ""}
		switch {
		case strings.Contains(line, ruleset.NotOpened):
			f.State, f.Fix = fix, "let that chain accept what a grant is for, or FIREWALL_TYPE auto, which opens each chain it can"
		case strings.Contains(line, ruleset.NothingDrops):
			f.State, f.Text, f.Fix = warning, line+": the ports are open to all as it is", drop
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
