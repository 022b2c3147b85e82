package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/wait"
)

// eachVariant runs a test with nftables and with both variants of iptables, with the
// established connections accepted before our rules and after them.
func eachVariant(t *testing.T, test func(t *testing.T, s *site)) {
	for _, c := range []struct {
		name string
		load func(testing.TB, *netlab.NS)
	}{
		{"nftables", firewalls["nftables"]},
		{"iptables-nft", dropTables("iptables-nft")},
		{"iptables-legacy", dropTables("iptables-legacy")},
		{"the legacy variant beside nft", both(flushAll, dropTables("iptables-legacy"))},
	} {
		t.Run(c.name, func(t *testing.T) { test(t, newHost(t, c.load)) })
	}
}

// closing has stanzas whose connections end with their grants, and one whose do not.
func closing(more string) string {
	ports := func(text string) string {
		return strings.Replace(text, "OPEN_PORTS ", "OPEN_PORTS udp/53, tcp/80, ", 1)
	}
	second := strings.ReplaceAll(stanza("NAME bob"), "KEY ", "KEY another_")
	return ports(stanza("NAME alice\nCLOSE_CONNECTIONS Y\n"+more)) + ports(second)
}

// add opens a port for a client for some seconds.
func (s *site) add(client netip.Addr, port, seconds, stanza string) {
	s.t.Helper()
	s.grants(0, "^open until ", "add", "--src", client.String(), "--port", port, "--for", seconds, "--stanza", stanza)
}

// logs adds the event log to the server file.
func (s *site) logs() string {
	return "EVENT_LOG " + filepath.Join(s.dir, "log", "events.jsonl") + ";\n"
}

// waitForEvent waits until the event log has all parts of a text in one line.
func (s *site) waitForEvent(parts ...string) {
	s.t.Helper()
	wait.For(s.t, "an event with "+strings.Join(parts, " "), func() bool {
	lines:
		for line := range strings.Lines(s.events()) {
			for _, part := range parts {
				if !strings.Contains(line, part) {
					continue lines
				}
			}
			return true
		}
		return false
	})
}

// wasReset reports whether the other side has ended a connection.
func wasReset(conn net.Conn) bool {
	conn.SetDeadline(time.Now().Add(wait.Timeout))
	_, err := conn.Read(make([]byte, 1))
	return errors.Is(err, syscall.ECONNRESET)
}

// sockets returns the TCP connections of a port that the server has.
func (s *site) sockets(port uint16) string {
	return s.Server.Run(s.t, fmt.Sprintf("ss -Htn state established sport = :%d", port))
}

// Connections live as long as the grant that let them in, through its extension, and end with
// it: TCP ones with a reset to the client and without a socket of the server, UDP ones by the
// table. Those of another grant, and of a stanza without CLOSE_CONNECTIONS, stay. The client is
// let in again at once.
func TestE2ECloseConnections(t *testing.T) {
	t.Parallel()
	netlab.Need(t, "ss")
	eachVariant(t, func(t *testing.T, s *site) {
		s.configure(s.logs(), closing(""))
		netlab.Serve(t, s.Server, "tcp", 80)
		netlab.Serve(t, s.Server, "udp", 53)
		s.start()
		port := fmt.Sprintf("tcp/%d", e2ePort)
		s.add(s.Client.V4, port, "4", "alice")
		s.add(s.Client.V4, port, "10", "alice")
		s.add(s.Client.V4, "udp/53", "10", "alice")
		s.add(s.Client.V4, "tcp/80", "60", "alice")
		s.add(s.Client.V6, port, "10", "bob")
		ended, other, stays := s.connect(s.Server.V4, e2ePort), s.connect(s.Server.V4, 80), s.connect(s.Server.V6, e2ePort)
		var udp net.Conn
		s.Client.Do(func() {
			var err error
			if udp, err = net.Dial("udp", netip.AddrPortFrom(s.Server.V4, 53).String()); err != nil {
				t.Fatal(err)
			}
		})
		defer udp.Close()
		if !echoes(udp) {
			t.Fatal("no answer by UDP")
		}
		s.grants(0, "stanza alice .*, connections end with it, ", "list")
		s.waitForEvent(`"verdict":"extended"`, port)
		if strings.Contains(s.events(), `"verdict":"cut"`) {
			t.Error("the end that an extension moved has cut connections")
		}
		s.waitForEvent(`"verdict":"cut"`, port, `"connections":{"open":0,"ended":1,"cut":0}`)
		s.waitForEvent(`"verdict":"cut"`, "udp/53", `"connections":{"open":0,"ended":0,"cut":1}`)
		if !wasReset(ended) {
			t.Error("the client was not told")
		}
		if left := s.sockets(e2ePort); strings.Count(left, "\n") != 1 || !strings.Contains(left, s.Client.V6.String()) {
			t.Errorf("the server has\n%s", left)
		}
		if echoes(udp) {
			t.Error("UDP goes on")
		}
		if !echoes(other) || !echoes(stays) {
			t.Error("a connection of another grant has ended")
		}
		s.waitFor("ended 1 connection through " + s.Client.V4.String() + " " + port + ", which has ended (stanza alice")
		s.knock(ask()...)
		if !s.open() {
			t.Fatal("the client is not let in again")
		}
		if conn := s.connect(s.Server.V4, e2ePort); !echoes(conn) {
			t.Error("and carries nothing")
		}
		if !echoes(other) {
			t.Error("a connection of another grant has ended")
		}
	})
}

