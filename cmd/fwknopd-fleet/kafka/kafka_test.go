package kafka

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"fwknopd/cmd/fwknopd/fleetlink"
	"fwknopd/fixtures/wait"
)

const (
	topic = "gate.logs"
	group = "fwknopd-edge1"
)

// newCluster returns a broker whose groups need not wait for more members.
func newCluster(t *testing.T, partitions int32, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{
		kfake.NumBrokers(1), kfake.SeedTopics(partitions, topic),
		kfake.BrokerConfigs(map[string]string{"group.initial.rebalance.delay.ms": "0"}),
	}, opts...)...)
	ok(t, err)
	t.Cleanup(c.Close)
	return c
}

func confOf(c *kfake.Cluster) *fleetlink.Kafka {
	return &fleetlink.Kafka{Brokers: c.ListenAddrs(), Topics: []string{topic}, Group: group}
}

// A reader is a worker's end of a link, and what came on it.
type reader struct {
	t     *testing.T
	lines *fleetlink.Lines
	ended chan error // of Follow
	stop  context.CancelFunc

	got   []string // lines, with their places
	told  []string // notes and reasons
	away  string
	count uint64 // lines that were received
}

// follow follows for a worker.
func follow(t *testing.T, c *fleetlink.Kafka) *reader {
	t.Helper()
	ours, file, err := fleetlink.Pair()
	ok(t, err)
	theirs, err := fleetlink.Conn(file)
	ok(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	r := &reader{t: t, lines: fleetlink.NewLines(theirs), ended: make(chan error, 1), stop: cancel}
	go func() { r.ended <- Follow(ctx, c, ours) }()
	return r
}

// receive receives one message, or reports that none came by the deadline.
func (r *reader) receive(deadline time.Time) bool {
	r.t.Helper()
	ok(r.t, r.lines.SetReadDeadline(deadline))
	fed, err := r.lines.Receive()
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return false
	case err != nil:
		r.t.Fatal(err)
	case fed.Note != "":
		r.told = append(r.told, fed.Note)
	case len(fed.Records) == 0:
		r.away = fed.Away
		r.told = append(r.told, "away: "+fed.Away)
	}
	for _, rec := range fed.Records {
		r.count += rec.Lines()
		text := string(rec.Text)
		if rec.Long {
			text = "(long)"
		}
		for i, line := range strings.Split(text, "\n") {
			r.got = append(r.got, fmt.Sprintf("%s@%d:%d %s", fed.Name, rec.Offset, int(rec.First)+i, line))
		}
	}
	return true
}

// until receives until cond.
func (r *reader) until(what string, cond func() bool) {
	r.t.Helper()
	end := time.Now().Add(wait.Timeout)
	for !cond() {
		if !r.receive(end) {
			r.t.Fatalf("timed out waiting for: %s\ngot %q\ntold %q", what, r.got, r.told)
		}
	}
}

// want receives so many lines.
func (r *reader) want(lines ...string) {
	r.t.Helper()
	r.until(fmt.Sprint(lines), func() bool { return len(r.got) >= len(lines) })
	if !slices.Equal(r.got, lines) {
		r.t.Fatalf("got %q\nwant %q", r.got, lines)
	}
	r.got = nil
}

func (r *reader) joined() {
	r.t.Helper()
	r.until("the group is joined", func() bool { return slices.Contains(r.told, "away: ") })
}

// close ends the link as a worker that dies does.
func (r *reader) close() {
	r.t.Helper()
	r.lines.Close()
	select {
	case err := <-r.ended:
		ok(r.t, err)
	case <-time.After(wait.Timeout):
		r.t.Fatal("it goes on without a worker")
	}
}

// produce writes records in one batch, one for each text, to a partition.
func produce(t *testing.T, c *kfake.Cluster, partition int32, texts ...string) {
	t.Helper()
	records := make([]*kgo.Record, len(texts))
	for i, text := range texts {
		records[i] = &kgo.Record{Topic: topic, Partition: partition, Value: []byte(text)}
	}
	produceRecords(t, c, records...)
}

