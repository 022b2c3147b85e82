package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

const kafkaTopic = "gate.logs"

// besideProgram builds the program of the fleet process beside the daemon.
var besideProgram = sync.OnceValue(func() error {
	bin, err := program()
	if err != nil {
		return err
	}
	if out, err := exec.Command("go", "build", "-o", filepath.Dir(bin)+"/", "../fwknopd-fleet").CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %v\n%s", err, out)
	}
	return nil
})

// kafkaSite returns a site that reads a topic of a broker inside of its network, and what writes
// records, each with its lines, to the topic.
func kafkaSite(t *testing.T) (s *site, produce func(records ...string)) {
	s = newSite(t, "nftables")
	if err := besideProgram(); err != nil {
		t.Fatal(err)
	}
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, kafkaTopic), kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-512", "edge1", "secret"),
		kfake.BrokerConfigs(map[string]string{"group.initial.rebalance.delay.ms": "0"}),
		kfake.ListenFn(func(network, address string) (l net.Listener, err error) {
			s.Server.Do(func() { l, err = net.Listen(network, address) })
			return l, err
		}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	s.write("kafka", "MECHANISM SCRAM-SHA-512\nUSER edge1\nPASSWORD secret\n")
	s.configure(fmt.Sprintf("INGEST KAFKA;\nKAFKA_BROKERS %s;\nKAFKA_TOPIC %s;\nKAFKA_TLS N;\nKAFKA_CREDENTIALS %s/kafka;\n",
		strings.Join(cluster.ListenAddrs(), ","), kafkaTopic, s.dir), knockStanza())
	auth := kgo.SASL(scram.Auth{User: "edge1", Pass: "secret"}.AsSha512Mechanism())
	return s, func(records ...string) {
		t.Helper()
		dial := func(ctx context.Context, network, host string) (c net.Conn, err error) {
			s.Server.Do(func() { c, err = (&net.Dialer{}).DialContext(ctx, network, host) })
			return c, err
		}
		cl, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.Dialer(dial), auth)
		if err != nil {
			t.Fatal(err)
		}
		defer cl.Close()
		for _, text := range records {
			if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: kafkaTopic, Value: []byte(text)}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestE2EKafka: lines of a topic knock as those of a file do, also those that come while the daemon
// does not run, and after the end of either process. What was decided by is not decided by again.
func TestE2EKafka(t *testing.T) {
	t.Parallel()
	s, produce := kafkaSite(t)
	s.launch()
	s.waitFor("the group fwknopd-")
	s.waitFor("reads here " + kafkaTopic + "/0")
	from := func(last int) netip.Addr { return netip.AddrFrom4([4]byte{10, 77, 0, byte(last)}) }
	knock := func(last int) []string { return strings.SplitAfter(strings.TrimSpace(kernelLines(from(last))), "\n") }
	opened := func(last int) { t.Helper(); s.waitForEvent("knock.granted", from(last).String()+`"`) }

	produce(kernelLines(s.Client.V4))
	if !s.open() {
		t.Fatal("not open")
	}
	produce(append([]string{"\x00\xff", strings.Repeat("x", 70_000)}, knock(51)...)...)
	opened(51)
	s.waitFor("line too long")

	for _, pid := range s.children("fwknopd-fleet") {
		syscall.Kill(pid, syscall.SIGKILL)
	}
	s.waitFor("the connection to the fleet process ended")
	produce(knock(52)...)
	opened(52)

	syscall.Kill(s.worker(), syscall.SIGKILL)
	produce(knock(53)...)
	opened(53)

	s.stop()
	produce(knock(54)...)
	s.launch()
	opened(54)
	for last := 51; last <= 54; last++ {
		n := 0
		for line := range strings.Lines(s.events()) {
			if strings.Contains(line, "knock.granted") && strings.Contains(line, from(last).String()+`"`) {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%s was granted %d times", from(last), n)
		}
	}
}

// TestE2EKafkaCredentials: wrong ones are said by the log and by status, and right ones are taken
// by a reload.
func TestE2EKafkaCredentials(t *testing.T) {
	t.Parallel()
	s, produce := kafkaSite(t)
	s.write("kafka", "MECHANISM SCRAM-SHA-512\nUSER edge1\nPASSWORD wrong\n")
	s.launch()
	s.waitFor("it may not accept KAFKA_CREDENTIALS")
	out, _ := s.command(append([]string{"status"}, s.args()...)...)
	if !strings.Contains(out, "it may not accept KAFKA_CREDENTIALS") || strings.Contains(out, "quorum") {
		t.Errorf("status:\n%s", out)
	}
	s.write("kafka", "MECHANISM SCRAM-SHA-512\nUSER edge1\nPASSWORD secret\n")
	s.reload()
	s.waitFor("reads here " + kafkaTopic + "/0")
	s.waitFor("reads from the end")
	produce(kernelLines(s.Client.V4))
	if !s.open() {
		t.Error("not open")
	}
	if text := s.out.String(); strings.Contains(text, "PASSWORD wrong") || strings.Contains(text, "secret") {
		t.Error("the log has a password")
	}
	if _, err := os.Stat(filepath.Join(s.dir, "lib", "positions")); err == nil {
		t.Error("a place in a topic was stored as one in a file")
	}
}
