package conf

import (
	"encoding/base64"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// A Note is one difference between files and what [Migrate] makes of them.
type Note struct {
	Pos     Pos // zero for what stands in no file
	Keyword string
	Text    string
}

// String is `file:line: KEYWORD: text`.
func (n Note) String() string { return Problem{Pos: n.Pos, Keyword: n.Keyword, Text: n.Text}.String() }

// Migrate writes a configuration without errors as a fwknopd.conf and an access.conf of the
// 2.6 dialect, what was included in its place, and names all that it changed. The texts hold
// keys. [Unlike] says what they do not mean as the files did.
func Migrate(server *Values, access *Access) (fwknopd, stanzas string, notes []Note) {
	m := &migration{}
	m.write(server)
	fwknopd = m.text.String()
	m.text.Reset()
	for st := range access.All() {
		if m.text.Len() > 0 {
			m.text.WriteByte('\n')
		}
		m.key = st.rijndaelKey()
		m.write(st.Values)
	}
	return fwknopd, m.text.String(), m.notes
}

type migration struct {
	text  strings.Builder
	notes []Note
	key   []byte // of the stanza
}

// derived are keywords whose absence the 2.6 daemon reads as another value than the default
// of 1.9.
var derived = []string{"FWKNOP_LIB_DIR", "ENABLE_PROC_IP_FORWARD", "ENABLE_SPA_PACKET_AGING"}

// write writes the values of a server file or a stanza.
func (m *migration) write(v *Values) {
	for i := range keywords[v.File] {
		k := &keywords[v.File][i]
		switch all := v.each(k); {
		case all[0].IsSet():
			m.given(v, k, all)
		case v.Dialect == Perl19 && k.Verdict != Obsolete && !k.SetOnly && k.Name != "FLUSH_IPT_AT_EXIT" && (k.Default2 != "" || slices.Contains(derived, k.Name)):
			m.line(k, all[0].Text)
			n := Note{Keyword: k.Name, Text: fmt.Sprintf("is written as %s, the default of 1.9", all[0].Text)}
			if !slices.Contains(m.notes, n) { // of an earlier stanza
				m.notes = append(m.notes, n)
			}
		}
	}
}

// given writes the values that files gave to a keyword.
func (m *migration) given(v *Values, k *Keyword, all []*Value) {
	switch {
	case k.Verdict == Obsolete:
		m.note(all[0], "is dropped: it has no effect here")
		return
	case k.Name == "ACCESS_CONF" || k.Name == "ACCESS_FOLDER":
		m.note(all[0], "is dropped: access.conf is looked for in FWKNOP_CONF_DIR")
		return
	case k.Name == "KEY" || k.Name == "HMAC_KEY":
		m.passphrase(v, k, all[0])
		return
	}
	if all[0].Name != k.spelling26() {
		m.note(all[0], "is renamed to %s", k.spelling26())
	}
	texts := make([]string, len(all))
	for i, val := range all {
		texts[i] = val.Text
	}
	if len(all) > 1 && k.In&Ours == 0 && v.File == AccessFile {
		m.note(all[0], "its %d lines are one", len(all))
		texts = []string{strings.Join(texts, ", ")}
	}
	for _, text := range texts {
		if yes, err := parseFlag(text); k.Kind == Flag && err == nil {
			text = map[bool]string{true: "Y", false: "N"}[yes]
		}
		m.line(k, text)
	}
}

// passphrase writes a key in base64, which keeps blanks, semicolons and what 1.9 fills up.
func (m *migration) passphrase(v *Values, k *Keyword, val *Value) {
	key := []byte(val.Text)
	if k.Name == "KEY" {
		key = m.key
	}
	text := "is written as " + k.Name + "_BASE64"
	if len(key) > len(val.Text) {
		text += ", filled up with the digit 0 as 1.9 does"
	}
	m.note(val, "%s", text)
	m.line(Find(v.File, k.Name+"_BASE64"), base64.StdEncoding.EncodeToString(key))
}

func (m *migration) note(val *Value, format string, args ...any) {
	m.notes = append(m.notes, Note{Pos: val.Pos, Keyword: val.Name, Text: fmt.Sprintf(format, args...)})
}

func (m *migration) line(k *Keyword, text string) {
	if text == "" {
		text = noValue
	}
	end := ""
	if k.File == ServerFile {
		end = ";"
	}
	fmt.Fprintf(&m.text, "%-30s %s%s\n", k.spelling26(), text, end)
}

// spelling26 is the name of a keyword in 2.6, if that has it.
func (k *Keyword) spelling26() string {
	if k.In&InC26 == 0 {
		for _, a := range k.Aliases {
			if a.In&InC26 != 0 {
				return a.Name
			}
		}
	}
	return k.Name
}

// rijndaelKey is the key of a stanza, in a 1.9 file filled up to 16 bytes.
func (s *Stanza) rijndaelKey() []byte {
	key := slices.Clone(s.Key.Bytes())
	for s.Dialect == Perl19 && len(key) > 0 && len(key) < 16 {
		key = append(key, '0')
	}
	return key
}

// ruled are the fields that a 2.6 file cannot have as a 1.9 file has them, and what that
// means. They grant nothing that was refused.
var ruled = map[string]string{
	"CheckTrust":  "where the key ring has ownertrust set, only keys that are valid by it may sign",
	"FlushAtExit": "what is open closes when the daemon ends, unless FLUSH_IPT_AT_EXIT N is added; in 1.9 it stays to its end",
}

// Unlike compares a configuration with one that was made of it. changes are the differences
// that do not grant more; faults those for which the files must not be used, each at its
// stanza.
func Unlike(server, newServer *Server, access, newAccess *Access) (changes []Note, faults Problems) {
	u := &comparison{}
	u.fields(Pos{File: newAccess.File}, *server, *newServer, "Dialect", "Evident", "AccessFile", "AccessFolder")
	if server.Dialect == Perl19 && server.UDPServer && slices.Contains(server.AuthModes, "PCAP") {
		u.fault(Pos{File: newAccess.File}, "ENABLE_UDP_SERVER", "in a 2.6 file it ends the capture on PCAP_INTF: choose one, or write INGEST")
	}
	if server.Dialect == Perl19 || access.Dialect == Perl19 {
		u.changes = append(u.changes, Note{Text: "messages are read as a 2.6 server does: no request for ICMP, protocol names in lower case, " +
			"the payload has at least 140 bytes, and logs are in the words of 2.6"})
	}
	olds, news := slices.Collect(access.All()), slices.Collect(newAccess.All())
	if len(olds) != len(news) {
		u.fault(Pos{File: newAccess.File}, "SOURCE", "%d stanzas became %d", len(olds), len(news))
		return u.changes, u.faults
	}
	for i := range olds {
		a, b := *olds[i], *news[i]
		if a.Dialect == Perl19 {
			u.forwarding(server, &a)
		}
		a.Key = NewSecret(a.rijndaelKey())
		if (a.GPG == nil) == (b.GPG == nil) && a.GPG != nil {
			u.fields(a.Pos, *a.GPG, *b.GPG)
			a.GPG, b.GPG = nil, nil
		}
		u.fields(a.Pos, a, b, "Pos", "Dialect", "Values", "Vars", "Expectations", "Collect")
	}
	return u.changes, u.faults
}

type comparison struct {
	changes []Note
	faults  Problems
}

func (u *comparison) fault(pos Pos, keyword, format string, args ...any) {
	u.faults = append(u.faults, Problem{Pos: pos, Keyword: keyword, Text: fmt.Sprintf(format, args...)})
}

// forwarding finds what a stanza of 2.6 grants beyond one of 1.9 with the same keywords.
func (u *comparison) forwarding(server *Server, a *Stanza) {
	if a.Mode == ModeSPA && server.Forwarding {
		u.fault(a.Pos, "ENABLE_FORWARD_ACCESS", "no 2.6 file can say which requests the stanza forwards: with ENABLE_IPT_FORWARDING it forwards all and grants others too")
	}
	if server.Output && !a.OutputAccess {
		u.fault(a.Pos, "ENABLE_OUTPUT_ACCESS", "no 2.6 file can say that the stanza opens no output: with ENABLE_IPT_OUTPUT all do")
	}
}

// fields compares the exported fields of two structures.
func (u *comparison) fields(pos Pos, a, b any, without ...string) {
	x, y := reflect.ValueOf(a), reflect.ValueOf(b)
	for i := range x.NumField() {
		f := x.Type().Field(i)
		if !f.IsExported() || slices.Contains(without, f.Name) || same(x.Field(i), y.Field(i)) {
			continue
		}
		if text, ok := ruled[f.Name]; !ok {
			u.fault(pos, "", "no 2.6 file can say what this one says of %s", f.Name)
		} else if text != "" {
			u.changes = append(u.changes, Note{Pos: pos, Text: text})
		}
	}
}

// same compares two values; an empty list is none.
func same(a, b reflect.Value) bool {
	if a.Kind() == reflect.Slice && a.Len() == 0 && b.Len() == 0 {
		return true
	}
	return reflect.DeepEqual(a.Interface(), b.Interface())
}
