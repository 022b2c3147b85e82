package conf

// stanza gives a block its types and finds what single lines cannot show.
func (ld *accessLoader) stanza(b *block, number int) Stanza {
	v := b.values
	s := Stanza{Pos: b.pos, Number: number, Values: v, Source: v.Nets("SOURCE"), Destination: v.Nets("DESTINATION"),
		Interface: v.Path("RESTRICT_INTF"), Shadow: v.Bool("SHADOW"), Usernames: v.List("REQUIRE_USERNAME")}
	m := &maker{ld: ld, b: b, v: v, s: &s}
	m.mode()
	m.keys()
	m.gpg()
	m.openings()
	m.timeouts()
	m.nat()
	m.requirements()
	m.commands()
	m.knock()
	s.Vars = v.vars()
	for _, val := range v.each("EXPECT") {
		if val.IsSet() {
			e := val.exp
			e.Pos, e.Stanza = val.Pos, number
			s.Expectations = append(s.Expectations, e)
		}
	}
	return s
}

// A maker fills one stanza.
type maker struct {
	ld *accessLoader
	b  *block
	v  *Values
	s  *Stanza
}

// has reports that the stanza gives the keyword a value, right or wrong.
func (m *maker) has(name string) bool {
	val := m.v.Lookup(name)
	return val.IsSet() && (val.Text != "" || val.Keyword.Kind == Flag)
}

// lacks reports a fault of the whole stanza: keyword is missing.
func (m *maker) lacks(keyword, format string, args ...any) {
	m.ld.errorf(m.b.pos, keyword, format, args...)
	m.b.broken = true
}

// wrong reports a fault at the place of a keyword, under the name of another one.
func (m *maker) wrong(at, keyword, format string, args ...any) {
	m.ld.errorf(m.pos(at), keyword, format, args...)
	m.b.broken = true
}

func (m *maker) warn(at, format string, args ...any) {
	m.ld.warnf(m.pos(at), m.v.Lookup(at).Name, format, args...)
}

func (m *maker) pos(keyword string) Pos {
	if val := m.v.Lookup(keyword); val.IsSet() {
		return val.Pos
	}
	return m.b.pos
}

// mode finds which evaluation the stanza takes part in.
func (m *maker) mode() {
	words := map[string]string{} // mode -> keyword that asks for it
	if m.has("DATA_COLLECT_MODE") {
		words[first(m.v.List("DATA_COLLECT_MODE"))] = "DATA_COLLECT_MODE"
	}
	for _, k := range []string{"PCAP", "FILE_PCAP", "ULOG_PCAP", "ENCRYPT_SEQUENCE"} {
		if m.has(k) && m.v.Bool(k) {
			words[k] = k
		}
	}
	if m.has("SHARED_SEQUENCE") {
		words["SHARED_SEQUENCE"] = "SHARED_SEQUENCE"
	}
	delete(words, "") // refused already
	m.s.Collect = "PCAP"
	for _, w := range collectModes {
		if k, ok := words[w]; ok {
			m.s.Collect = w
			if len(words) > 1 && k != "DATA_COLLECT_MODE" {
				m.wrong(k, k, "does not go with another mode in the same stanza")
				break
			}
		}
	}
	if !m.has("DATA_COLLECT_MODE") { // for the dump
		k := Find(AccessFile, "DATA_COLLECT_MODE")
		m.v.set[k.Name] = &Value{Keyword: k, Name: k.Name, Text: m.s.Collect}
	}
	switch m.s.Collect {
	case "ENCRYPT_SEQUENCE":
		m.s.Mode = ModeEncrypted
	case "SHARED_SEQUENCE":
		m.s.Mode = ModeShared
		if !m.has("SHARED_SEQUENCE") {
			m.wrong("DATA_COLLECT_MODE", "SHARED_SEQUENCE", "is missing, DATA_COLLECT_MODE asks for it")
		}
	}
}

// which is the first of the keywords that is given.
func (m *maker) which(names ...string) string {
	for _, n := range names {
		if m.has(n) {
			return n
		}
	}
	return names[0]
}

// vars are the keywords for $KEYWORD in external commands.
func (v *Values) vars() map[string]string {
	vars := make(map[string]string)
	for name, val := range v.set {
		if !val.Keyword.Secret() && val.IsSet() {
			vars[name] = val.Text
			vars[val.Name] = val.Text
		}
	}
	return vars
}
