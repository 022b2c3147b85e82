package iptables

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"fwknopd/enforce"
	"fwknopd/enforce/command"
	"fwknopd/enforce/quote"
	"fwknopd/enforce/ruleset"
)

// A Surveyor reads the tables of one variant of iptables. It changes nothing, and
// makes no table.
type Surveyor struct {
	Layer ruleset.Layer
	// Path and Path6 are the programs; "" where there is none.
	Path, Path6 string
	ours        map[string]bool // as [ruleset.Base.Ours]
	alarm       time.Duration
}

// NewSurveyor is for the programs of cfg.
func NewSurveyor(ctx context.Context, cfg Config) (*Surveyor, error) {
	if cfg.Alarm <= 0 {
		cfg.Alarm = defaultAlarm
	}
	path, layer, err := find(ctx, cfg.Path, cfg.Alarm)
	if err != nil {
		return nil, err
	}
	s := &Surveyor{Layer: layer, Path: path, ours: make(map[string]bool), alarm: cfg.Alarm}
	other := cfg.Path6
	if other == "" {
		other = path6(path)
	}
	if s.Path6, _, err = find(ctx, other, cfg.Alarm); isHanging(err) {
		return nil, err
	}
	for role := range enforce.Roles {
		c, ok := cfg.Chains[role]
		if !ok {
			c = Defaults[role]
		}
		s.ours[c.To] = role != enforce.Guarded
	}
	return s, nil
}

// find is the path of a program and its variant.
func find(ctx context.Context, name string, alarm time.Duration) (path string, layer ruleset.Layer, err error) {
	if name == "" {
		name = "iptables"
	}
	if path, err = exec.LookPath(name); err != nil {
		return "", "", err
	}
	if layer, ok := variantByName(path); ok {
		return path, layer, nil
	}
	t := &tool{alarm: alarm}
	version, err := command.Output(ctx, t.command(path, "--version"))
	if err != nil {
		return "", "", err
	}
	if strings.Contains(version, "nf_tables") {
		return path, ruleset.IPTablesNFT, nil
	}
	return path, ruleset.IPTablesLegacy, nil
}

// variantByName is the variant of a link to one of the two programs that are installed as all
// others, iptables-save and ip6tables-restore included. To ask it takes some 5 ms. There is no
// answer for a program of another name.
func variantByName(path string) (layer ruleset.Layer, ok bool) {
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", false
	}
	switch filepath.Base(target) {
	case "xtables-nft-multi":
		return ruleset.IPTablesNFT, true
	case "xtables-legacy-multi":
		return ruleset.IPTablesLegacy, true
	}
	return "", false
}

// Sibling is the path of the other variant's program beside one: iptables-legacy for
// iptables of the nf_tables variant.
func Sibling(path string, of ruleset.Layer) string {
	dir := filepath.Dir(path)
	return filepath.Join(dir, string(of))
}

// errNoProgram6: there are IPv6 tables and no program to read them.
var errNoProgram6 = errors.New("there is no ip6tables of this variant")

// Read begins to read what one table holds, the text of -S, and returns what waits for that. It
// has to be called; several tables are read side by side.
func (s *Surveyor) Read(ctx context.Context, v6 bool, table string) (text func() (string, error)) {
	path := s.Path
	if v6 {
		path = s.Path6
	}
	if path == "" {
		return func() (string, error) { return "", errNoProgram6 }
	}
	t := &tool{path: path, alarm: s.alarm}
	return t.dump(ctx, table)
}

// hooks are the builtin chains that can drop what is for a grant.
var hooks = map[string]ruleset.Hook{
	"PREROUTING": ruleset.Prerouting, "INPUT": ruleset.Input, "FORWARD": ruleset.Forward,
	"OUTPUT": ruleset.Output, "POSTROUTING": ruleset.Postrouting,
}

// Bases returns the base chains of a table, from the text of -S. What is in chains of ours
// is left out.
func (s *Surveyor) Bases(v6 bool, table, text string) (bases []*ruleset.Base) {
	chains := make(map[string][]ruleset.Rule)
	isChain := func(name string) bool {
		_, ok := chains[name]
		return ok
	}
	for line := range strings.Lines(text) {
		if rule, ok := strings.CutPrefix(line, "-A "); ok {
			chain, _, _ := strings.Cut(rule, " ")
			if _, ours := s.ours[chain]; ours {
				continue
			}
		}
		words, err := quote.Iptables.Split(strings.TrimRight(line, "\n"))
		if err != nil || len(words) < 2 {
			continue
		}
		switch words[0] {
		case "-P":
			chains[words[1]] = nil
			if b := s.base(v6, table, words); b != nil {
				b.Chains = chains
				bases = append(bases, b)
			}
		case "-N":
			chains[words[1]] = nil
		case "-A":
			chains[words[1]] = append(chains[words[1]], parseListed(words[2:], isChain))
		}
	}
	return bases
}

// base makes a builtin chain of its line "-P INPUT DROP".
func (s *Surveyor) base(v6 bool, table string, words []string) *ruleset.Base {
	hook, ok := hooks[words[1]]
	if !ok || len(words) < 3 {
		return nil
	}
	b := &ruleset.Base{
		Layer: s.Layer, Name: s.name(v6) + " " + table + " " + words[1], Table: table, Hook: hook, V4: !v6, V6: v6,
		Policy: ruleset.Accept, Chain: words[1], Ours: s.ours,
	}
	if words[2] == "DROP" {
		b.Policy = ruleset.Drop
	}
	return b
}

func (s *Surveyor) name(v6 bool) string {
	if v6 {
		return strings.Replace(string(s.Layer), "iptables", "ip6tables", 1)
	}
	return string(s.Layer)
}

// LegacyTables returns the tables of the legacy variant that are loaded in this network
// namespace. Running its program would load them.
func LegacyTables(v6 bool) []string {
	name := "ip_tables_names"
	if v6 {
		name = "ip6_tables_names"
	}
	text, err := os.ReadFile("/proc/thread-self/net/" + name)
	if err != nil {
		return nil
	}
	return strings.Fields(string(text))
}
