package conf

import (
	"fmt"
	"strings"
)

// withoutRemark leaves out a remark that stands behind the value on the same line of
// a 2.6 file. Its daemon knows no such remarks, but it reads numbers, ports, networks,
// dates and flags only as far as they go; all other values go on to the end of the
// line, keys above all.
func (k *Keyword) withoutRemark(value string) string {
	switch k.Kind {
	case Flag, Int, Span, Epoch, Address, Target, Date, NetsOrFlag:
		return beforeHash(value)
	case PortList, NetList:
		entries := strings.Split(value, ",")
		for i, e := range entries {
			if cut := beforeHash(e); !strings.EqualFold(strings.TrimSpace(cut), "ANY") {
				entries[i] = cut
			}
		}
		return strings.Join(entries, ",")
	}
	return value
}

func beforeHash(s string) string {
	before, _, _ := strings.Cut(s, "#")
	return strings.TrimRight(before, " \t")
}

// hasRemark reports a # with a blank before it: in a value, a remark that became a
// part of it.
func hasRemark(value string) bool {
	return strings.Contains(value, " #") || strings.Contains(value, "\t#")
}

// ownLine is the advice for a remark that a value cannot have behind it.
const ownLine = "a remark needs a line of its own"

// remark warns of a remark that is read as a part of the value: of words and keys,
// which may hold anything. What takes no remark and may not hold one is refused
// anyway, and a command may have a use for the character.
func (k *Keyword) remark(g Generation, value string) string {
	switch k.Kind {
	case Text, FilePath, List, KeyNames, Passphrase:
		if g != V1 && hasRemark(value) {
			return "goes on to the end of the line, # and all: " + ownLine
		}
	}
	return ""
}

// behind judges what stands behind the semicolon of a value, where an old daemon reads
// nothing. What reads as more of a list, or as another keyword, was meant to restrict
// or to allow something: without it the file would mean something else than it says.
func (l *line) behind(g Generation, k *Keyword) (text string, severity Severity) {
	value, behind, _ := l.cut(g, k)
	if note := l.greedyRemark(g, k); note != "" || behind == "" || behind[0] == '#' {
		return note, Warning
	}
	if value = strings.TrimRight(value, " \t"); g != V1 && k.withoutRemark(value) != value {
		return "", Warning // the semicolon stands in a remark
	}
	next := cutLine(l.pos, behind)
	if Find(k.File, next.keyword) != nil && (next.rest != "" || next.colon) {
		return fmt.Sprintf("%s stands behind the semicolon and is not read: each keyword needs a line of its own", next.keyword), Error
	}
	if k.Secret() {
		return "the value ends at the first semicolon of the line", Warning
	}
	if more := k.withoutRemark(behind); k.isList() {
		if _, err := k.parse(g, more); err == nil {
			return fmt.Sprintf("%q behind the semicolon is not read: commas separate the entries of a list", clip(more)), Error
		}
	}
	return fmt.Sprintf("the value ends at the semicolon, %q behind it is not read", clip(behind)), Warning
}

// greedyRemark warns of a semicolon in the remark behind a 1.9 value that may hold
// semicolons: it makes the remark a part of the value.
func (l *line) greedyRemark(g Generation, k *Keyword) string {
	first, last := strings.IndexByte(l.rest, ';'), strings.LastIndexByte(l.rest, ';')
	if g == V1 && k.File == AccessFile && k.greedy() && first != last && strings.HasPrefix(strings.TrimLeft(l.rest[first+1:], " \t"), "#") {
		return "the value goes on to the last semicolon of the line"
	}
	return ""
}

// isList reports a value of entries with commas between them.
func (k *Keyword) isList() bool {
	switch k.Kind {
	case NetList, NetsOrFlag, PortList, EnumList:
		return true
	}
	return lists[k.Kind] != nil
}
