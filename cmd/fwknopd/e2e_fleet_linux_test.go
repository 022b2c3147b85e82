package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/wait"
)

// gateways are the members of the fleet of the tests, by name.
var gateways = []string{"a", "b", "c"}

// A fleetOf is the gateways of a fleet, each with a network of its own and a link to a management network.
type fleetOf struct {
	t     *testing.T
	sites []*site
}

// formerEnv names a folder with the programs of an earlier release, which the first gateway of a fleet then runs.
const formerEnv = "FWKNOPD_FORMER"

// newFleet starts a daemon with a fleet process on each gateway, which may have a FLEET_GROUP.
func newFleet(t *testing.T, access string, groups ...string) *fleetOf {
	netlab.Need(t) // before the programs are built
	bin, err := program()
	if err != nil {
		t.Fatal(err)
	}
	if err := besideProgram(); err != nil {
		t.Fatal(err)
	}
	f := &fleetOf{t: t}
	keys := t.TempDir()
	args := []string{"fleet", "init", "--out", keys}
	for i, name := range gateways {
		f.sites = append(f.sites, newSite(t, "nftables"))
		args = append(args, fmt.Sprintf("%s=10.99.0.%d:4223", name, i+1))
	}
	if former := os.Getenv(formerEnv); former != "" {
		f.sites[0].program = filepath.Join(former, "fwknopd")
	}
	f.connect()
	lines, err := exec.Command(bin, args...).Output()
	if err != nil {
		t.Fatalf("fleet init: %v\n%s", err, lines)
	}
	for i, s := range f.sites {
		own := "# " + gateways[i] + strings.SplitN(strings.SplitN("\n"+string(lines), "\n# "+gateways[i], 2)[1], "\n\n", 2)[0] + "\n"
		s.configure(strings.ReplaceAll(own, "/etc/fwknop/fleet.pem", filepath.Join(keys, gateways[i]+".pem"))+"FLEET_DIR "+s.dir+"/fleet;\n", access)
		if i < len(groups) {
			s.addConfig("FLEET_GROUP " + groups[i] + ";\n")
		}
	}
	for _, s := range f.sites {
		s.launch()
	}
	for _, s := range f.sites {
		s.waitFor("Starting fwknopd main event loop.")
		s.waitFor("the fleet has a quorum")
	}
	return f
}

// connect makes the management network: a bridge on the first gateway.
func (f *fleetOf) connect() {
	first := f.sites[0].Server
	first.Run(f.t, "ip link add mgmt type bridge")
	first.Run(f.t, "ip addr add 10.99.0.1/24 dev mgmt")
	first.Run(f.t, "ip link set mgmt up")
	// Where br_netfilter is loaded, the firewall of the first one sees what the bridge passes on.
	first.Run(f.t, "nft insert rule inet filter forward iifname mgmt oifname mgmt accept")
	for i, s := range f.sites {
		s.Server.Run(f.t, "nft insert rule inet filter input iifname mgmt tcp dport 4223 accept")
		if i == 0 {
			continue
		}
		first.Run(f.t, fmt.Sprintf("ip link add to%d type veth peer name mgmt netns %s", i, s.Server.Name))
		first.Run(f.t, fmt.Sprintf("ip link set to%d master mgmt up", i))
		s.Server.Run(f.t, fmt.Sprintf("ip addr add 10.99.0.%d/24 dev mgmt", i+1))
		s.Server.Run(f.t, "ip link set mgmt up")
	}
}

