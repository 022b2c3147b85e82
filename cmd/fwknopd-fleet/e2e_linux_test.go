package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"fwknopd/cmd/fwknopd-fleet/node"
	"fwknopd/cmd/fwknopd/fleetlink"
	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/wait"
)

// asProgram has this test binary be the program.
const asProgram = "FWKNOPD_FLEET_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// A member is a fleet process in a namespace, that of the host if ns is nil, with this test as its monitor and its worker.
type member struct {
	t   *testing.T
	ns  *netlab.NS
	cfg fleetlink.Config
	pin string // of its key

	program string // "": this one

	// listener is told what other gateways order; may be empty. What the process logs is in said.
	listener fleetlink.Listener
	said     netlab.Output

	cmd     *exec.Cmd
	control *fleetlink.Control
	claims  *fleetlink.Client
}

// smallDisk returns a directory on a file system of its own, which goes with the test.
func smallDisk(t *testing.T) string {
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=128m", "fwknopd-test", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// threeMembers returns three members, each in its namespace, of which none is started.
func threeMembers(t *testing.T) []*member {
	lab := netlab.New(t)
	spaces := []*netlab.NS{lab.Client, lab.AddInside(t), lab.Server}
	var peers []fleetlink.Peer
	var list []*member
	for i, ns := range spaces {
		name := fmt.Sprintf("gw%d", i+1)
		file, pin, err := node.NewCredentials(name)
		if err != nil {
			t.Fatal(err)
		}
		peers = append(peers, fleetlink.Peer{Name: name, Address: netip.AddrPortFrom(ns.V4, 4223), Pin: pin})
		list = append(list, &member{t: t, ns: ns, cfg: fleetlink.Config{Name: name, Listen: peers[i].Address, Credentials: file, MaxAge: 2 * time.Minute}})
	}
	for _, m := range list {
		m.cfg.Peers = peers
	}
	return list
}

// startFleet starts three members.
func startFleet(t *testing.T) []*member {
	list := threeMembers(t)
	for _, m := range list {
		m.cfg.Dir = smallDisk(t)
		m.start()
		t.Cleanup(m.end)
	}
	return list
}

func (m *member) start() {
	m.t.Helper()
	ours, theirs, err := fleetlink.Pair()
	if err != nil {
		m.t.Fatal(err)
	}
	defer theirs.Close()
	self, err := os.Executable()
	if err != nil {
		m.t.Fatal(err)
	}
	program := cmp.Or(m.program, self)
	m.cmd = exec.Command(program, fleetlink.Serving)
	if m.ns != nil {
		m.cmd = m.ns.Command(program, fleetlink.Serving)
	}
	m.cmd.Env, m.cmd.ExtraFiles = append(os.Environ(), asProgram+"=1"), []*os.File{theirs}
	var errs bytes.Buffer
	m.cmd.Stderr = &errs
	if err := m.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.control = fleetlink.NewControl(ours)
	ready := make(chan struct{})
	cfg := m.cfg
	l := m.listener
	l.Ready, l.Quorum = sync.OnceFunc(func() { close(ready) }), func(bool, string) {}
	l.Message = func(text string) { fmt.Fprintln(&m.said, text) }
	l.Failed = func(why string) { m.t.Errorf("%s: %s", cfg.Name, why) }
	go m.control.Run(l)
	if err := m.control.Configure(&cfg); err != nil {
		m.t.Fatal(err)
	}
	select {
	case <-ready:
	case <-time.After(wait.Timeout):
		m.t.Fatalf("%s does not start: %s", cfg.Name, errs.String())
	}
	m.claims = fleetlink.NewClient(m.link(fleetlink.ForClaims))
}

// link returns the end of a link.
func (m *member) link(p fleetlink.Purpose) *net.UnixConn {
	m.t.Helper()
	f, err := m.control.Open(p)
	if err != nil {
		m.t.Fatal(err)
	}
	conn, err := fleetlink.Conn(f)
	if err != nil {
		m.t.Fatal(err)
	}
	return conn
}

func (m *member) signal(s syscall.Signal) {
	_ = m.cmd.Process.Signal(s)
	if s == syscall.SIGKILL {
		_ = m.cmd.Wait()
		m.control.Close()
	}
}

// end kills a member when its test ends, and shows what it said if the test has failed.
func (m *member) end() {
	if m.cmd != nil {
		m.signal(syscall.SIGKILL)
	}
	if m.t.Failed() {
		m.t.Logf("%s said:\n%s", m.cfg.Name, m.said.String())
	}
}

// claim claims a message that was sent now, by a clock that is ahead: what was sent before the bucket's
// beginning, or up to 30 s later, is refused.
func (m *member) claim(key string) fleetlink.Answer { return m.claimSent(key, time.Now().Add(ahead)) }

const ahead = 29 * time.Second

func (m *member) claimSent(key string, sent time.Time) fleetlink.Answer {
	ctx, cancel := context.WithTimeout(context.Background(), fleetlink.ClaimTime)
	defer cancel()
	return m.claims.Claim(ctx, fleetlink.Claim{Digest: sha256.Sum256([]byte(key)), Sent: sent, Until: sent.Add(m.cfg.MaxAge), Stanza: "ssh"})
}

func (m *member) status() fleetlink.Status {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	s, _ := m.control.Status(ctx)
	return s
}

// ready waits until a member claims.
func (m *member) ready() {
	m.t.Helper()
	var a fleetlink.Answer
	if !wait.Until(wait.Timeout, func() bool {
		a = m.claim(fmt.Sprint(m.cfg.Name, " ready ", time.Now()))
		return a.Verdict == fleetlink.First
	}) {
		m.t.Fatalf("%s does not claim: %s\n%+v", m.cfg.Name, a.Why, m.status())
	}
}

// whole waits until a member that came back claims, has heard of all others, and all copies are complete: until
// then the loss of another one may be that of a second one.
func (m *member) whole() {
	m.t.Helper()
	m.hears(len(m.cfg.Peers))
	var b fleetlink.Bucket
	if !wait.Until(4*wait.Timeout, func() bool { b = m.status().Bucket; return b.Replicas > 0 && b.Current == b.Replicas }) {
		m.t.Fatalf("%s sees %d complete copies of %d", m.cfg.Name, b.Current, b.Replicas)
	}
}

// hears waits until a member claims, and has heard of so many, itself included.
func (m *member) hears(n int) {
	m.t.Helper()
	m.ready()
	wait.For(m.t, fmt.Sprintf("%s to hear of %d", m.cfg.Name, n), func() bool {
		there := 0
		for _, o := range m.status().Members {
			if o.Connected && (o.Self || !o.Heard.IsZero()) {
				there++
			}
		}
		return there == n
	})
}

// leading returns the member that leads, and the others.
func leading(t *testing.T, all []*member) (lead *member, others []*member) {
	t.Helper()
	wait.For(t, "a leader", func() bool {
		for _, asked := range all {
			for _, s := range asked.status().Members {
				if i := slices.IndexFunc(all, func(m *member) bool { return m.cfg.Name == s.Name }); s.Leader {
					lead, others = all[i], slices.Delete(slices.Clone(all), i, i+1)
					return true
				}
			}
		}
		return false
	})
	return lead, others
}

// A book has who claimed what.
type book struct {
	mu    sync.Mutex
	first map[string]string
}

func (b *book) enter(t *testing.T, key, who string, a fleetlink.Answer) {
	if a.Verdict != fleetlink.First {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if was := b.first[key]; was != "" {
		t.Errorf("%s was claimed by %s and by %s", key, was, who)
	}
	b.first[key] = who
}

const racing = 16 // claims at once at each gateway

// race claims n messages at two gateways at once, and returns how many were not claimed.
func (b *book) race(t *testing.T, prefix string, n int, at ...*member) (missed int) {
	t.Helper()
	var all sync.WaitGroup
	for _, m := range at {
		for w := range racing {
			all.Go(func() {
				for i := w; i < n; i += racing {
					key := fmt.Sprint(prefix, i)
					b.enter(t, key, m.cfg.Name, m.claim(key))
				}
			})
		}
	}
	all.Wait()
	for i := range n {
		if b.first[fmt.Sprint(prefix, i)] == "" {
			missed++
		}
	}
	return missed
}

// outage has a fault begin and returns how long claims at a gateway are refused.
func (b *book) outage(t *testing.T, at *member, name string, begin func()) time.Duration {
	t.Helper()
	begin()
	began := time.Now()
	var a fleetlink.Answer
	for i := 0; a.Verdict != fleetlink.First; i++ {
		if time.Since(began) > wait.Timeout {
			t.Fatalf("claims after %s: %s\n%+v", name, a.Why, at.status())
		}
		key := fmt.Sprint(name, i)
		a = at.claim(key)
		b.enter(t, key, at.cfg.Name, a)
		wait.At(time.Now().Add(time.Millisecond)) // refusals come at once: the members need the processor
	}
	return time.Since(began)
}

// median returns how long a claim takes, one after the other.
func (b *book) median(t *testing.T, at *member, n int) time.Duration {
	var took []time.Duration
	for i := range n {
		start, key := time.Now(), fmt.Sprint("median", i)
		b.enter(t, key, at.cfg.Name, at.claim(key))
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	return took[n/2]
}

// resident returns the resident memory of a member, as the kernel shows it.
func (m *member) resident() string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", m.cmd.Process.Pid))
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	size, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(size)
}

// TestE2EFleet: 10,000 messages, each at two gateways at once, while members are killed, stopped, cut
// off and out of room, are each claimed once.
func TestE2EFleet(t *testing.T) {
	netlab.Need(t, "nft", "mount")
	t.Parallel()
	begun := time.Now()
	all := startFleet(t)
	for _, m := range all {
		m.ready()
	}
	t.Logf("ready after %v", time.Since(begun))
	b := &book{first: make(map[string]string)}
	t.Logf("a claim takes %v (median of 201)", b.median(t, all[0], 201))

	start := time.Now()
	if missed := b.race(t, "calm", 7500, all[0], all[1]); missed > 0 {
		t.Errorf("without a fault %d of 7500 were not claimed", missed)
	}
	t.Logf("7500 messages at two gateways each: %v; resident %s, %s, %s", time.Since(start), all[0].resident(), all[1].resident(), all[2].resident())

	var outages []time.Duration
	for i := range 2 {
		lead, others := leading(t, all)
		outages = append(outages, b.outage(t, others[0], fmt.Sprint("kill", i), func() { lead.signal(syscall.SIGKILL) }))
		others[1].ready()
		b.race(t, fmt.Sprint("killed", i), 500, others...)
		lead.start()
		lead.whole()
	}
	slices.Sort(outages)
	t.Logf("back after the leader was killed: %v, %v", outages[0], outages[1])
	if outages[0] > 3*time.Second {
		t.Errorf("%v at best, more than 3s", outages[0])
	}

	lead, others := leading(t, all)
	stopped := b.outage(t, others[0], "stop", func() { lead.signal(syscall.SIGSTOP) })
	b.race(t, "stopped", 500, others...)
	lead.signal(syscall.SIGCONT)
	lead.whole()

	cut := b.partition(t, all)
	t.Logf("back after the leader was stopped: %v, cut off: %v", stopped, cut)
	if best := min(stopped, cut); best > 3*time.Second {
		t.Errorf("%v at best, more than 3s", best)
	}
	b.fullDisk(t, all)

	b.again(t, all)
	t.Logf("in all %v", time.Since(begun))
}

// partition cuts the leader off, at which claims are refused: at first within their second, then at once. It
// returns how long the others refuse them.
func (b *book) partition(t *testing.T, all []*member) (outage time.Duration) {
	lead, others := leading(t, all)
	for _, hook := range []string{"input", "output"} {
		lead.ns.Run(t, "nft add table inet cut")
		lead.ns.Run(t, fmt.Sprintf("nft add chain inet cut %s { type filter hook %[1]s priority 0; }", hook))
		lead.ns.Run(t, fmt.Sprintf("nft add rule inet cut %s tcp dport 4223 drop", hook))
		lead.ns.Run(t, fmt.Sprintf("nft add rule inet cut %s tcp sport 4223 drop", hook))
	}
	outage = b.outage(t, others[0], "cut", func() {})
	b.race(t, "partition", 500, lead, others[0])
	if a := lead.claim("cut off"); a.Verdict != fleetlink.Unavailable {
		t.Errorf("the one that is cut off: %+v", a)
	}
	start := time.Now()
	for i := range 100 {
		if a := lead.claim(fmt.Sprint("cut off", i)); a.Verdict == fleetlink.First {
			t.Errorf("the one that is cut off: %+v", a)
		}
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("100 claims without a quorum took %v", took)
	}
	lead.ns.Run(t, "nft delete table inet cut")
	lead.whole()
	return outage
}

// fullDisk fills the disk of the last member: the others go on, and it comes back when there is room.
func (b *book) fullDisk(t *testing.T, all []*member) {
	last := all[2]
	filler := filepath.Join(last.cfg.Dir, "filler")
	f, err := os.Create(filler)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = f.Write(make([]byte, 1<<16))
	}
	f.Close()
	t.Logf("after a disk was full: %v", b.outage(t, all[0], "full", func() {}))
	b.race(t, "full", 500, all[0], all[1])
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	last.ready()
}

// again claims everything once more at all members: what was claimed stays so.
func (b *book) again(t *testing.T, all []*member) {
	keys := make(chan string, len(b.first))
	for key := range b.first {
		keys <- key
	}
	close(keys)
	var late sync.WaitGroup
	for i := range 3 * racing {
		late.Go(func() {
			for key := range keys {
				if at := all[i%len(all)]; at.claim(key).Verdict == fleetlink.First {
					t.Errorf("%s of %s is claimed again at %s", key, b.first[key], at.cfg.Name)
				}
			}
		})
	}
	late.Wait()
}
