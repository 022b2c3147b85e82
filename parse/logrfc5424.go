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
	i = skipBlank(b, wordEnd(b, i)) // host
	app := b[i:wordEnd(b, i)]
	for range 3 { // application, process, message type
		i = skipBlank(b, wordEnd(b, i))
	}
	i = structuredData(b, i)
	if i == failed {
		return failed, OriginUnknown
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
// a backslash protects the byte behind it.
func structuredData(b []byte, i int) int {
	if j := after(b, i, "-"); j != failed {
		return j
	}
	for start := i; ; {
		if i >= len(b) || b[i] != '[' {
			if i == start {
				return failed
			}
			return i
		}
		for quoted := false; i < len(b) && (quoted || b[i] != ']'); i++ {
			switch b[i] {
			case '"':
				quoted = !quoted
			case '\\':
				if quoted {
					i++
				}
			}
		}
		i++
	}
}
