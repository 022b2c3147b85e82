package parse

// rfc5424 reads the header after "VERSION SP" (RFC 5424 section 6):
//
//	TIMESTAMP HOSTNAME APP-NAME PROCID MSGID STRUCTURED-DATA [MSG]
func rfc5424(b []byte, i int, s *stamp) (msg int, o Origin) {
	if j := after(b, i, "- "); j != failed {
		i = j
	} else {
		i = after(b, s.checkDay(s.zone(b, s.iso(b, i))), " ")
	}
	if i == failed {
		return failed, OriginUnknown
	}
	return fields5424(b, skipBlank(b, wordEnd(b, i))) // after the host
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
		return inHead, originProgram
	}
	i = skipBlanks(b, i)
	if j := after(b, i, "\ufeff"); j != failed {
		i = j
	}
	switch string(app) {
	case "kernel":
		return skipUptime(b, i), OriginKernel
	case "-":
		return i, OriginUnknown
	}
	return i, originProgram
}

// structuredData passes over "-" or elements in brackets, in whose quoted values
// a backslash escapes the byte after it. closed is false if b ends within an
// element.
func structuredData(b []byte, i int) (next int, closed bool) {
	if j := after(b, i, "-"); j != failed {
		return j, true
	}
	start := i
	for i < len(b) && b[i] == '[' {
		if i = sdElement(b, i); i == failed {
			return len(b), false
		}
	}
	if i == start {
		return failed, false
	}
	return i, true
}

// sdElement returns the index after the element of structured data at i.
func sdElement(b []byte, i int) int {
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
