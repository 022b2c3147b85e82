package ingest

import (
	"fmt"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/wait"
)

// changesOf returns the feed of an interface's changes in the namespace, read from conn.
func changesOf(t *testing.T, ns *netlab.NS, conn *os.File) <-chan Link {
	t.Helper()
	changes := make(chan Link, 64)
	var feed *linkFeed
	ns.Do(func() { feed = newLinkFeed(conn, []string{netlab.ServerIf}, func(l Link) { changes <- l }) })
	t.Cleanup(feed.close)
	return changes
}

// openLinksIn opens a socket with room for so many bytes.
func openLinksIn(t *testing.T, ns *netlab.NS, room int) *os.File {
	t.Helper()
	var conn *os.File
	var err error
	ns.Do(func() { conn, err = openLinks() })
	if err != nil {
		t.Fatal(err)
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, room) })
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func waitForLink(t *testing.T, changes <-chan Link, what string, is func(Link) bool) {
	t.Helper()
	timeout := time.After(wait.Timeout)
	for {
		select {
		case l := <-changes:
			if is(l) {
				return
			}
		case <-timeout:
			t.Fatalf("not reported: %s", what)
		}
	}
}

// An interface that gets another name is gone, and back when it has its name again.
func TestLinkRenamed(t *testing.T) {
	netlab.Need(t)
	lab := netlab.New(t)
	changes := changesOf(t, lab.Server, openLinksIn(t, lab.Server, 1<<20))
	rename := func(from, to string) {
		lab.Server.Run(t, "ip link set "+from+" down")
		lab.Server.Run(t, "ip link set "+from+" name "+to)
		lab.Server.Run(t, "ip link set "+to+" up")
	}
	rename(netlab.ServerIf, "other0")
	waitForLink(t, changes, "gone", func(l Link) bool { return l.Gone })
	rename("other0", netlab.ServerIf)
	waitForLink(t, changes, "up", func(l Link) bool { return l.Up })
}

// Changes that the kernel could not report (ENOBUFS) are found by looking.
func TestLinkChangesLost(t *testing.T) {
	netlab.Need(t)
	lab := netlab.New(t)
	lab.Server.Run(t, "ip link set "+netlab.ServerIf+" down")
	for _, c := range []struct {
		what, last string
		is         func(Link) bool
	}{
		{"up", "ip link set " + netlab.ServerIf + " up", func(l Link) bool { return l.Up }},
		{"gone", "ip link del " + netlab.ServerIf, func(l Link) bool { return l.Gone }},
	} {
		conn := openLinksIn(t, lab.Server, 1)
		changes := make(chan Link, 64)
		f := &linkFeed{conn, map[string]int{netlab.ServerIf: linkNow(netlab.ServerIf, conn).Index}, func(l Link) { changes <- l }, make(chan struct{})}
		for i := range 8 {
			lab.Server.Run(t, fmt.Sprintf("ip link set lo mtu %d", 2000+i))
		}
		lab.Server.Run(t, c.last) // no room for the message of this
		go f.run()
		t.Cleanup(f.close)
		waitForLink(t, changes, c.what, c.is)
	}
}
