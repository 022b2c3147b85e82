package parse

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds how deep the arrays and objects of a value that we pass over may
// nest.
const maxDepth = 64

// jsonValue returns the index after the value at i. Within an array or an
// object only brackets and strings are parsed: nothing in it is used.
func jsonValue(b []byte, i int) int {
	start := i
	for depth := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			if _, i = jsonString(b, i); i == failed {
				return failed
			}
			if depth == 0 {
				return i
			}
			i--
		case '[', '{':
			if depth++; depth > maxDepth {
				return failed
			}
		case ']', '}':
			if depth--; depth == 0 {
				return i + 1
			}
			if depth < 0 {
				return scalarEnd(start, i)
			}
		case ',':
			if depth == 0 {
				return scalarEnd(start, i)
			}
		}
	}
	return failed
}

// scalarEnd returns i, the end of a value that must not be empty.
func scalarEnd(start, i int) int {
	if i == start {
		return failed
	}
	return i
}

// maxText bounds a decoded message. The kernel writes lines of less than 1,024
// bytes; syslog daemons cut at 8,192.
const maxText = 8192

// jsonText decodes a message. A string without escapes is returned in place; any
// other goes into the scratch space of ev, which it may outgrow once. journalctl
// writes a message that is not UTF-8 as an array of its bytes.
func jsonText(raw []byte, ev *Event) (text []byte, ok bool) {
	if inner := jsonBlanks(raw, 1); len(raw) > inner && raw[0] == '[' && raw[inner] == '"' {
		raw = raw[inner:] // a list of texts, as Elasticsearch returns fields
	}
	if len(raw) > 0 && raw[0] == '[' {
		ev.text, ok = appendBytes(ev.text[:0], raw)
		return ev.text, ok
	}
	raw, end := jsonString(raw, 0)
	if end == failed {
		return nil, false
	}
	if bytes.HasSuffix(raw, []byte(`\n`)) && !bytes.HasSuffix(raw, []byte(`\\n`)) {
		raw = raw[:len(raw)-2] // Docker's, on each line
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw, true
	}
	ev.text, ok = appendUnescaped(ev.text[:0], raw)
	return ev.text, ok
}

// jsonString returns the text between the quotes of the string at i, with its escapes,
// and the index after it.
func jsonString(b []byte, i int) (raw []byte, next int) {
	i = after(b, i, `"`)
	if i == failed {
		return nil, failed
	}
	for j, quote := i, i-1; ; {
		if quote < j {
			n := bytes.IndexByte(b[j:], '"')
			if n < 0 {
				return nil, failed
			}
			quote = j + n
		}
		esc := bytes.IndexByte(b[j:quote], '\\')
		if esc < 0 {
			return b[i:quote], quote + 1
		}
		if j += esc + 2; j > len(b) {
			return nil, failed
		}
	}
}

// appendBytes decodes an array of byte values.
func appendBytes(dst, raw []byte) ([]byte, bool) {
	for i := jsonBlanks(raw, 1); len(dst) < maxText; {
		n, j := number(raw, i, 255)
		j = jsonBlanks(raw, j)
		if j >= len(raw) {
			return dst, false
		}
		dst = append(dst, uint8(n))
		if raw[j] == ']' {
			return dst, true
		}
		i = jsonBlanks(raw, after(raw, j, ","))
	}
	return dst, false
}

// jsonBlanks passes over white space (RFC 8259 section 2).
func jsonBlanks(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r') {
		i++
	}
	return i
}

// appendUnescaped decodes the inside of a JSON string.
func appendUnescaped(dst, raw []byte) ([]byte, bool) {
	for len(raw) > 0 && len(dst)+len(raw) <= maxText {
		n := bytes.IndexByte(raw, '\\')
		if n < 0 {
			return append(dst, raw...), true
		}
		dst, raw = append(dst, raw[:n]...), raw[n:]
		if len(raw) < 2 {
			return dst, false
		}
		if raw[1] == 'u' {
			r, n := jsonRune(raw)
			if n == 0 {
				return dst, false
			}
			dst, raw = utf8.AppendRune(dst, r), raw[n:]
			continue
		}
		c := bytes.IndexByte([]byte(`"\/bfnrt`), raw[1])
		if c < 0 {
			return dst, false
		}
		dst, raw = append(dst, "\"\\/\b\f\n\r\t"[c]), raw[2:]
	}
	return dst, len(raw) == 0
}

// jsonRune decodes "\uXXXX" or a surrogate pair of them and returns how many bytes
// it took, none if it is malformed.
func jsonRune(raw []byte) (r rune, n int) {
	hi, i := hexByte(raw, 2)
	lo, i := hexByte(raw, i)
	if i == failed {
		return 0, 0
	}
	r = rune(hi)<<8 | rune(lo)
	if utf16.IsSurrogate(r) {
		j := after(raw, i, `\u`)
		hi, j = hexByte(raw, j)
		lo, j = hexByte(raw, j)
		if j != failed {
			if both := utf16.DecodeRune(r, rune(hi)<<8|rune(lo)); both != utf8.RuneError {
				return both, j
			}
		}
		return utf8.RuneError, i
	}
	return r, i
}