func produceRecords(t *testing.T, c *kfake.Cluster, records ...*kgo.Record) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ManualFlushing(),
		kgo.ProducerBatchMaxBytes(64<<20), kgo.ProducerBatchCompression(kgo.ZstdCompression()))
	ok(t, err)
	defer cl.Close()
	for _, r := range records {
		cl.Produce(t.Context(), r, func(_ *kgo.Record, err error) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	ok(t, cl.Flush(t.Context()))
}

// committed returns the place of the group in a partition, -1 if it has none.
func committed(t *testing.T, c *kfake.Cluster, partition int32) int64 {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...))
	ok(t, err)
	defer cl.Close()
	all, err := kadm.NewClient(cl).FetchOffsets(t.Context(), group)
	ok(t, err)
	if o, found := all.Lookup(topic, partition); found {
		return o.At
	}
	return -1
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestFollow: records come in order, and their place is committed when the worker has decided by
// all of their lines. What was not committed comes again.
func TestFollow(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	produce(t, c, 0, "old")
	r := follow(t, confOf(c))
	r.joined()
	wait.For(t, "the place to begin at is committed", func() bool { return committed(t, c, 0) == 1 })
	produce(t, c, 0, "a")
	r.want("gate.logs/0@1:0 a")
	r.lines.Commit(1)
	wait.For(t, "a is committed", func() bool { return committed(t, c, 0) == 2 })
	produce(t, c, 0, "b\nc\n", "d", "")
	want := []string{"gate.logs/0@2:0 b", "gate.logs/0@2:1 c", "gate.logs/0@3:0 d", "gate.logs/0@4:0 "}
	r.want(want...)
	r.lines.Commit(3) // b and c, but not d
	r.close()
	if at := committed(t, c, 0); at != 2 {
		t.Errorf("committed %d, want 2", at)
	}

	r = follow(t, confOf(c))
	r.want(want...)
	r.lines.Commit(r.count)
	r.joined()
	wait.For(t, "all is committed", func() bool { return committed(t, c, 0) == 5 })
	r.close()
	if text := strings.Join(r.told, "\n"); strings.Contains(text, "no place") {
		t.Error(text)
	}
}

// TestStart: a group without a place begins where KAFKA_START says, and says so. A partition that is
// newer than the group is read from its start.
func TestStart(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		earliest bool
		want     []string
		told     string
	}{
		{false, []string{"gate.logs/0@1:0 new"}, "from the end (KAFKA_START latest)"},
		{true, []string{"gate.logs/0@0:0 old"}, "from the start (KAFKA_START earliest)"},
	} {
		cluster := newCluster(t, 1)
		produce(t, cluster, 0, "old")
		conf := confOf(cluster)
		conf.Earliest = c.earliest
		r := follow(t, conf)
		r.joined()
		if !c.earliest {
			r.until("the end is known", func() bool { return strings.Contains(fmt.Sprint(r.told), c.told) })
			produce(t, cluster, 0, "new")
		}
		r.want(c.want...)
		if text := fmt.Sprint(r.told); !strings.Contains(text, "group "+group+" has no place in gate.logs/0, which it reads "+c.told) {
			t.Error(text)
		}
		r.lines.Commit(r.count)
		wait.For(t, "the line is committed", func() bool { return committed(t, cluster, 0) > 0 })
		r.close()

		morePartitions(t, cluster, 2)
		produce(t, cluster, 1, "in a new one")
		r = follow(t, conf)
		r.want("gate.logs/1@0:0 in a new one")
		r.close()
	}
}

func morePartitions(t *testing.T, c *kfake.Cluster, n int) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...))
	ok(t, err)
	defer cl.Close()
	_, err = kadm.NewClient(cl).UpdatePartitions(t.Context(), n, topic)
	ok(t, err)
}

