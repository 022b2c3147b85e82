// Package kafka reads log lines from topics of Kafka and passes them on to the worker, which decides
// by them as by the lines of a log file. What the group has read is committed at the brokers when
// the worker says that its decisions are durable, so that no line is lost; after a crash some lines
// come again.
//
// Entry point: [Follow], for each link of a worker.
package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"fwknopd/cmd/fwknopd/fleetlink"
)

// Bounds of what is in memory.
const (
	maxFetch      = 4 << 20  // bytes asked of a broker at a time; one record may be longer
	maxResponse   = 32 << 20 // bytes of an answer, and of a batch that is unpacked
	maxPoll       = 1024     // records that are taken at a time
	maxUndecided  = 16       // messages to the worker that it has not answered
	commitEvery   = time.Second
	sessionLength = 10 * time.Second       // after which the group takes a member for dead
	metadataAge   = time.Minute            // how long a new topic or partition may stay unnoticed
	leaveTime     = 800 * time.Millisecond // to commit and to leave the group at the end, for which the monitor waits a second
)

// Follow reads the topics for the worker at the other end of conn, which it takes over, until ctx is
// done or the worker closes its end. It tells the worker what keeps it from reading, and tries again
// for ever. The error is that of a configuration that cannot be used, or of a worker that breaks the
// protocol.
func Follow(ctx context.Context, c *fleetlink.Kafka, conn *net.UnixConn) error {
	out := fleetlink.NewLineSender(conn)
	defer out.Close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	f := &follower{conf: c, out: out, health: newHealth(out), done: make(chan uint64, 1)}
	opts, err := f.options(ctx)
	if err != nil {
		out.Away(err.Error())
		return err
	}
	if _, err := kgo.NewClient(opts...); err != nil {
		out.Away(err.Error())
		return err
	}
	var helpers sync.WaitGroup
	helpers.Go(func() { f.listen(ctx, cancel) })
	helpers.Go(func() { f.watchTopics(ctx) })
	cancel(f.run(ctx))
	helpers.Wait()
	f.leave()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) && !fleetlink.HungUp(cause) {
		return cause
	}
	return nil
}

// options returns the options of the client.
func (f *follower) options(ctx context.Context) ([]kgo.Opt, error) {
	c := f.conf
	opts := []kgo.Opt{
		kgo.WithContext(context.WithoutCancel(ctx)), // it commits when ctx is done
		kgo.SeedBrokers(c.Brokers...), kgo.ClientID("fwknopd"), kgo.SoftwareNameAndVersion("fwknopd", "1"),
		kgo.DisableClientMetrics(),
		kgo.ConsumeTopics(c.Topics...), kgo.ConsumerGroup(c.Group),
		// A place that the broker does not have any more is followed by all that it has.
		kgo.ConsumeStartOffset(unread), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.AdjustFetchOffsetsFn(f.adjust),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.BlockRebalanceOnPoll(), kgo.AutoCommitMarks(), kgo.AutoCommitInterval(commitEvery),
		kgo.SessionTimeout(sessionLength), kgo.MetadataMaxAge(metadataAge),
		kgo.OnPartitionsAssigned(f.assigned), kgo.WithHooks(f, f.health),
		kgo.FetchMaxBytes(maxFetch), kgo.FetchMaxPartitionBytes(maxFetch / 4), kgo.MaxConcurrentFetches(1),
		kgo.BrokerMaxReadBytes(maxResponse), kgo.MaxDecompressBatchBytes(maxResponse),
	}
	if c.TLS {
		roots, err := roots(c.CA)
		if err != nil {
			return nil, err
		}
		opts = append(opts, kgo.DialTLSConfig(&tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}))
	}
	if c.Mechanism != "" {
		m, err := mechanism(c)
		if err != nil {
			return nil, err
		}
		opts = append(opts, kgo.SASL(m))
	}
	return opts, nil
}

// roots returns the certificates in text (PEM), nil for those of the system if there is none.
func roots(text []byte) (*x509.CertPool, error) {
	if len(text) == 0 {
		return nil, nil
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, errors.New("the file of KAFKA_TLS has no certificate")
	}
	return pool, nil
}

func mechanism(c *fleetlink.Kafka) (sasl.Mechanism, error) {
	switch c.Mechanism {
	case "PLAIN":
		return plain.Auth{User: c.User, Pass: c.Password}.AsMechanism(), nil
	case "SCRAM-SHA-256":
		return scram.Auth{User: c.User, Pass: c.Password}.AsSha256Mechanism(), nil
	case "SCRAM-SHA-512":
		return scram.Auth{User: c.User, Pass: c.Password}.AsSha512Mechanism(), nil
	}
	return nil, fmt.Errorf("no SASL mechanism %q", c.Mechanism)
}

// A follower reads for one worker.
type follower struct {
	conf   *fleetlink.Kafka
	client *kgo.Client
	out    *fleetlink.LineSender
	health *health
	done   chan uint64 // has the number of lines that the worker said last

	lines     uint64      // sent
	undecided []undecided // oldest first
}

