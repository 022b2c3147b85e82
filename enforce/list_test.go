package enforce

import (
	"bytes"
	"flag"
	"os"
	"regexp"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write golden files")

func TestFormatList(t *testing.T) {
	now := epoch.UTC()
	client, client6 := addr("192.0.2.7"), addr("2001:db8::7")
	tcp := func(n uint16) []Port { return []Port{{Proto: TCP, Number: n}} }
	grants := []Grant{
		{Src: client, Ports: []Port{{Proto: UDP, Number: 53}, {Proto: TCP, Number: 22}}, Expires: now.Add(35 * time.Second), Stanza: 3, User: "alice \x1b[2J"},
		{Src: client, Ports: tcp(22), Dst: addr("198.51.100.1"), Expires: now.Add(90*time.Minute + 400*time.Millisecond), Stanza: 3},
		{Src: client6, Ports: []Port{{Proto: ICMP, Number: 0}}, Stanza: 9},
		{Src: client6, Ports: tcp(443), Output: true, Expires: now.Add(time.Hour), Stanza: 9},
		{Src: client, Ports: tcp(8080), Expires: now.Add(time.Minute), Stanza: 12, NAT: &NAT{Target: addrPort("10.0.0.2:80"), Masquerade: true}},
		{Src: client, Ports: tcp(8022), Expires: now.Add(time.Minute), Stanza: 12, NAT: &NAT{Target: addrPort("198.51.100.1:22"), Local: true}},
		{Src: client, All: true, Expires: now.Add(time.Minute), Stanza: 15, NAT: &NAT{SNAT: addr("198.51.100.1")}},
		{Src: client, Ports: tcp(25), Expires: now.Add(-time.Second)},
		{Src: client, Ports: tcp(22), Expires: now.Add(time.Minute), Stanza: 20, External: &External{Open: []string{"/bin/open"}}},
	}
	const golden = "testdata/list.golden"
	got := FormatList(grants, now)
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// TestFormatListScraped: programs that read the C daemon's list can read ours.
func TestFormatListScraped(t *testing.T) {
	g := Grant{Src: addr("192.0.2.7"), Ports: []Port{{Proto: TCP, Number: 22}}, Expires: epoch.Add(time.Minute), Stanza: 3}
	out := FormatList([]Grant{g}, epoch)
	for _, pattern := range []string{`(?m)^1\s+ACCEPT\s+tcp.*dpt:22\s`, `\s192\.0\.2\.7\s.*_exp_1700000060\s`, `\b192\.0\.2\.7\b`} {
		if !regexp.MustCompile(pattern).Match(out) {
			t.Errorf("%s does not match\n%s", pattern, out)
		}
	}
}
