package conf

import (
	"net/netip"
	"path"
	"strings"
)

// LoadServer reads fwknop.conf and its overrides: the command line wins over the
// last override file, that over the ones before it, these over the main file, that
// over the default. All problems of all files are found in one go; the results are
// usable only if none of them is an Error.
func LoadServer(o Options) (*Server, *Values, Problems) {
	ld := &loader{Options: o, obsolete: make(map[string][]string)}
	v := ld.server()
	v.expand(&ld.report)
	ld.parseAll(v)
	ld.checkServer(v)
	return v.server(), v, ld.problems()
}

// server reads the files into values without parsing them.
func (ld *loader) server() *Values {
	files := ld.Overrides
	if ld.Server != "" {
		files = append([]string{ld.Server}, ld.Overrides...)
	}
	var own Generation // syntax of the main file, which overrides follow
	var shown Generation
	layers := make([]*Values, 0, len(files))
	for i, name := range files {
		data, ok := ld.open(name, Pos{File: name}, "", false)
		if !ok {
			continue
		}
		lines := lex(name, data, &ld.report)
		g, evident := serverGeneration(name, collect(ServerFile, lines))
		if own != UnknownGeneration {
			g = own
		}
		if i == 0 {
			own = g
		}
		if evident && shown == UnknownGeneration {
			shown = g
		}
		layers = append(layers, ld.layer(g, lines))
		ld.noticeObsolete(name)
	}
	v := ld.merge(firstKnown(shown, ld.Generation, own, V1), layers)
	v.Evident = shown != UnknownGeneration
	return v
}

func firstKnown(list ...Generation) Generation {
	for _, g := range list {
		if g != UnknownGeneration {
			return g
		}
	}
	return UnknownGeneration
}

// layer turns the lines of one file into values of that file alone.
func (ld *loader) layer(g Generation, lines []line) *Values {
	v := newValues(ServerFile, g)
	for i := range lines {
		if strings.HasPrefix(lines[i].keyword, "%") {
			ld.errorf(lines[i].pos, clip(lines[i].keyword), "includes are for access.conf only")
			continue
		}
		if val := ld.value(ServerFile, g, &lines[i]); val != nil {
			v.take(val, &ld.report)
		}
	}
	return v
}

// merge lays the files and the command line over each other.
func (ld *loader) merge(g Generation, layers []*Values) *Values {
	v := newValues(ServerFile, g)
	for _, l := range layers {
		for name, val := range l.set {
			v.set[name], v.more[name] = val, l.more[name]
		}
	}
	for name, text := range ld.Argv {
		k := Find(ServerFile, name)
		if k == nil {
			panic("conf: no keyword " + name)
		}
		v.set[k.Name] = &Value{Keyword: k, Text: text, Whence: FromArgv, Name: name, Pos: Pos{File: "command line"}}
		delete(v.more, k.Name)
	}
	return v
}

// parseAll parses what files and the command line gave.
func (ld *loader) parseAll(v *Values) {
	for i := range ServerKeywords {
		for _, val := range v.each(ServerKeywords[i].Name) {
			if !val.IsSet() {
				continue
			}
			if val.Keyword.Name == "SNAT_TRANSLATE_IP" && placeholder.MatchString(val.Text) && !snatOn(v) {
				val.Text = ""
			}
			ld.parse(v.Generation, val)
		}
	}
}

// snatOn reports ENABLE_IPT_SNAT before it is parsed.
func snatOn(v *Values) bool {
	on, _ := parseFlag(v.Lookup("ENABLE_IPT_SNAT").Text)
	return on
}

// aging is ENABLE_SPA_PACKET_AGING. The 2.6 daemon does without where it reads a capture
// once: its packets are old.
func (v *Values) aging() bool {
	if v.Generation == V2 && v.IsSet("PCAP_FILE") && !v.IsSet("ENABLE_SPA_PACKET_AGING") {
		return false
	}
	return v.Bool("ENABLE_SPA_PACKET_AGING")
}

