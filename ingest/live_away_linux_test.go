package ingest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/wait"
	"fwknopd/parse"
)

// linkUp makes the interface of the server, which is not there, and its other end.
func linkUp(t *testing.T, lab *netlab.Lab) {
	t.Helper()
	lab.Server.Run(t, fmt.Sprintf("ip link add %s type veth peer name %s netns %s", netlab.ServerIf, netlab.ClientIf, lab.Client.Name))
	for _, end := range []struct {
		ns   *netlab.NS
		name string
	}{{lab.Server, netlab.ServerIf}, {lab.Client, netlab.ClientIf}} {
		end.ns.Run(t, fmt.Sprintf("ip addr add %s/24 dev %s", end.ns.V4, end.name))
		end.ns.Run(t, "ip link set "+end.name+" up")
	}
}

// TestLiveNotThereYet waits for an interface, as often as there is none.
func TestLiveNotThereYet(t *testing.T) {
	netlab.Need(t)
	lab := netlab.New(t)
	lab.Server.Run(t, "ip link del "+netlab.ServerIf)
	away := make(chan string, 100)
	expect := func(want string) { // on its way out an interface may be down, up and gone
		t.Helper()
		for got := "nothing"; !strings.HasSuffix(got, want) || want == "" && got != ""; {
			select {
			case got = <-away:
			case <-time.After(wait.Timeout):
				t.Fatalf("away: %q, want %q", got, want)
			}
		}
	}
	l := listen(t, lab.Server, netlab.ServerIf, LiveOptions{Filter: mustFilter(t, "udp port 62201"), Wait: true, Away: func(why string) { away <- why }})
	expect("no such interface, waiting for it")
	if l.Buffered() || l.Stats().Counts() != (Counts{}) {
		t.Error("something of an interface that is not there")
	}
	events := make(chan string, 100)
	ctx, cancel := context.WithCancel(t.Context())
	finished := make(chan error, 1)
	go lab.Server.Do(func() {
		var ev parse.Event
		for {
			err := l.Next(ctx, &ev)
			if err == nil {
				events <- string(ev.Payload)
			} else if !isSkip(err) {
				finished <- err
				return
			}
		}
	})
	for i := range 2 {
		linkUp(t, lab)
		expect("")
		name := fmt.Sprintf("packet %d", i)
		for got := ""; got != name; {
			send(t, lab.Client, lab.Server.V4, 62201, name)
			select {
			case got = <-events:
			case <-time.After(250 * time.Millisecond): // neighbours must find each other first
			}
		}
		lab.Server.Run(t, "ip link del "+netlab.ServerIf)
		expect("waiting for it")
	}
	cancel()
	if err := <-finished; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	ok(t, l.Close())
}

// TestLiveCloseWhileAway closes a capture that waits.
func TestLiveCloseWhileAway(t *testing.T) {
	netlab.Need(t)
	lab := netlab.New(t)
	l := listen(t, lab.Server, "nosuchif0", LiveOptions{Wait: true, Away: func(string) {}})
	finished := make(chan error, 1)
	go func() {
		var ev parse.Event
		finished <- l.Next(t.Context(), &ev)
	}()
	ok(t, l.Close())
	if err := <-finished; !errors.Is(err, os.ErrClosed) {
		t.Errorf("ended with %v", err)
	}
	ok(t, l.Close())
}

// TestLiveNoName: a name that no interface can have is not waited for.
func TestLiveNoName(t *testing.T) {
	netlab.Need(t)
	if l, err := Capture("an-interface-of-this-name", LiveOptions{Wait: true}); err == nil {
		l.Close()
		t.Error("a name of 25 bytes is waited for")
	}
	if _, err := Capture("nosuchif0", LiveOptions{}); !errors.Is(err, errNoInterface) {
		t.Errorf("missing interface: %v", err)
	}
}

// TestLiveDown: a source whose interface goes down, or is down when it is opened, says so until
// it is up, also if the wait for it is interrupted.
func TestLiveDown(t *testing.T) {
	netlab.Need(t)
	const down = "interface is down, waiting for it"
	for name, before := range map[string]bool{"before it is opened": true, "later": false} {
		t.Run(name, func(t *testing.T) {
			lab := netlab.New(t)
			set := func(state string) { lab.Server.Run(t, "ip link set "+netlab.ServerIf+" "+state) }
			if before {
				set("down")
			}
			said := []string{""}
			l := listen(t, lab.Server, netlab.ServerIf, LiveOptions{Away: func(why string) { said = append(said, why) }})
			set("down")
			interrupted := func() {
				ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
				defer cancel()
				var ev parse.Event
				for err := error(nil); err == nil || isSkip(err); err = l.Next(ctx, &ev) {
				}
			}
			until := func(want string) {
				t.Helper()
				for end := time.Now().Add(wait.Timeout); said[len(said)-1] != want; interrupted() {
					if time.Now().After(end) {
						t.Fatalf("said %q, want %q", said, want)
					}
				}
			}
			until(down)
			interrupted()
			set("up")
			until("")
			interrupted()
			if want := []string{"", down, ""}; !slices.Equal(said, want) {
				t.Errorf("said %q, want %q", said, want)
			}
			ok(t, l.Close())
		})
	}
}
