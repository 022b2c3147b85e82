package spa

import (
	"net/netip"
	"strings"
	"testing"

	"fwknopd/parse"
)

const (
	std = "/abc+DEF012345678901234567890123456789"
	url = "_abc-DEF012345678901234567890123456789"
)

func TestCarrier(t *testing.T) {
	const ua = "\r\nUser-Agent: Fwknop/2.6.10\r\n\r\n"
	http := CarrierOptions{OverHTTP: true}
	any := CarrierOptions{OverHTTP: true, AnyUserAgent: true}
	perl := CarrierOptions{OverHTTP: true, Perl19: true}
	for _, c := range []struct {
		name    string
		proto   parse.Proto
		payload string
		opt     CarrierOptions
		text    string // "" if there is none
	}{
		{"udp", 17, std, CarrierOptions{}, std},
		{"tcp", 6, std, CarrierOptions{}, std},
		{"icmp", 1, std, CarrierOptions{}, std},
		{"icmpv6", 58, std, CarrierOptions{}, std},
		{"empty", 17, "", CarrierOptions{}, ""},
		{"= at the end", 17, std + "==", CarrierOptions{}, std + "=="},
		{"more = than there can be", 17, std + "=====", CarrierOptions{}, std + "====="},
		{"= alone", 17, "==", CarrierOptions{}, ""},
		{"= inside", 17, "8abc=def", CarrierOptions{}, ""},
		{"newline", 17, std + "\n", CarrierOptions{}, ""},
		{"url alphabet", 17, url, CarrierOptions{}, ""},
		{"nul", 17, std + "\x00", CarrierOptions{}, ""},
		{"shorter than asked for", 17, std, CarrierOptions{MinLen: len(std) + 1}, ""},
		{"as short as asked for", 17, std, CarrierOptions{MinLen: len(std)}, std},
		{"as long as by default", 17, strings.Repeat("A", 1500), CarrierOptions{}, strings.Repeat("A", 1500)},
		{"longer", 17, strings.Repeat("A", 1501), CarrierOptions{}, ""},
		{"as long as asked for", 17, std, CarrierOptions{MaxLen: len(std)}, std},
		{"longer than asked for", 17, std, CarrierOptions{MaxLen: len(std) - 1}, ""},

		{"GET", 6, "GET /" + url + " HTTP/1.0" + ua, http, std},
		{"GET, HTTP/1.1", 6, "GET /" + url + " HTTP/1.1" + ua, http, std},
		{"get", 6, "get /" + url + " HTTP/1.0" + ua, http, std},
		{"bare line feeds", 6, "GET /" + url + " HTTP/1.0\nuser-agent:Fwknop/3\n\n", http, std},
		{"not enabled", 6, "GET /" + url + " HTTP/1.0" + ua, CarrierOptions{}, ""},
		{"over udp", 17, "GET /" + url + " HTTP/1.0" + ua, http, std},
		{"1.9: over udp", 17, "GET /" + url + " HTTP/1.0" + ua, perl, ""},
		{"behind other text", 6, "x GET /" + url + " HTTP/1.0" + ua, http, ""},
		{"1.9: behind other text", 6, "POST / HTTP/1.0\r\n\r\nGET GET /" + url + " HTTP/1.0" + ua, perl, std},
		{"1.9: get", 6, "get /" + url + " HTTP/1.0" + ua, perl, ""},
		{"1.9: no version", 6, "GET /" + url + ua, perl, ""},
		{"POST", 6, "POST /" + url + " HTTP/1.0" + ua, http, ""},
		{"no version", 6, "GET /" + url + ua, http, std},
		{"tab behind the target", 6, "GET /" + url + "\tHTTP/1.0" + ua, http, std},
		{"blank before the target", 6, "GET  /" + url + " HTTP/1.0" + ua, http, ""},
		{"standard alphabet", 6, "GET /" + std + " HTTP/1.0" + ua, http, std},
		{"1.9: standard alphabet", 6, "GET /" + std + " HTTP/1.0" + ua, perl, ""},
		{"1.9: plus", 6, "GET /a+b HTTP/1.0" + ua, perl, ""},
		{"1.9: slash", 6, "GET /a/b HTTP/1.0" + ua, perl, ""},
		{"percent", 6, "GET /a%2Bb HTTP/1.0" + ua, http, ""},
		{"query", 6, "GET /abc?d HTTP/1.0" + ua, http, ""},
		{"root", 6, "GET / HTTP/1.0" + ua, http, ""},
		{"plain text over tcp", 6, std, http, std},
		{"text in the request is too short", 6, "GET /abc HTTP/1.0" + ua, CarrierOptions{OverHTTP: true, MinLen: 20}, ""},

		{"other agent", 6, "GET /" + url + " HTTP/1.0\r\nUser-Agent: Mozilla/5.0\r\n\r\n", http, ""},
		{"other agent allowed", 6, "GET /" + url + " HTTP/1.0\r\nUser-Agent: Mozilla/5.0\r\n\r\n", any, std},
		{"no agent", 6, "GET /" + url + " HTTP/1.0\r\n\r\n", http, ""},
		{"no agent allowed", 6, "GET /" + url + " HTTP/1.0\r\n\r\n", any, std},
		{"agent in another header", 6, "GET /" + url + " HTTP/1.0\r\nX: User-Agent: Fwknop\r\n\r\n", http, ""},
		{"agent in the body", 6, "GET /" + url + " HTTP/1.0\r\n\r\nUser-Agent: Fwknop\r\n", http, ""},
		{"1.9: other agent", 6, "GET /" + url + " HTTP/1.0\r\nUser-Agent: Mozilla/5.0\r\n\r\n", perl, std},

		{"html", 6, "GET /" + url + ".html HTTP/1.0" + ua, http, ""},
		{"1.9: html", 6, "GET /" + url + ".html HTTP/1.0" + ua, perl, std},
		{"1.9: html twice", 6, "GET /" + url + ".html.html HTTP/1.0" + ua, perl, ""},
		{"absolute URI", 6, "GET http://h/" + url + " HTTP/1.0" + ua, http, ""},
		{"1.9: absolute URI", 6, "GET http://192.0.2.1:8080/" + url + " HTTP/1.0" + ua, perl, std},
		{"1.9: absolute URI and html", 6, "GET http://h/" + url + ".html HTTP/1.1" + ua, perl, std},
		{"1.9: no path", 6, "GET http://h HTTP/1.0" + ua, perl, ""},
		{"1.9: https", 6, "GET https://h/" + url + " HTTP/1.0" + ua, perl, ""},
	} {
		text, info, ok := Carrier(c.proto, []byte(c.payload), c.opt, make([]byte, len(c.payload)))
		if ok != (c.text != "") || ok && string(text) != c.text {
			t.Errorf("%s: %q, %v", c.name, text, ok)
		}
		if ok && info.HTTP != strings.Contains(c.payload, " ") {
			t.Errorf("%s: HTTP is %v", c.name, info.HTTP)
		}
	}
}

