package conf

// A builder checks and completes one stanza, whose fields hold the values of the
// keywords.
type builder struct {
	ld *accessLoader
	b  *block
	v  *Values
	s  *Stanza
}

// A need is that of one keyword for another.
type need struct{ keyword, other, hint string }

// needs reports the first of the needs that is not met. NONE needs nothing more than the
// keyword that opens.
func (m *builder) needs(list []need) {
	for _, n := range list {
		if !m.has(n.keyword) || m.has(n.other) || n.other == "CMD_CYCLE_TIMER" && m.s.CycleClose == "NONE" {
			continue
		}
		m.invalid(n.keyword, n.other, "is missing, %s needs it%s", n.keyword, n.hint)
		return
	}
}

// idle warns of the keywords that have no effect in this stanza.
func (m *builder) idle() {
	for i := range m.v.given {
		k := m.v.given[i].Keyword
		if k.idleInStanza == nil || !m.has(k.Name) {
			continue
		}
		if why := k.idleInStanza(m.s); why != "" {
			m.warn(k.Name, "%s", why)
		}
	}
}

// which is the first of the keywords that is given.
func (m *builder) which(names ...string) string {
	for _, n := range names {
		if m.has(n) {
			return n
		}
	}
	return names[0]
}

// has reports that the stanza gives the keyword a value, valid or not.
func (m *builder) has(name string) bool {
	val := m.v.find(Find(AccessFile, name))
	return val.IsSet() && (val.Text != "" || val.Keyword.Kind == Flag)
}

// missing reports an error of the whole stanza: it lacks a keyword.
func (m *builder) missing(keyword, text string) {
	m.ld.errorf(m.b.Pos, keyword, "%s", text)
	m.b.broken = true
}

// invalid reports an error at the place of a keyword, under the name of another one.
func (m *builder) invalid(at, keyword, format string, args ...any) {
	m.ld.errorf(m.pos(at), keyword, format, args...)
	m.b.broken = true
}

func (m *builder) warn(at, format string, args ...any) {
	m.ld.warnf(m.pos(at), m.v.lookup(at).Name, format, args...)
}

func (m *builder) pos(keyword string) Pos {
	if val := m.v.lookup(keyword); val.IsSet() {
		return val.Pos
	}
	return m.b.Pos
}
