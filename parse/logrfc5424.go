package parse

// rfc5424 reads the header behind "VERSION SP" (RFC 5424 section 6):
//
//	TIMESTAMP HOSTNAME APP-NAME PROCID MSGID STRUCTURED-DATA [MSG]
func rfc5424(b []byte, i int, s *stamp) (msg int, o Origin) {
	if j := after(b, i, "- "); j != failed {
		i = j
	} else {
		i = after(b, s.valid(s.zone(b, s.iso(b, i))), " ")
	}
	if i == failed {
		return failed, OriginUnknown
	}
	return fields5424(b, skipBlank(b, wordEnd(b, i))) // behind the host
}

// fields5424 reads on from APP-NAME.
func fields5424(b []byte, i int) (msg int, o Origin) {
	app := b[i:wordEnd(b, i)]
	for range 3 { // application, process, message type
		i = skipBlank(b, wordEnd(b, i))
	}
	i, closed := structuredData(b, i)
	if i == failed {
		return failed, OriginUnknown
	}
	if !closed {
		return inHead, OriginUnknown
	}
	i = skipBlanks(b, i)
	if j := after(b, i, "\ufeff"); j != failed {
		i = j
	}
	if string(app) == "kernel" {
		return skipUptime(b, i), OriginKernel
	}
	return i, OriginUnknown
}

// structuredData passes over "-" or elements in brackets, in whose quoted values
// a backslash protects the byte behind it. closed is false if b ends within an
// element.
func structuredData(b []byte, i int) (next int, closed bool) {
	if j := after(b, i, "-"); j != failed {
		return j, true
	}
	start := i
	for i < len(b) && b[i] == '[' {
		if i = element(b, i); i == failed {
			return len(b), false
		}
	}
	if i == start {
		return failed, false
	}
	return i, true
}

// element returns the index behind the element of structured data at i.
func element(b []byte, i int) int {
	for quoted := false; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted:
			i++
		case c == ']' && !quoted:
			return i + 1
		}
	}
	return failed
}