// A forwarded connection ends with its grant too.
func TestE2ECloseForwarded(t *testing.T) {
	t.Parallel()
	eachVariant(t, func(t *testing.T, s *site) {
		s.AddInside(t)
		netlab.Serve(t, s.Inside, "tcp", 22)
		s.configure("ENABLE_IPT_FORWARDING Y;\n"+s.logs(), stanza(fmt.Sprintf("NAME inside\nCLOSE_CONNECTIONS Y\nFORCE_NAT %s 22\n", s.Inside.V4)))
		s.start()
		port := fmt.Sprintf("tcp/%d", e2ePort)
		s.add(s.Client.V4, port, "3", "inside")
		conn := s.connect(s.Server.V4, e2ePort)
		s.waitForEvent(`"verdict":"cut"`, port, `"connections":{"open":0,"ended":0,"cut":1}`)
		if echoes(conn) {
			t.Error("it goes on")
		}
		s.add(s.Client.V4, port, "60", "inside")
		if conn := s.connect(s.Server.V4, e2ePort); !echoes(conn) {
			t.Error("the client is not let in again")
		}
	})
}

// eachRejecting runs a test with nftables, which rejects what ended connections send, and with
// iptables, which does not; with both the server may send to the client first.
func eachRejecting(t *testing.T, test func(t *testing.T, s *site, rejects bool)) {
	for _, name := range []string{"nftables", "iptables"} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, name)
			s.AddInside(t)
			if name == "nftables" {
				s.Server.Run(t, "nft add rule inet filter forward iifname "+netlab.ServerInsideIf+" accept")
			} else {
				s.Server.Run(t, "iptables -A FORWARD -i "+netlab.ServerInsideIf+" -j ACCEPT")
			}
			test(t, s, name == "nftables")
		})
	}
}

// receives reports whether something comes that was not on its way.
func receives(conn net.Conn) bool {
	conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	io.Copy(io.Discard, conn)
	conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	_, err := conn.Read(make([]byte, 1))
	return err == nil
}

// A forwarded connection whose server sends first ends with its grant too where the firewall
// rejects what it sends; else it is said that it goes on. What is rejected is no grant, and the
// client is let in again at once, over a restart too.
func TestE2ECloseServerFirst(t *testing.T) {
	t.Parallel()
	eachRejecting(t, func(t *testing.T, s *site, rejects bool) {
		netlab.Tick(t, s.Inside, "tcp", 22)
		s.configure("ENABLE_IPT_FORWARDING Y;\n"+s.logs(),
			stanza(fmt.Sprintf("NAME inside\nCLOSE_CONNECTIONS Y\nFORCE_NAT %s 22\nDISABLE_DNAT Y\n", s.Inside.V4)))
		s.start()
		port := fmt.Sprintf("tcp/%d", e2ePort)
		s.add(s.Client.V4, port, "3", "inside")
		conn := s.connect(s.Inside.V4, 22)
		if !receives(conn) {
			t.Fatal("nothing comes")
		}
		if !rejects {
			s.waitForEvent(`"verdict":"cut"`, `"connections":{"open":1,"ended":0,"cut":0}`, "lets its server send to the client")
			if !receives(conn) {
				t.Error("it has ended, other than was said")
			}
			return
		}
		s.waitForEvent(`"verdict":"cut"`, `"connections":{"open":0,"ended":0,"cut":1}`)
		if receives(conn) {
			t.Error("it goes on")
		}
		s.stop()
		s.start()
		if receives(conn) {
			t.Error("it goes on after a restart")
		}
		s.grants(0, "^nothing is open\n$", "list")
		s.add(s.Client.V4, port, "60", "inside")
		if conn := s.connect(s.Inside.V4, 22); !receives(conn) {
			t.Error("the client is not let in again")
		}
	})
}

