package unit

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/readme"
)

// What it may take, by README alone, from two systems without our packages to a connection
// through the firewall.
const (
	mostCommands = 8
	mostTime     = 3 * time.Minute
)

// A host is a Debian root in which commands are typed and counted.
type host struct {
	*debian
	prompt string
	as     []string // command prefix: who types
	*stopwatch
}

// A stopwatch counts commands and records them.
type stopwatch struct {
	commands int
	*recording
}

// shell runs a command line in the home directory of who types it and records it.
func (h *host) shell(t *testing.T, line string) (string, error) {
	t.Helper()
	out, err := h.try(h.net.Command, append(append([]string{}, h.as...), "sh", "-c", "cd; "+line)...)
	h.command(h.prompt, line, out)
	return out, err
}

// does is shell for a command of README, which is counted and has to succeed.
func (h *host) does(t *testing.T, line string) string {
	t.Helper()
	h.commands++
	out, err := h.shell(t, line)
	if err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return out
}

// user returns the prefix of commands that a user types.
func user(name, home string) []string {
	return []string{"env", "HOME=" + home, "setpriv", "--reuid=" + name, "--regid=" + name, "--init-groups"}
}

// defaultDrop is the firewall of the server: what the daemon takes is for it to say.
const defaultDrop = `table inet filter {
	chain input {
		type filter hook input priority filter; policy drop
		iif lo accept
		ct state established,related accept
	}
}
`

// README alone leads from two roots of Debian without our packages to a connection through a
// default-drop firewall, with few commands and soon. The recording in the repository shows it.
func TestReadmeFromNothing(t *testing.T) {
	netlab.Need(t)
	lab := netlab.New(t)
	readme.Address(t, lab)
	watch := &stopwatch{recording: newRecording("Protect a port with fwknopd")}
	gate := &host{newDebian(t, lab.Server), "root@gate:~#", user("root", "/root"), watch}
	laptop := &host{newDebian(t, lab.Client), "root@laptop:~#", user("root", "/root"), watch}
	alice := &host{laptop.debian, "alice@laptop:~$", user("alice", "/home/alice"), watch}
	prepare(t, lab, gate, laptop, build(t))

	g := readme.Protect(t, "../../../README.md")
	begin := time.Now()
	gate.does(t, g.Install)
	if got := gate.does(t, g.Init); got != g.InitPrints {
		t.Errorf("%s prints\n%swant\n%s", g.Init, got, g.InitPrints)
	}
	if got := gate.does(t, g.Doctor); strings.Contains(got, "\nfix ") {
		t.Errorf("doctor: %s", got)
	}
	gate.does(t, g.Start)
	gate.endsDaemon(t, "fwknopd -K should have ended it")
	laptop.does(t, g.InstallClient)
	gate.bring(t, alice)
	if out, err := alice.shell(t, "nc -zvw 1 "+readme.Server+" 22"); err == nil {
		t.Fatalf("open before the knock: %s", out)
	}
	alice.does(t, g.Knock)
	alice.does(t, strings.Replace(g.Connect, "ssh "+readme.Server, "nc -zv "+readme.Server+" 22", 1)) // there is no ssh in the root
	took := time.Since(begin)
	t.Logf("%d commands, %.1f s from the first to the connection", watch.commands, took.Seconds())
	if watch.commands > mostCommands || took > mostTime {
		t.Errorf("%d commands and %v, want at most %d and %v", watch.commands, took, mostCommands, mostTime)
	}
	gate.takeBack(t, g, alice)
	watch.compare(t)
}

// prepare makes both roots what README assumes: the packages are in build, the server has a
// firewall and a service behind it, the client a user, and the name of the server has an address.
func prepare(t *testing.T, lab *netlab.Lab, gate, laptop *host, p packages) {
	t.Helper()
	for h, deb := range map[*host]string{gate: p.deb, laptop: p.clientDeb} {
		if err := os.Mkdir(h.path("/root/build"), 0o755); err != nil {
			t.Fatal(err)
		}
		h.copyIn(t, deb, "/root/build/"+filepath.Base(deb))
		if err := os.WriteFile(h.path("/etc/hosts"), []byte("127.0.0.1 localhost\n"+lab.Server.V4.String()+" "+readme.Server+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(gate.path("/etc/nftables.conf"), []byte(defaultDrop), 0o644); err != nil {
		t.Fatal(err)
	}
	gate.in(t, "nft", "-f", "/etc/nftables.conf")
	laptop.in(t, "useradd", "--create-home", "alice")
	netlab.Serve(t, lab.Server, "tcp", 22)
}

// bring takes the client's stanza to its rc file. A user needs one command for that, which counts.
func (h *host) bring(t *testing.T, alice *host) {
	t.Helper()
	h.commands++
	h.command(h.prompt, "# bring alice.rc to alice@laptop, as ~/.fwknoprc, over a safe way such as scp", "")
	alice.copyIn(t, h.path("/root/alice.rc"), "/home/alice/.fwknoprc")
	alice.in(t, "sh", "-c", "cd /home/alice && chown alice: .fwknoprc && chmod 600 .fwknoprc")
}

// takeBack closes what was opened.
func (h *host) takeBack(t *testing.T, g *readme.Guide, alice *host) {
	t.Helper()
	if got := h.does(t, g.List); !strings.Contains(got, "stanza alice-laptop (access.conf:") {
		t.Errorf("%s: %s", g.List, got)
	}
	if got := h.does(t, g.Revoke); !strings.Contains(got, "closed tcp/22") {
		t.Errorf("%s: %s", g.Revoke, got)
	}
	if out, err := alice.shell(t, "nc -zvw 1 "+readme.Server+" 22"); err == nil {
		t.Errorf("open after %s: %s", g.Revoke, out)
	}
	h.in(t, "fwknopd", "-K")
	h.in(t, "sh", "-c", g.Remove)
}
