package parse

import "bytes"

// hasEscape reports whether a text has terminal escapes in it, as they are or in
// one of the spellings that loggers and pagers give them.
func hasEscape(b []byte) bool {
	return bytes.IndexByte(b, 0x1b) >= 0 || bytes.Contains(b, []byte("#033[")) ||
		bytes.Contains(b, []byte(`\x1b[`)) || bytes.Contains(b, []byte("^[["))
}

// needsCleaning reports whether clean would change the text.
func needsCleaning(b []byte) bool {
	return len(b) <= maxText && (bytes.IndexByte(b, '\t') >= 0 || hasEscape(b))
}

// clean appends src to dst without its terminal escapes (dmesg --color, journalctl
// and less -R on a terminal, grep --color) and with blanks for tabs. It never
// overtakes its reading: dst may be the front of src.
func clean(dst, src []byte) []byte {
	for i := 0; i < len(src); {
		if j := escape(src, i); j != failed {
			i = j
			continue
		}
		c := src[i]
		if c == '\t' {
			c = ' '
		}
		dst = append(dst, c)
		i++
	}
	return dst
}

// escape returns the index behind the terminal escape at i: a control sequence
// (ECMA-48 section 5.4), an operating system command, which ends with BEL or ST,
// or a sequence of two or three characters.
func escape(b []byte, i int) int {
	j := escapeByte(b, i)
	if j == failed || j >= len(b) {
		return j
	}
	switch c := b[j]; {
	case c == '[':
		for j++; j < len(b) && b[j] >= 0x20 && b[j] < 0x40; j++ {
		}
		return min(j+1, len(b))
	case c == ']':
		n := bytes.IndexAny(b[j:], "\x07\x1b")
		if n < 0 {
			return j
		}
		if j += n + 1; b[j-1] == 0x1b && j < len(b) {
			j++ // ST is ESC and a backslash
		}
		return j
	case c >= 0x20 && c < 0x30:
		return min(j+2, len(b))
	}
	return j + 1
}

// escapeByte returns the index behind the escape character at i: itself, or, in
// front of a bracket, as rsyslog (#033), the kernel and journald (\x1b), and cat -v
// write it.
func escapeByte(b []byte, i int) int {
	switch b[i] {
	case 0x1b:
		return i + 1
	case '#', '\\', '^':
		for _, text := range [...]string{"#033[", `\x1b[`, "^[["} {
			if j := after(b, i, text); j != failed {
				return j - 1
			}
		}
	}
	return failed
}