// grants revoke --cut ends a forwarded connection as CLOSE_CONNECTIONS does, of a stanza without it too,
// whether a daemon runs or not: one whose server sends first is over where the firewall rejects what
// it sends, else it is said that it goes on.
func TestE2ECutServerFirst(t *testing.T) {
	t.Parallel()
	eachRejecting(t, func(t *testing.T, s *site, rejects bool) {
		netlab.Tick(t, s.Inside, "tcp", 22)
		s.configure("ENABLE_IPT_FORWARDING Y;\n"+s.logs(), stanza(fmt.Sprintf("NAME inside\nFORCE_NAT %s 22\nDISABLE_DNAT Y\n", s.Inside.V4)))
		port := fmt.Sprintf("tcp/%d", e2ePort)
		connected := func() net.Conn {
			t.Helper()
			s.start()
			s.add(s.Client.V4, port, "60", "inside")
			conn := s.connect(s.Inside.V4, 22)
			if !receives(conn) {
				t.Fatal("nothing comes")
			}
			return conn
		}
		cut := func(conn net.Conn, when string) {
			t.Helper()
			if !rejects {
				s.grants(1, "lets its server send to the client", "revoke", "inside", "--cut")
				if !receives(conn) {
					t.Errorf("%s: it has ended, other than was said", when)
				}
				return
			}
			s.grants(0, "^closed .*\ncut [12] connections?, forwarded or by UDP: what (it still sends|they still send) is rejected\n$", "revoke", "inside", "--cut")
			if receives(conn) {
				t.Errorf("%s: it goes on", when)
			}
		}
		conn := connected()
		cut(conn, "with a daemon")
		s.add(s.Client.V4, port, "60", "inside")
		if conn := s.connect(s.Inside.V4, 22); !receives(conn) {
			t.Error("the client is not let in again")
		}
		s.stop()
		conn = connected()
		s.stop()
		cut(conn, "without a daemon")
	})
}

// What closes a grant ends its connections: revocation without --cut, --fw-flush, both also
// where no daemon runs, a reload without the stanza at the end of the grant, and the end of a daemon
// with FLUSH_IPT_AT_EXIT, which takes no longer than 5 s.
func TestE2ECloseBy(t *testing.T) {
	t.Parallel()
	s := newSite(t, "nftables")
	s.configure(s.logs(), closing(""))
	conf, err := os.ReadFile(filepath.Join(s.dir, "fwknopd.conf"))
	if err != nil {
		t.Fatal(err)
	}
	s.write("fwknopd.conf", strings.Replace(string(conf), "FLUSH_IPT_AT_EXIT N", "FLUSH_IPT_AT_EXIT Y", 1))
	s.start()
	port := fmt.Sprintf("tcp/%d", e2ePort)
	connected := func(seconds string) net.Conn {
		s.add(s.Client.V4, port, seconds, "alice")
		return s.connect(s.Server.V4, e2ePort)
	}
	conn := connected("60")
	s.grants(0, "^closed "+port+" for "+s.Client.V4.String()+"\nended 1 connection\n$", "revoke", "alice")
	if !wasReset(conn) {
		t.Error("it goes on after it was revoked")
	}
	conn = connected("60")
	if out, code := s.command(s.args("--fw-flush")...); code != 0 {
		t.Fatal(out)
	}
	if !wasReset(conn) {
		t.Error("it goes on after --fw-flush")
	}
	conn = connected("4")
	s.write("access.conf", stanza("NAME carol"))
	s.reload()
	if !echoes(conn) {
		t.Error("a reload has ended it")
	}
	if !wasReset(conn) {
		t.Error("it goes on without its stanza")
	}
	s.write("access.conf", closing(""))
	s.reload()
	conn = connected("60")
	begun := time.Now()
	s.stop()
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("the daemon took %v to end", took)
	}
	if !wasReset(conn) {
		t.Error("it goes on after the daemon")
	}

	s.configure(s.logs(), closing(""))
	s.start()
	conn = connected("60")
	s.stop()
	if !echoes(conn) {
		t.Error("the end of the daemon has ended it, but not its grant")
	}
	s.grants(0, "^closed .*\nended 1 connection\n$", "revoke", "alice")
	if !wasReset(conn) {
		t.Error("it goes on after it was revoked without a daemon")
	}
}
