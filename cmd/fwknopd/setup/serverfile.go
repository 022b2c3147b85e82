package setup

import (
	"fmt"
	"slices"
	"strings"

	"fwknopd/cmd/fwknopd/config"
	"fwknopd/policy/conf"
)

// A serverFile is the server file with what init adds to it.
type serverFile struct {
	was       *config.Loaded // before that; nil: nothing was asked for
	text      string
	set       []setting
	intf, why string // of a new file
}

// A setting is a keyword of the server file that init sets.
type setting struct{ keyword, value string }

// serverWith returns the server file with what --prefix and --guard-forward need beside what
// stands there, or a new one.
func (r *run) serverWith() (f serverFile, err error) {
	f.text = r.serverText
	switch {
	case f.text == "":
		if f.intf, f.why = r.Interface, "--interface says"; f.intf == "" {
			f.intf, f.why = chooseInterface()
		}
		f.text = serverText(f.intf)
	case r.Interface != "":
		return f, fmt.Errorf("--interface: %s is there, and PCAP_INTF in it stays as it is", r.server)
	}
	if r.Prefix == "" && len(r.GuardForward) == 0 {
		return f, nil
	}
	o := r.loadOptions(f.text, r.accessText)
	o.ServerOnly = true
	was, problems := config.Load(o)
	if problems.Failed() {
		config.Print(r.stderr, problems)
		return f, r.errRefused()
	}
	f.was, f.set = was, append(r.widest(was), r.guard(was)...)
	for _, s := range f.set {
		if f.text, err = s.into(f.text, was.Values, r.server); err != nil {
			return f, err
		}
	}
	return f, nil
}

// widest returns the MAX_GRANT_PREFIX that --prefix needs. One that stands there is a bound of
// the administrator's, which stays; so a wider prefix is refused with the configuration.
func (r *run) widest(was *config.Loaded) []setting {
	p, err := conf.ParsePrefixLengths(r.Prefix)
	if err != nil || p.IsZero() || was.Values.IsSet("MAX_GRANT_PREFIX") {
		return nil
	}
	return []setting{{"MAX_GRANT_PREFIX", p.String()}}
}

// guard returns the GUARD_FORWARD with the ports of --guard-forward, unless it has them all.
func (r *run) guard(was *config.Loaded) []setting {
	var ports []string
	for _, p := range was.Server.GuardForward {
		ports = append(ports, p.String())
	}
	had := len(ports)
	for _, p := range r.GuardForward {
		if !slices.Contains(ports, p) {
			ports = append(ports, p)
		}
	}
	if len(ports) == had {
		return nil
	}
	return []setting{{"GUARD_FORWARD", strings.Join(ports, ", ")}}
}

// into returns the text of the server file with s, in the line that has the keyword, else at
// the end. Nothing but the value is lost: a line with more than that is left.
func (s setting) into(text string, values *conf.Values, file string) (string, error) {
	line, end := keywordLine(s.keyword, s.value), ""
	if values.Dialect == conf.Perl19 {
		end = ";"
	}
	at := values.Place(s.keyword)
	if !at.Set {
		if text != "" && !strings.HasSuffix(text, "\n") {
			text += "\n"
		}
		return text + line + end + "\n", nil
	}
	lines := strings.Split(text, "\n")
	if at.Pos.File == file {
		was := &lines[at.Pos.Line-1]
		_, behind, semicolon := strings.Cut(*was, ";")
		if semicolon {
			end = ";"
		}
		if behind == "" && !strings.ContainsAny(*was, "#\r") {
			*was = line + end
			return strings.Join(lines, "\n"), nil
		}
	}
	return "", fmt.Errorf("%s: %s has another value, which is left: set it to %s there", at.Pos, s.keyword, s.value)
}

// errRefused: what stands there is refused without a change of init.
func (r *run) errRefused() error {
	return fmt.Errorf("the configuration in %s is refused as it is: mend it first", r.dir)
}

// spelled returns ports as the configuration spells them, without empty ones.
func spelled(ports []string) (out []string) {
	for _, p := range ports {
		if p = strings.ToLower(strings.TrimSpace(p)); p != "" {
			out = append(out, p)
		}
	}
	return out
}

// offered returns the ports of --port with those of --guard-forward: a guarded port that no
// stanza offers is closed to all.
func offered(port string, guarded []string) string {
	ports := strings.Split(port, ",")
	if port == "" {
		ports = nil
	}
	for _, g := range guarded {
		if !slices.ContainsFunc(ports, func(p string) bool { return strings.EqualFold(strings.TrimSpace(p), g) }) {
			ports = append(ports, g)
		}
	}
	return strings.Join(ports, ",")
}
