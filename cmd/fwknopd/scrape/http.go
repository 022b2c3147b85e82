package scrape

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"fwknopd/cmd/fwknopd/metrics"
)

// metricsPath is where the metrics are.
const metricsPath = "/metrics"

var errTooLong = errors.New("the head of the request is too long")

// readHead reads up to the empty line behind the head of a request, and returns its first
// line.
func readHead(r io.Reader) (line string, err error) {
	var buf [maxHead]byte
	n := 0
	for {
		more, err := r.Read(buf[n:])
		from := max(n-3, 0)
		n += more
		if bytes.Contains(buf[from:n], []byte("\n\r\n")) || bytes.Contains(buf[from:n], []byte("\n\n")) {
			first, _, _ := bytes.Cut(buf[:n], []byte("\n"))
			return strings.TrimSuffix(string(first), "\r"), nil
		}
		switch {
		case n == len(buf):
			return "", errTooLong
		case err != nil:
			return "", err
		}
	}
}

// A status is one of HTTP.
type status struct {
	code int
	text string
}

var (
	statusOK         = status{200, "OK"}
	statusBadRequest = status{400, "Bad Request"}
	statusNotFound   = status{404, "Not Found"}
	statusMethod     = status{405, "Method Not Allowed"}
	statusTooLong    = status{431, "Request Header Fields Too Large"}
)

// judge returns the status for the first line of a request, and whether the answer has no
// body.
func judge(line string) (s status, head bool) {
	f := strings.Split(line, " ")
	if len(f) != 3 || !isToken(f[0]) || !strings.HasPrefix(f[1], "/") || f[2] != "HTTP/1.1" && f[2] != "HTTP/1.0" {
		return statusBadRequest, false
	}
	head = f[0] == "HEAD"
	switch path, _, _ := strings.Cut(f[1], "?"); {
	case path != metricsPath:
		return statusNotFound, head
	case f[0] != "GET" && !head:
		return statusMethod, false
	}
	return statusOK, head
}

// isToken reports whether text can be the name of a method.
func isToken(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool { return r < 'A' || r > 'Z' })
}

// answer returns the answer to a request with the first line; err is that of readHead.
func (s *server) answer(ctx context.Context, line string, err error) []byte {
	st, head := judge(line)
	if err != nil {
		st = statusTooLong
	}
	var body []byte
	kind := "text/plain; charset=utf-8"
	if st == statusOK {
		body, kind = s.page(ctx), metrics.ContentType
	} else {
		body = fmt.Appendf(nil, "%d %s: the metrics are at GET %s\n", st.code, st.text, metricsPath)
	}
	b := fmt.Appendf(nil, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\nX-Content-Type-Options: nosniff\r\n", st.code, st.text, kind, len(body))
	if st == statusMethod {
		b = append(b, "Allow: GET, HEAD\r\n"...)
	}
	b = append(b, "\r\n"...)
	if head {
		return b
	}
	return append(b, body...)
}
