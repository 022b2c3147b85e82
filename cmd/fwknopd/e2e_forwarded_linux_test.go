package main

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"slices"
	"testing"

	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/wait"
)

// proxyPort is where the HTTP proxy of the tests listens.
const proxyPort = "8080"

// httpProxy runs an HTTP proxy on an address of the client's namespace. It writes the address of
// its client, which is the first one of the namespace, into X-Forwarded-For.
func (s *site) httpProxy(at netip.Addr) {
	s.t.Helper()
	s.Client.Run(s.t, "ip route replace local "+at.String()+" dev "+netlab.ClientIf+" table local src "+s.Client.V4.String())
	var l net.Listener
	var err error
	s.Client.Do(func() { l, err = net.Listen("tcp4", net.JoinHostPort(at.String(), proxyPort)) })
	if err != nil {
		s.t.Fatal(err)
	}
	from := net.Dialer{LocalAddr: &net.TCPAddr{IP: at.AsSlice()}, Timeout: wait.Timeout}
	dial := func(_ context.Context, network, to string) (conn net.Conn, err error) {
		s.Client.Do(func() { conn, err = from.Dial(network, to) })
		return conn, err
	}
	forward := &httputil.ReverseProxy{Rewrite: (*httputil.ProxyRequest).SetXForwarded, ErrorLog: log.New(io.Discard, "", 0),
		Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, end := context.WithTimeout(context.WithoutCancel(r.Context()), wait.Timeout) // the client does not wait for the answer
		defer end()
		forward.ServeHTTP(w, r.WithContext(ctx))
	})}
	go server.Serve(l)
	s.t.Cleanup(func() { server.Close() })
}

// TestE2EForwarded: behind an HTTP proxy the source of the packet is what X-Forwarded-For has, for
// all of GRANT_ADDRESS, or the proxy without ENABLE_X_FORWARDED_FOR; a replay decides the same.
func TestE2EForwarded(t *testing.T) {
	t.Parallel()
	netlab.Need(t, "tcpdump")
	r := &recording{site: newSite(t, "nftables")}
	r.Server.Run(t, "nft insert rule inet filter input tcp dport 80 accept")
	netlab.Serve(t, r.Server, "tcp", 80)
	client := r.Client.V4
	addr := func(text string) netip.Addr {
		return r.Client.AddAddrs(t, netlab.ClientIf, netip.MustParseAddr(text), 1)[0]
	}
	proxy, inside, beside := addr("10.77.0.60"), addr("10.77.0.70"), addr("10.77.0.71")
	r.httpProxy(proxy)
	const http, forwarded = "PCAP_FILTER udp port 62201 or tcp port 80;\nENABLE_SPA_OVER_HTTP Y;\n", "ENABLE_X_FORWARDED_FOR Y;\n"
	for _, c := range []struct {
		name, server, stanza string
		asks                 netip.Addr
		open                 []netip.Addr
		refused              string
	}{
		{"packet", forwarded, "GRANT_ADDRESS packet", inside, []netip.Addr{client}, ""},
		{"both", forwarded, "GRANT_ADDRESS both", inside, []netip.Addr{client, inside}, ""},
		{"prefixes of both", forwarded + widest, "GRANT_ADDRESS both\nGRANT_PREFIX 28/", inside, []netip.Addr{client, inside, beside}, ""},
		{"inside", forwarded, "GRANT_ADDRESS inside", inside, []netip.Addr{inside}, ""},
		{"inside, none named", forwarded, "", netip.IPv4Unspecified(), []netip.Addr{client}, ""},
		{"both, both wanted in the message", forwarded, "GRANT_ADDRESS both\nREQUIRE_SOURCE_ADDRESS Y", inside, nil,
			"the message has 10.77.0.70, the packet came from 10.77.0.2"},
		{"packet, header not believed", "", "GRANT_ADDRESS packet", inside, []netip.Addr{proxy}, ""},
		{"both, header not believed", "", "GRANT_ADDRESS both", inside, []netip.Addr{proxy, inside}, ""},
	} {
		r.part(http+c.server, stanza(c.stanza))
		before := len(decisions(t, r.events()))
		r.knockFrom(c.asks, r.Server.V4, append(ask(), "-P", "http", "-H", proxy.String()+":"+proxyPort)...)
		wait.For(t, "the decision, "+c.name, func() bool { return len(decisions(t, r.events())) > before })
		r.waitFor(c.refused) // the event comes first
		for _, a := range c.open {
			if !r.lets(a, wait.Timeout) {
				t.Errorf("%s: not open for %s", c.name, a)
			}
		}
		for _, a := range []netip.Addr{client, proxy, inside, beside} {
			if !slices.Contains(c.open, a) && r.lets(a, 0) {
				t.Errorf("%s: open for %s", c.name, a)
			}
		}
		r.end(false)
		if out, code := r.command(append([]string{"grants", "revoke", "--all"}, r.args()[:2]...)...); code != 0 && c.refused == "" {
			t.Errorf("%s: revoke: %d %s", c.name, code, out)
		}
	}
	r.stop()
	for _, p := range r.parts {
		if len(p.decisions) != 2 {
			t.Errorf("%s: %d decisions, want 2", p.dir, len(p.decisions))
		}
		r.compare(p)
	}
}
