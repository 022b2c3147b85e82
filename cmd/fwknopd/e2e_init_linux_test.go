package main

import (
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fwknopd/fixtures/enforcetest"
	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/wait"
)

// initializes runs fwknopd init in the folder of the site and returns its output.
func (s *site) initializes(args ...string) string {
	s.t.Helper()
	out, code := s.command(append([]string{"init", "--dir", s.dir, "--server", s.Server.V4.String()}, args...)...)
	if code != 0 {
		s.t.Fatalf("init %v: %d %s", args, code, out)
	}
	return out
}

// TestE2EInitMoving: what init sets up with --prefix and --guard-forward works as it says, with the
// client's stanza that it writes: another address of the prefix gets in, and a published port is
// closed until a grant, from the start on that init names.
func TestE2EInitMoving(t *testing.T) {
	t.Parallel()
	s := newSite(t, "nftables")
	client, rc := ourClient(t), filepath.Join(s.dir, "rc")
	netlab.Serve(t, s.AddInside(t), "tcp", 80)
	s.Server.Run(t, "nft flush chain inet filter forward")
	s.Server.Run(t, "nft add chain inet filter forward { policy accept ; }")
	enforcetest.PublishRuleset(t, s.Lab)
	beside := s.Client.AddAddrs(t, netlab.ClientIf, netip.MustParseAddr("10.77.0.60"), 1)[0]
	outside := s.outsider()
	knock := func(name string) {
		t.Helper()
		if out, err := s.Client.Command(client, "--rc-file", rc, "--no-save-args", "-n", name, "-a", s.Client.V4.String()).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	published := func(src netip.Addr, within time.Duration) bool {
		return netlab.CanReach(s.Client, "tcp", src, netip.AddrPortFrom(s.Server.V4, 8080), within)
	}
	says := func(out string, want ...string) {
		t.Helper()
		for _, w := range want {
			if !strings.Contains(out, w) {
				t.Errorf("no %q in:\n%s", w, out)
			}
		}
	}

	s.configure("", "")
	says(s.initializes("--port", "tcp/2222", "--name", "mover", "--prefix", "24/64", "--client", rc),
		"set MAX_GRANT_PREFIX to 24/64 in ", "the stanza mover lets in the /24 of an IPv4 client (256 addresses)", "then: start the daemon: ")
	s.start()
	knock("mover")
	if !s.lets(beside, wait.Timeout) || s.lets(outside, 0) {
		t.Error("not open for the prefix, or for more")
	}

	says(s.initializes("--name", "shop", "--guard-forward", "tcp/8080", "--client", rc),
		"set GUARD_FORWARD to tcp/8080 in ", "connections that are forwarded to tcp/8080 are dropped unless a grant is for the client",
		"then: GUARD_FORWARD counts from the next start on: systemctl restart fwknopd, or fwknopd -K and then fwknopd -c "+s.dir)
	if !published(outside, wait.Timeout) {
		t.Error("the published port is closed before the next start")
	}
	s.stop()
	s.start()
	if published(outside, 300*time.Millisecond) || published(s.Client.V4, 300*time.Millisecond) {
		t.Error("the published port is open after the start")
	}
	knock("shop")
	if !wait.Until(wait.Timeout, func() bool { return published(s.Client.V4, 200*time.Millisecond) }) || published(beside, 300*time.Millisecond) {
		t.Error("the published port is not open for the client, or for another one")
	}
	says(s.initializes("--remove", "shop"), "GUARD_FORWARD: no stanza offers tcp/8080: what is forwarded to it is closed to all")
}
