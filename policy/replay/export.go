package replay

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/netip"
)

// header26 is the first line of a cache of 2.6.
const header26 = "# <digest> <proto> <src_ip> <src_port> <dst_ip> <dst_port> <time>\n"

// Export26 copies a journal in the format of the 2.6 daemon. That one looks messages up by
// the text on the wire: records without a digest of it are left out and counted.
func Export26(ctx context.Context, from io.Reader, to io.Writer) (written, left int, err error) {
	out := bufio.NewWriter(to)
	if _, err := out.WriteString(header26); err != nil {
		return 0, 0, err
	}
	var p parser
	l := newLoader(new(set))
	l.visit = func(line []byte, r *record) error {
		f := p.split(line)
		switch len(f) {
		case 9: // DIGEST SEEN SENT PROTO SRC SPORT DST DPORT WIRE
			written++
			_, err := fmt.Fprintf(out, "%s %s %s %s %s %s %d\n", f[8], f[3], address26(f[4]), f[5], address26(f[6]), f[7], r.seen/1e6)
			return err
		case 7:
			if isC26(f) {
				written++
				_, err := fmt.Fprintf(out, "%s\n", line)
				return err
			}
		}
		left++
		return nil
	}
	if err := l.load(ctx, from); err != nil {
		return written, left, err
	}
	return written, left, out.Flush()
}

// isC26 distinguishes a line of 2.6 from one of 1.9, which has as many fields and begins with an
// address.
func isC26(f [][]byte) bool { return len(f[0]) == 43 }

// address26 returns an address as 2.6 reads it, which knows IPv4 only and skips a line
// with anything else.
func address26(text []byte) string {
	if a, err := netip.ParseAddr(string(text)); err == nil && a.Is4() {
		return a.String()
	}
	return "0.0.0.0"
}