func TestCarrierShortBuffer(t *testing.T) {
	req := []byte("GET /" + url + " HTTP/1.0\r\n\r\n")
	if _, _, ok := Carrier(6, req, CarrierOptions{OverHTTP: true, AnyUserAgent: true}, make([]byte, len(url)-1)); ok {
		t.Error("wrote beyond the buffer")
	}
}

func TestForwarded(t *testing.T) {
	for header, want := range map[string]string{
		"X-Forwarded-For: 192.0.2.7":                   "192.0.2.7",
		"x-forwarded-for:2001:db8::7":                  "2001:db8::7",
		"X-Forwarded-For: 192.0.2.7 ":                  "192.0.2.7",
		"X-Forwarded-For: 192.0.2.7, 192.0.2.8":        "",
		"X-Forwarded-For: unknown":                     "",
		"X-Forwarded-For: 192.0.2.7:80":                "",
		"X-Forwarded-For: 0192.0.2.7":                  "",
		"X-Forwarded-For: ::ffff:192.0.2.7":            "",
		"X-Forwarded-For:":                             "",
		"Y: X-Forwarded-For: 192.0.2.7":                "",
		"X-Forwarded-For: " + strings.Repeat("1", 900): "",
	} {
		req := []byte("GET /" + url + " HTTP/1.0\r\nUser-Agent: Fwknop\r\n" + header + "\r\n\r\n")
		for _, on := range []bool{true, false} {
			_, info, ok := Carrier(6, req, CarrierOptions{OverHTTP: true, XForwardedFor: on}, make([]byte, len(req)))
			var addr netip.Addr
			if want != "" && on {
				addr = netip.MustParseAddr(want)
			}
			if !ok || info.Forwarded() != addr {
				t.Errorf("%q: %v, %v", header, info.Forwarded(), ok)
			}
		}
	}
}
