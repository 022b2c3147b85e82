package spa

import "bytes"

const get = "GET "

// request finds a GET request and returns it from its target on; nil if there is
// none. Servers of 2.6 want it at the start and do not mind the case of the method;
// those of 1.9 look for it everywhere, with the version behind the target.
func request(p []byte, perl bool) []byte {
	if !perl {
		if len(p) <= len(get) || p[0]|0x20 != 'g' || p[1]|0x20 != 'e' || p[2]|0x20 != 't' || p[3] != ' ' {
			return nil
		}
		return p[len(get):]
	}
	for {
		at := bytes.Index(p, []byte(get))
		if at < 0 {
			return nil
		}
		p = p[at+len(get):]
		_, version, _ := bytes.Cut(p, []byte(" "))
		if number, ok := bytes.CutPrefix(version, []byte("HTTP/")); ok && len(number) > 0 && digits(number[:1]) {
			return p
		}
	}
}

// fromHTTP takes the text out of the target of a request.
func fromHTTP(req []byte, opt *CarrierOptions, buf []byte) (text []byte, from []byte, ok bool) {
	target, head, _ := bytes.Cut(req, []byte("\n"))
	if i := bytes.IndexAny(target, " \t\r\v\f"); i >= 0 {
		target = target[:i]
	}
	if !opt.AnyUserAgent && !opt.Perl19 && !bytes.HasPrefix(header(head, "user-agent"), []byte("Fwknop")) {
		return nil, nil, false
	}
	if target, ok = path(target, opt.Perl19); !ok || len(target) == 0 || len(target) > len(buf) {
		return nil, nil, false
	}
	text = buf[:len(target)]
	for i, c := range target {
		switch {
		case c == '-':
			c = '+'
		case c == '_':
			c = '/'
		case opt.Perl19 && (c == '+' || c == '/'):
			return nil, nil, false
		}
		text[i] = c
	}
	if opt.XForwardedFor {
		from = header(head, "x-forwarded-for")
	}
	return text, from, isBase64(text)
}

// path strips from the target what is not the packet.
func path(target []byte, perl bool) ([]byte, bool) {
	const scheme = "http://"
	if perl {
		target = bytes.TrimSuffix(target, []byte(".html"))
		if bytes.HasPrefix(target, []byte(scheme)) {
			_, rest, ok := bytes.Cut(target[len(scheme):], []byte("/"))
			return rest, ok
		}
	}
	return bytes.CutPrefix(target, []byte("/"))
}

// header returns the value of the first header of that lower-case name, nil if
// there is none.
func header(head []byte, name string) []byte {
	for more := true; more; {
		var line []byte
		line, head, more = bytes.Cut(head, []byte("\n"))
		key, value, ok := bytes.Cut(line, []byte(":"))
		if ok && equalFold(key, name) {
			return bytes.TrimSpace(value)
		}
		if len(bytes.TrimSpace(line)) == 0 {
			break
		}
	}
	return nil
}

// equalFold compares with an ASCII lower-case name.
func equalFold(p []byte, lower string) bool {
	if len(p) != len(lower) {
		return false
	}
	for i, c := range p {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}