// An undecided message is one that the worker has not answered.
type undecided struct {
	lines uint64      // up to its end
	last  *kgo.Record // that it completes; nil: none
}

// OnNewClient implements kgo.HookNewClient.
func (f *follower) OnNewClient(client *kgo.Client) { f.client = client }

// listen takes what the worker says, and cancels with the reason when it says no more.
func (f *follower) listen(ctx context.Context, cancel context.CancelCauseFunc) {
	defer context.AfterFunc(ctx, func() { f.out.Close() })()
	for {
		n, err := f.out.Done()
		if err != nil {
			cancel(err)
			return
		}
		select {
		case f.done <- n:
		case <-f.done: // which n includes
			f.done <- n
		}
	}
}

// run reads until ctx is done, or the worker cannot be reached. The group cannot move partitions away while lines of them are
// undecided.
func (f *follower) run(ctx context.Context) error {
	for {
		fetches := f.client.PollRecords(ctx, maxPoll)
		if err := ctx.Err(); err != nil {
			return err
		}
		f.failed(fetches)
		err := f.pass(ctx, fetches)
		for err == nil && len(f.undecided) > 0 {
			err = f.decide(ctx)
		}
		f.client.AllowRebalance()
		if err != nil {
			return err
		}
	}
}

// failed deals with the partitions that could not be read.
func (f *follower) failed(fetches kgo.Fetches) {
	fetches.EachError(func(topic string, partition int32, err error) {
		if tooLarge, ok := errors.AsType[*kgo.ErrDecompressTooLarge](err); ok {
			f.out.Note(fmt.Sprintf("%s@%d: records are passed over, up to %d: they are larger than %d bytes when they are unpacked",
				partitionName(topic, partition), tooLarge.Offset, tooLarge.NextOffset-1, maxResponse))
			f.client.SetOffsets(map[string]map[int32]kgo.EpochOffset{topic: {partition: {Epoch: tooLarge.Epoch, Offset: tooLarge.NextOffset}}})
			return
		}
		f.health.set(partitionName(topic, partition), err)
	})
}

// pass passes the records on.
func (f *follower) pass(ctx context.Context, fetches kgo.Fetches) (err error) {
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		if len(p.Records) == 0 || err != nil {
			return
		}
		name := partitionName(p.Topic, p.Partition)
		f.health.set(name, nil)
		for m := range messages(p.Records) {
			if err = f.send(ctx, name, m); err != nil {
				return
			}
		}
	})
	return err
}

// send sends a message, for which the worker has to have answered others.
func (f *follower) send(ctx context.Context, name string, m message) error {
	for len(f.undecided) >= maxUndecided {
		if err := f.decide(ctx); err != nil {
			return err
		}
	}
	for i := range m.parts {
		f.lines += m.parts[i].Lines()
	}
	f.undecided = append(f.undecided, undecided{f.lines, m.last})
	return f.out.Send(name, m.parts)
}

// decide waits until the worker has decided by more lines, and has what they complete committed.
func (f *follower) decide(ctx context.Context) error {
	select {
	case n := <-f.done:
		f.decided(n)
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// decided has committed what the first n lines complete.
func (f *follower) decided(n uint64) {
	for len(f.undecided) > 0 && f.undecided[0].lines <= n {
		if last := f.undecided[0].last; last != nil {
			f.client.MarkCommitRecords(last)
		}
		f.undecided = f.undecided[1:]
	}
}

// leave commits, leaves the group and closes the client.
func (f *follower) leave() {
	select {
	case n := <-f.done: // the last words of the worker
		f.decided(n)
	default:
	}
	ctx, cancel := context.WithTimeout(context.Background(), leaveTime)
	defer cancel()
	f.client.AllowRebalance()
	_ = f.client.LeaveGroupContext(ctx) // without it the group waits for the end of the session
	f.client.Close()
}

// assigned notes which partitions are read.
func (f *follower) assigned(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
	f.health.join()
	if names := namesOf(partitions); len(names) > 0 {
		f.out.Note("the group " + f.conf.Group + " reads here " + some(names))
	}
}

// watchTopics tells the worker of topics that cannot be read, until ctx is done.
func (f *follower) watchTopics(ctx context.Context) {
	admin := kadm.NewClient(f.client)
	for ctx.Err() == nil {
		topics, err := admin.ListTopics(ctx, f.conf.Topics...)
		if err == nil { // else no broker answers, which is told already
			for _, t := range topics {
				f.health.set(t.Topic, t.Err)
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(metadataAge):
		}
	}
}

func partitionName(topic string, partition int32) string {
	return fmt.Sprintf("%s/%d", topic, partition)
}

// namesOf returns the names of partitions by topic, sorted.
func namesOf(partitions map[string][]int32) (names []string) {
	for topic, list := range partitions {
		for _, p := range list {
			names = append(names, partitionName(topic, p))
		}
	}
	slices.Sort(names)
	return names
}