// TestUnfit: lines that do not fit into a message are counted as too long, and records that do not
// are passed on in parts; neither keeps the next record from coming.
func TestUnfit(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	conf := confOf(c)
	conf.Earliest = true
	half := strings.Repeat("h", fleetlink.MaxLines/2)
	long := strings.Repeat("l", fleetlink.MaxLines+1)
	r := follow(t, conf)
	r.joined()
	produce(t, c, 0, "a\n"+half+"\n"+half+"\nb", long, "c\n"+long+"\nd", "\x00\xff")
	r.want("gate.logs/0@0:0 a", "gate.logs/0@0:1 "+half, "gate.logs/0@0:2 "+half, "gate.logs/0@0:3 b",
		"gate.logs/0@1:0 (long)", "gate.logs/0@2:0 c", "gate.logs/0@2:1 (long)", "gate.logs/0@2:2 d", "gate.logs/0@3:0 \x00\xff")
	r.lines.Commit(r.count)
	wait.For(t, "all is committed", func() bool { return committed(t, c, 0) == 4 })
	r.close()
}

// TestHugeBatch: a batch that is too large when it is unpacked is passed over, and said.
func TestHugeBatch(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, kfake.BrokerConfigs(map[string]string{"message.max.bytes": "67108864", "group.initial.rebalance.delay.ms": "0"}))
	produceRecords(t, c, &kgo.Record{Topic: topic, Value: bytes.Repeat([]byte("0"), maxResponse+1)})
	produce(t, c, 0, "behind it")
	conf := confOf(c)
	conf.Earliest = true
	r := follow(t, conf)
	r.want("gate.logs/0@1:0 behind it")
	if text := fmt.Sprint(r.told); !strings.Contains(text, "gate.logs/0@0: records are passed over, up to 0") {
		t.Error(text)
	}
	r.close()
}

// TestManyUndecided: no more is sent than the worker decides by.
func TestManyUndecided(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	conf := confOf(c)
	conf.Earliest = true
	var texts []string
	for range 2 * maxUndecided {
		texts = append(texts, strings.Repeat("x", fleetlink.MaxLines))
	}
	produce(t, c, 0, texts...)
	r := follow(t, conf)
	r.until("many came", func() bool { return len(r.got) >= 3 })
	if more := wait.Until(500*time.Millisecond, func() bool {
		r.receive(time.Now().Add(50 * time.Millisecond))
		return len(r.got) > maxUndecided
	}); more {
		t.Errorf("%d messages came without an answer", len(r.got))
	}
	for len(r.got) < len(texts) {
		r.lines.Commit(r.count)
		r.receive(time.Now().Add(wait.Timeout))
	}
	r.close()
}

// TestBrokerRestart: while no broker answers the worker is told, and then reading goes on.
func TestBrokerRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	port := freePort(t)
	start := func() *kfake.Cluster { return newCluster(t, 1, kfake.Ports(port), kfake.DataDir(dir)) }
	c := start()
	conf := confOf(c)
	conf.Earliest = true // where the end is it may learn later
	r := follow(t, conf)
	r.joined()
	produce(t, c, 0, "a")
	r.want("gate.logs/0@0:0 a")
	r.lines.Commit(1)
	wait.For(t, "a is committed", func() bool { return committed(t, c, 0) == 1 })
	c.Close()
	r.until("the worker is told", func() bool { return strings.Contains(r.away, "refused") })
	c = start()
	produce(t, c, 0, "b")
	r.want("gate.logs/0@1:0 b")
	r.lines.Commit(2)
	wait.For(t, "b is committed", func() bool { return committed(t, c, 0) == 2 })
	r.until("the worker is told", func() bool { return r.away == "" })
	r.close()
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ok(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// TestRebalance: a second member takes partitions over where the first one has decided, and gives
// them back when it ends; no line is lost, and none that was decided by comes again.
func TestRebalance(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2)
	conf := confOf(c)
	conf.Earliest = true
	one := follow(t, conf)
	one.joined()
	both := func(text string) {
		produce(t, c, 0, text)
		produce(t, c, 1, text)
	}
	both("a")
	one.until("both partitions", func() bool { one.lines.Commit(one.count); return len(one.got) == 2 })

	two := follow(t, conf)
	readers := []*reader{one, two}
	assigned := func(n int) {
		t.Helper()
		info := func() bool {
			for _, r := range readers {
				r.receive(time.Now().Add(20 * time.Millisecond))
				r.lines.Commit(r.count)
			}
			g := c.GroupInfo(group)
			return g != nil && len(g.Members) == n && g.State == "Stable"
		}
		wait.For(t, fmt.Sprintf("a group of %d", n), info)
	}
	assigned(2)
	both("b")
	got := func() []string { return append(slices.Clone(one.got), two.got...) }
	wait.For(t, "b of both partitions", func() bool {
		for _, r := range readers {
			r.receive(time.Now().Add(20 * time.Millisecond))
			r.lines.Commit(r.count)
		}
		return len(got()) == 4
	})
	wait.For(t, "b is committed", func() bool { return committed(t, c, 0) == 2 && committed(t, c, 1) == 2 })
	if len(two.got) != 1 {
		t.Errorf("the second member got %q", two.got)
	}
	readers = readers[:1]
	two.close()
	assigned(1)
	both("c")
	one.until("c of both partitions", func() bool { one.lines.Commit(one.count); return len(got()) == 6 })
	lines := got()
	slices.Sort(lines)
	if want := []string{"gate.logs/0@0:0 a", "gate.logs/0@1:0 b", "gate.logs/0@2:0 c", "gate.logs/1@0:0 a", "gate.logs/1@1:0 b", "gate.logs/1@2:0 c"}; !slices.Equal(lines, want) {
		t.Errorf("got %q", lines)
	}
	one.close()
}