// server gives the values that the engine reads their types.
func (v *Values) server() *Server {
	s := &Server{
		CSyntax:              v.Generation == V2,
		AuthModes:            v.List("AUTH_MODE"),
		Aging:                v.aging(),
		MaxAge:               v.Duration("MAX_SPA_PACKET_AGE"),
		DigestTypes:          digestTypes(v.List("DIGEST_TYPE")),
		DigestFile:           v.Path("DIGEST_FILE"),
		DigestPersistence:    v.Bool("ENABLE_DIGEST_PERSISTENCE"),
		Blacklist:            v.Nets("BLACKLIST"),
		RequireSourceAddress: v.Bool("REQUIRE_SOURCE_ADDRESS"),
		MinPacketLen:         v.Int("MIN_SPA_PKT_LEN"),
		MaxSniffBytes:        v.Int("MAX_SNIFF_BYTES"),
		MinGPGLen:            v.Int("MIN_GNUPG_MSG_SIZE"),
		OverHTTP:             v.Bool("ENABLE_SPA_OVER_HTTP"),
		AnyUserAgent:         v.Bool("ALLOW_ANY_USER_AGENT"),
		XForwardedFor:        v.Bool("ENABLE_X_FORWARDED_FOR"),
		Forwarding:           v.Bool("ENABLE_IPT_FORWARDING"),
		LocalNAT:             v.Bool("ENABLE_IPT_LOCAL_NAT"),
		Output:               v.Bool("ENABLE_IPT_OUTPUT"),
		SNAT:                 v.Bool("ENABLE_IPT_SNAT"),
		SNATAddr:             v.Addr("SNAT_TRANSLATE_IP"),
		NATDNS:               v.Bool("ENABLE_NAT_DNS"),
		DestinationRule:      v.Bool("ENABLE_DESTINATION_RULE"),
		ExternalEnabled:      v.Bool("ENABLE_EXTERNAL_CMDS"),
		ExternalOpen:         v.Path("EXTERNAL_CMD_OPEN"),
		ExternalClose:        v.Path("EXTERNAL_CMD_CLOSE"),
		ExternalTimeout:      v.Duration("EXTERNAL_CMD_ALARM"),
		Shell:                v.Path("shCmd"),
		CmdTimeout:           v.Duration("PCAP_CMD_TIMEOUT"),
		FirewallType:         first(v.List("FIREWALL_TYPE")),
		KnockSources:         v.Int("KNOCK_SOURCES_MAX"),
		MaxHops:              v.Int("MAX_HOPS"),
		KernelLogOnly:        v.Bool("KERNEL_LOG"),
	}
	if ingest := v.List("INGEST"); len(ingest) > 0 {
		s.AuthModes = ingest
	}
	if v.Bool("ENABLE_EXT_CMD_PREFIX") {
		s.ExternalPrefix = v.Path("EXT_CMD_PREFIX")
	}
	if v.IsSet("P0F_FILE") {
		s.P0fFile = v.Path("P0F_FILE")
	}
	if f := v.Path("PCAP_FILTER"); f != "NONE" {
		s.PcapFilter = f
	}
	if !v.Bool("FW_SEARCH_ALL") {
		s.FWMsgSearch = v.List("FW_MSG_SEARCH")
	}
	return s
}

func first(words []string) string {
	if len(words) == 0 {
		return ""
	}
	return words[0]
}

// digestTypes is nil for ALL.
func digestTypes(words []string) []string {
	var types []string
	for _, w := range words {
		if w == "ALL" {
			return nil
		}
		types = append(types, strings.ToLower(w))
	}
	return types
}

// AccessPath is the file of stanzas that the values name: a bare name is looked for
// in FWKNOP_CONF_DIR.
func (v *Values) AccessPath() string {
	name := v.Path("ACCESS_CONF")
	if name == "" || strings.HasPrefix(name, "/") {
		return name
	}
	return path.Join(v.Path("FWKNOP_CONF_DIR"), name)
}

// checkServer finds what single values cannot show.
func (ld *loader) checkServer(v *Values) {
	fw := first(v.List("FIREWALL_TYPE"))
	for _, mode := range v.List("AUTH_MODE") {
		if mode == "KNOCK" && fw == "ipfw" {
			ld.at(v, "AUTH_MODE", "KNOCK is not offered with FIREWALL_TYPE ipfw")
		}
	}
	ld.pair(v, "EXTERNAL_CMD_OPEN", "EXTERNAL_CMD_CLOSE")
	if v.Bool("ENABLE_EXTERNAL_CMDS") && v.Path("EXTERNAL_CMD_OPEN") == "" {
		ld.at(v, "ENABLE_EXTERNAL_CMDS", "is Y, but EXTERNAL_CMD_OPEN is not set")
	}
	if a := v.Addr("SNAT_TRANSLATE_IP"); a.IsValid() && (a == netip.IPv4Unspecified() || a.IsMulticast()) {
		ld.at(v, "SNAT_TRANSLATE_IP", a.String()+" cannot be the source of a packet")
	}
	if a, e := v.Int("IPFW_ACTIVE_SET_NUM"), v.Int("IPFW_EXPIRE_SET_NUM"); a == e && a != 0 {
		ld.at(v, "IPFW_EXPIRE_SET_NUM", "is the same set as IPFW_ACTIVE_SET_NUM")
	}
	for i := range ServerKeywords {
		if ServerKeywords[i].Kind == Chain {
			ld.checkChain(v, ServerKeywords[i].Name)
		}
	}
}

// checkChain wants the chain to exist that the jump shall stand in. Chains of the
// kernel always do.
func (ld *loader) checkChain(v *Values, name string) {
	val := v.Lookup(name)
	c := val.chain
	if !val.IsSet() || ld.Host == nil || c.From == "" || builtin[c.From] {
		return
	}
	switch exists, known := ld.Host.Chain(c.Table, c.From); {
	case !known:
		ld.warnf(val.Pos, val.Name, "whether the chain %s exists cannot be seen from here", c.From)
	case !exists:
		ld.errorf(val.Pos, val.Name, "the table %s has no chain %s", c.Table, c.From)
	}
}

// at reports a problem at the place of a keyword.
func (ld *loader) at(v *Values, name, text string) {
	val := v.Lookup(name)
	ld.errorf(val.Pos, val.Name, "%s", text)
}

// pair wants both keywords or none; the missing one is blamed where the other is.
func (ld *loader) pair(v *Values, a, b string) {
	x, y := v.Lookup(a), v.Lookup(b)
	switch {
	case x.Text != "" && y.Text == "":
		ld.errorf(x.Pos, b, "is missing, %s needs it", a)
	case y.Text != "" && x.Text == "":
		ld.errorf(y.Pos, a, "is missing, %s needs it", b)
	}
}
