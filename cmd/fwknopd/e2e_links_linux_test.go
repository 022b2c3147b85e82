package main

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/wait"
)

// linked are the kinds of links from the configured name to the rotated file.
var linked = map[string]func(t *testing.T, dir string) (name, file string){
	"same directory": func(t *testing.T, dir string) (name, file string) {
		symlink(t, "iptables.log", dir+"/kern.log")
		return dir + "/kern.log", dir + "/iptables.log"
	},
	"chain to another directory and back": func(t *testing.T, dir string) (name, file string) {
		symlink(t, "data/second", dir+"/kern.log")
		symlink(t, "../iptables.log", dir+"/data/second")
		return dir + "/kern.log", dir + "/iptables.log"
	},
	"link in a linked directory": func(t *testing.T, dir string) (name, file string) {
		symlink(t, "data", dir+"/log")
		symlink(t, "iptables.log", dir+"/data/kern.log")
		return dir + "/log/kern.log", dir + "/data/iptables.log"
	},
}

func symlink(t *testing.T, target, name string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(filepath.Dir(name), "data"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, name); err != nil {
		t.Fatal(err)
	}
}

// logTo appends lines to a file and creates it if needed, as a logger does.
func logTo(t *testing.T, file string, mode os.FileMode, text string) {
	t.Helper()
	w, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, mode)
	if err == nil {
		_, err = w.WriteString(text)
		w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestE2ELinkedLog rotates the target of a configured link repeatedly, also if only the
// monitor may read it.
func TestE2ELinkedLog(t *testing.T) {
	t.Parallel()
	for name, make := range linked {
		for _, mode := range []os.FileMode{0o644, 0o600} {
			t.Run(fmt.Sprintf("%s/%v", name, mode), func(t *testing.T) {
				s := newSite(t, "nftables")
				path, file := make(t, s.dir)
				logTo(t, file, mode, "")
				s.configure("AUTH_MODE KNOCK;\nIPT_SYSLOG_FILE "+path+";\n", knockStanza())
				s.start()
				src := netip.MustParseAddr("198.51.100.7")
				for rotation := range 4 {
					src = src.Next()
					logTo(t, file, mode, kernelLines(src))
					if !wait.Until(wait.Timeout, func() bool {
						return strings.Contains(s.Server.Run(t, "nft list ruleset"), src.String())
					}) {
						t.Fatalf("nothing is open after %d rotations", rotation)
					}
					for i := 3; i > 0; i-- {
						os.Rename(fmt.Sprint(file, ".", i), fmt.Sprint(file, ".", i+1))
					}
					if err := os.Rename(file, file+".1"); err != nil {
						t.Fatal(err)
					}
					logTo(t, file, mode, "")
				}
			})
		}
	}
}

// TestE2ELinkedCapture lets tcpdump write the target of a link, and rotates it.
func TestE2ELinkedCapture(t *testing.T) {
	t.Parallel()
	for name, make := range linked {
		t.Run(name, func(t *testing.T) {
			netlab.Need(t, "tcpdump")
			s := newSite(t, "nftables")
			path, file := make(t, s.dir)
			s.configure("AUTH_MODE FILE_PCAP;\nPCAP_PKT_FILE "+path+";\n", stanza(""))
			s.start()
			for rotation := range 3 {
				dump := s.Server.Command("tcpdump", "-Z", "root", "-i", netlab.ServerIf, "-U", "-w", file, "udp port 62201")
				if err := dump.Start(); err != nil {
					t.Fatal(err)
				}
				if !wait.Until(wait.Timeout, func() bool { st, err := os.Stat(file); return err == nil && st.Size() > 0 }) {
					t.Fatal("tcpdump writes nothing")
				}
				s.knock(ask()...)
				granted := wait.Until(wait.Timeout, func() bool { return strings.Count(s.events(), `"spa.granted"`) == rotation+1 })
				dump.Process.Kill()
				dump.Wait()
				if !granted {
					t.Fatalf("nothing is granted after %d rotations", rotation)
				}
				if err := os.Rename(file, fmt.Sprint(file, ".", rotation)); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}