// addConfig adds lines to the configuration of a gateway.
func (s *site) addConfig(lines string) {
	text, err := os.ReadFile(filepath.Join(s.dir, "fwknopd.conf"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.write("fwknopd.conf", string(text)+lines)
}

// link sets the link of a gateway to the management network up or down.
func (f *fleetOf) link(i int, state string) {
	f.sites[0].Server.Run(f.t, fmt.Sprintf("ip link set to%d %s", i, state))
}

// resend sends a packet that the client has saved to a gateway.
func (s *site) resend(file string) {
	s.t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		s.t.Fatal(err)
	}
	s.Client.Do(func() {
		conn, err := net.Dial("udp", netip.AddrPortFrom(s.Server.V4, spaPort).String())
		if err == nil {
			defer conn.Close()
			_, err = conn.Write([]byte(strings.TrimSpace(string(text))))
		}
		if err != nil {
			s.t.Fatal(err)
		}
	})
}

// fleetStatus runs fwknopd fleet status.
func (s *site) fleetStatus() (string, error) {
	bin, _ := program()
	out, err := exec.Command(bin, "fleet", "status", "-c", filepath.Join(s.dir, "fwknopd.conf")).CombinedOutput()
	return string(out), err
}

// granted has the client send new messages until the gateway grants one, as a person would, and returns
// the packet of it: a new bucket refuses for 30 s, and on a loaded machine the fleet may lose its leader for a moment.
func (s *site) granted() (packet string) {
	s.t.Helper()
	n := 0
	if !wait.Until(3*wait.Timeout, func() bool {
		n++
		packet = filepath.Join(s.dir, fmt.Sprintf("packet-%d-%d", s.said("SPA Packet from"), n))
		grants, refusals := s.said("granted spa.granted"), s.said("refused spa.fleet")
		s.knock(append(ask(), "--save-packet", packet)...)
		wait.For(s.t, "a decision", func() bool {
			return s.said("granted spa.granted") > grants || s.said("refused spa.fleet") > refusals
		})
		return s.said("granted spa.granted") > grants
	}) {
		s.t.Fatal("timed out waiting for a grant")
	}
	return packet
}

// quorum waits until the fleet process of the gateway says that there is one, or is not.
func (s *site) quorum(want bool) {
	s.t.Helper()
	wait.For(s.t, fmt.Sprintf("quorum: %v", want), func() bool {
		out, err := s.fleetStatus()
		return (err == nil) == want && strings.Contains(out, "quorum:")
	})
}

// TestE2EFleet: of three gateways one honours a packet of the Debian client, and the others say which. One
// that is cut off refuses, or decides by itself where it may, and takes part again when it is back; the
// rest goes on.
func TestE2EFleet(t *testing.T) {
	t.Parallel()
	f := newFleet(t, stanza(""))
	a, b, c := f.sites[0], f.sites[1], f.sites[2]
	wait.For(t, "the second gateway to name the first", func() bool {
		b.quorum(true)
		packet, refusals := a.granted(), b.said("refused spa.")
		b.resend(packet)
		wait.For(t, "a refusal", func() bool { return b.said("refused spa.") > refusals })
		return b.said("claimed by the gateway a") > 0
	})
	if b.said("granted spa.granted") > 0 || !b.shut() || !a.open() {
		t.Error("a packet is honoured by two gateways, or by none")
	}

	c.quorum(true)
	f.link(2, "down")
	c.quorum(false)
	kept := filepath.Join(c.dir, "kept")
	refusals := c.said("refused spa.fleet")
	c.knock(append(ask(), "--save-packet", kept)...)
	wait.For(t, "a refusal", func() bool { return c.said("refused spa.fleet") > refusals })
	if !c.shut() {
		t.Error("a gateway that is cut off opens")
	}
	b.granted()
	if !b.open() {
		t.Error("the majority does not go on")
	}

	text, err := os.ReadFile(filepath.Join(c.dir, "fwknopd.conf"))
	if err != nil {
		t.Fatal(err)
	}
	c.write("fwknopd.conf", string(text)+"FLEET_ON_PARTITION local;\n")
	c.reload()
	c.granted()
	if !c.open() || !strings.Contains(c.out.String(), " degraded: ") || !strings.Contains(c.events(), `"degraded":true`) {
		t.Error("not decided by itself, or not marked")
	}

	f.link(2, "up")
	c.quorum(true)
	refusals = c.said("refused spa.replay")
	c.resend(kept)
	wait.For(t, "the refusal for good", func() bool { return c.said("refused spa.replay") > refusals })
	c.write("fwknopd.conf", string(text))
	c.reload()
	degraded := c.said(" degraded: ")
	c.granted()
	if c.said(" degraded: ") != degraded {
		t.Error("degraded with a quorum")
	}
	f.restart(c)
}

// statusForRoot has another user ask for the status, who may not read the file, and one who may.
func (f *fleetOf) statusForRoot(s *site) {
	dir := f.t.TempDir()
	text, err := os.ReadFile(filepath.Join(s.dir, "fwknopd.conf"))
	if err == nil {
		err = errors.Join(os.Chmod(filepath.Dir(dir), 0o755), os.WriteFile(filepath.Join(dir, "fwknopd.conf"), text, 0o644))
	}
	if err != nil {
		f.t.Fatal(err)
	}
	bin, _ := program()
	for _, dir := range []string{s.dir, dir} {
		cmd := exec.Command("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", bin, "fleet", "status", "-c", filepath.Join(dir, "fwknopd.conf"))
		if out, _ := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), "run as root\n") {
			f.t.Errorf("fleet status of another user: %v\n%s", cmd.ProcessState, out)
		}
	}
}

// restart kills the fleet process of a gateway, which gets another one, and stops the gateway.
func (f *fleetOf) restart(s *site) {
	t := f.t
	before := s.children("fwknopd-fleet")
	if len(before) != 1 {
		t.Fatalf("fleet processes %v", before)
	}
	status := statusOf(t, before[0])
	if status["Seccomp"] != "2" || status["NoNewPrivs"] != "1" || strings.HasPrefix(status["Uid"], "0") {
		t.Errorf("the fleet process is not confined: %v", status)
	}
	if err := syscall.Kill(before[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s.waitFor("the fleet process ended, it is started again in 1s: signal: killed")
	s.granted()
	last := s.children("fwknopd-fleet")
	f.statusForRoot(s)
	s.stop()
	if out, err := s.fleetStatus(); err == nil || !strings.Contains(out, "neither a daemon nor a witness runs here") {
		t.Errorf("fleet status without a daemon: %v, %s", err, out)
	}
	if len(last) != 1 || syscall.Kill(last[0], 0) != syscall.ESRCH {
		t.Errorf("fleet processes %v outlive the daemon", last)
	}
}