// TestCredentials: the worker is told that they are wrong; right ones are taken by each mechanism.
func TestCredentials(t *testing.T) {
	t.Parallel()
	real := newCluster(t, 1, kfake.EnableSASL())
	real.ControlKey(int16(kmsg.SASLAuthenticate), func(req kmsg.Request) (kmsg.Response, error, bool) {
		real.KeepControl()
		resp := req.ResponseKind().(*kmsg.SASLAuthenticateResponse)
		resp.ErrorCode = kerr.SaslAuthenticationFailed.Code
		return resp, nil, true
	})
	c := newCluster(t, 1, kfake.EnableSASL(), kfake.Superuser("PLAIN", "edge1", "secret"),
		kfake.Superuser("SCRAM-SHA-256", "edge1", "secret"), kfake.Superuser("SCRAM-SHA-512", "edge1", "secret"))
	for _, m := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		for broker, says := range map[*kfake.Cluster]string{c: "it may not accept KAFKA_CREDENTIALS", real: "SASL_AUTHENTICATION_FAILED"} {
			conf := confOf(broker)
			conf.Mechanism, conf.User, conf.Password = m, "edge1", "wrong"
			if broker == real && m != "PLAIN" {
				continue
			}
			r := follow(t, conf)
			r.until(m+" is refused", func() bool { return strings.Contains(r.away, says) })
			r.close()
		}
		conf := confOf(c)
		conf.Mechanism, conf.User, conf.Password = m, "edge1", "secret"
		r := follow(t, conf)
		r.joined()
		r.close()
	}
}

// TestTLS: brokers are verified by the certificates of KAFKA_TLS.
func TestTLS(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(nil) // has a certificate for 127.0.0.1
	defer server.Close()
	c := newCluster(t, 1, kfake.TLS(&tls.Config{Certificates: server.TLS.Certificates}))
	conf := confOf(c)
	conf.TLS = true
	r := follow(t, conf)
	r.until("an unknown authority", func() bool { return strings.Contains(r.away, "certificate signed by unknown authority") })
	r.close()
	conf.CA = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	r = follow(t, conf)
	r.joined()
	r.close()
	conf.CA = []byte("none")
	r = follow(t, conf)
	r.until("no certificate", func() bool { return strings.Contains(r.away, "has no certificate") })
	if err := <-r.ended; err == nil {
		t.Error("no error")
	}
}

// TestMissingTopic: the worker is told of a topic that does not exist; it is read when it does.
func TestMissingTopic(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	conf := confOf(c)
	conf.Topics, conf.Earliest = []string{"gate.other", topic}, true
	produce(t, c, 0, "a")
	r := follow(t, conf)
	r.want("gate.logs/0@0:0 a")
	r.until("the topic is missing", func() bool { return strings.Contains(fmt.Sprint(r.told), "gate.other") })
	r.close()
}
