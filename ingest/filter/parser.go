package filter

import (
	"fmt"
	"strings"
)

// A token is a word or a sign of the expression.
type token struct {
	text   string
	column int
}

// tokens takes an expression apart.
func tokens(expr string) (list []token, err error) {
	for i := 0; i < len(expr); {
		c := expr[i]
		switch {
		case strings.IndexByte(" \t\r\n", c) >= 0:
			i++
		case strings.HasPrefix(expr[i:], "&&"), strings.HasPrefix(expr[i:], "||"):
			list = append(list, token{expr[i : i+2], i + 1})
			i += 2
		case strings.IndexByte("()!/", c) >= 0:
			list = append(list, token{expr[i : i+1], i + 1})
			i++
		case isWord(c):
			n := i
			for n < len(expr) && isWord(expr[n]) {
				n++
			}
			list = append(list, token{expr[i:n], i + 1})
			i = n
		default:
			return nil, &Error{i + 1, fmt.Sprintf("%q is not supported", c)}
		}
	}
	return append(list, token{"", len(expr) + 1}), nil
}

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte(".:-_", c) >= 0
}

// maxDepth bounds parentheses and negations.
const maxDepth = 100

// A parser reads tokens by recursive descent along libpcap's grammar:
//
//	expr  = term { ("and" | "or") (term | value) }
//	term  = "not" term | "(" expr ")" | ("vlan" | "pppoes" | "geneve") [NUMBER] | "pppoed" | pf | proto | qualifiers value
//	pf    = ("ifname" | "on" | "rset" | "ruleset") NAME | ("rnr" | "rulenum" | "srnr" | "subrulenum") NUMBER | ("reason" | "action") CODE
//	value = ADDRESS | NUMBER | "not" value | "(" value { ("and" | "or") value } ")"
type parser struct {
	tokens  []token
	depth   int
	headers []header // "vlan" and the like so far
	pfFirst *Error   // the first word about the header of pf, as it is refused elsewhere; nil if there is none
}

// Panics with *Error keep the descent readable; parseText catches them.
func (p *parser) fail(t token, format string, args ...any) {
	panic(&Error{t.column, fmt.Sprintf(format, args...)})
}

// parseText reads an expression. onlyPF is why it cannot be applied to frames without the header
// of pf; nil if it can.
func parseText(expr string) (root node, onlyPF *Error, err error) {
	list, err := tokens(expr)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		switch e := recover().(type) {
		case nil:
		case *Error:
			err = e
		default:
			panic(e)
		}
	}()
	p := &parser{tokens: list}
	root, _ = p.expr()
	if t := p.peek(); t.text != "" {
		p.unexpected(t)
	}
	return root, p.pfFirst, nil
}

func (p *parser) peek() token { return p.tokens[0] }

func (p *parser) next() token {
	t := p.tokens[0]
	if t.text != "" {
		p.tokens = p.tokens[1:]
	}
	return t
}

// accept takes the next token if it is one of these.
func (p *parser) accept(words ...string) bool {
	for _, w := range words {
		if p.peek().text == w {
			p.next()
			return true
		}
	}
	return false
}

func (p *parser) enter() {
	if p.depth++; p.depth > maxDepth {
		p.fail(p.peek(), "nested too deeply")
	}
}

// otherWords are words that one may expect beside those that there are, and what to do.
var otherWords = map[string]string{
	"vxlan": "its packets are \"udp port 4789\", and fwknopd --os --inner looks into them",
	"gre":   "its packets are \"proto 47\"",
}

func (p *parser) unexpected(t token) {
	switch {
	case t.text == "":
		p.fail(t, "the expression ends too early")
	case t.text == ")":
		p.fail(t, "\")\" without \"(\"")
	}
	if remedy := otherWords[t.text]; remedy != "" {
		p.fail(t, "%q is not a word of this language; %s", t.text, remedy)
	}
	p.fail(t, "%q is not supported here; known are vlan pppoes pppoed geneve, ip ip6 tcp udp icmp icmp6, src dst, host net port portrange, and or not, parentheses", t.text)
}

func (p *parser) expr() (node, *qualifiers) {
	n, q := p.term()
	for {
		isAnd := p.accept("and", "&&")
		if !isAnd && !p.accept("or", "||") {
			return n, q
		}
		var m node
		if p.isValue(q) {
			m = p.value(*q)
		} else {
			m, q = p.term()
		}
		n = join(isAnd, n, m)
	}
}

func join(isAnd bool, x, y node) node {
	if isAnd {
		return and{x, y}
	}
	return or{x, y}
}

// term returns with the qualifiers that a bare value behind it would share; nil if
// it has none to share.
func (p *parser) term() (node, *qualifiers) {
	p.enter()
	defer func() { p.depth-- }()
	switch {
	case p.accept("not", "!"):
		n, q := p.term()
		return not{n}, q
	case p.accept("("):
		n, _ := p.expr()
		p.closeParen()
		return n, nil
	}
	if n := p.header(); n != nil {
		return n, nil
	}
	if n := p.pf(); n != nil {
		return n, nil
	}
	q := p.qualifiers()
	if q.kind == "" && q.direction == nil {
		return p.afterSeen(q.protocol(p)), nil
	}
	return p.value(q), &q
}

// header reads a word about a header that is not IP; nil if there is none.
func (p *parser) header() node {
	word := p.peek()
	switch {
	case p.accept("vlan"):
		return p.vlan(word)
	case p.accept("pppoes"):
		return p.session(word)
	case p.accept("pppoed"):
		return p.afterSeen(carries(etherDiscovery))
	case p.accept("geneve"):
		return p.geneve(word)
	}
	return nil
}

func (p *parser) closeParen() {
	if t := p.next(); t.text != ")" {
		p.fail(t, "\")\" is missing")
	}
}

// isValue reports whether what follows "and" or "or" is a bare value: it begins with
// a number or an address, perhaps behind "not" or parentheses.
func (p *parser) isValue(q *qualifiers) bool {
	if q == nil {
		return false
	}
	for _, t := range p.tokens {
		if t.text != "not" && t.text != "!" && t.text != "(" {
			return t.text != "" && isNumeric(t.text)
		}
	}
	return false
}

// value reads what the qualifiers q apply to.
func (p *parser) value(q qualifiers) node {
	p.enter()
	defer func() { p.depth-- }()
	switch {
	case p.accept("not", "!"):
		return not{p.value(q)}
	case p.accept("("):
		n := p.value(q)
		for {
			isAnd := p.accept("and", "&&")
			if !isAnd && !p.accept("or", "||") {
				break
			}
			n = join(isAnd, n, p.value(q))
		}
		p.closeParen()
		return n
	}
	return p.afterSeen(q.apply(p, p.next()))
}
