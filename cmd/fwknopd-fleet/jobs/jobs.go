// Package jobs has archives of logs and captures read by many processes: a [Submitter] cuts them into
// segments, which lie in a work queue of JetStream until a [Worker] takes them; the workers put what
// they find into an object store, and the Submitter merges it, in the order of the segments, into the
// report that `fwknopd --os` gives. A [Server] is a NATS server of a job of its own.
//
// A segment may be read more than once; only one result of it counts.
package jobs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"fwknopd/cmd/fwknopd-fleet/node"
	"fwknopd/ingest"
)

// Names of NATS.
const (
	segmentStream  = "fwknopd-segments"    // the work queue of all jobs
	segmentSubject = "fwknopd.segments."   // and the job
	endSubject     = "fwknopd.jobs.ended"  // said by a [Server] whose job is done
	workers        = "workers"             // the consumer that all workers share
	bucketPrefix   = "fwknopd-job-"        // and the job: its spec and the results
	inputPrefix    = "fwknopd-input-"      // and the job: what is uploaded of its files
	specObject     = "spec"                // in the bucket
	inboxPrefix    = "_INBOX_fwknopd_jobs" // of workers and submitters
)

const (
	// ackWait is after how long without a sign of life a segment is given to another worker.
	ackWait = 10 * time.Second
	// maxDeliveries is how often a segment is given to workers that end without a word.
	maxDeliveries = 5
	// dialTime bounds how long connecting takes.
	dialTime = 10 * time.Second
	// maxResult bounds the result of a segment, in bytes.
	maxResult = 1 << 30
	// maxSpec bounds the spec, most of which are signatures.
	maxSpec = 64 << 20
	// maxReason bounds why a segment was not read.
	maxReason = 1 << 10
)

// A segment is what a worker is given.
type segment struct {
	Job    string
	Seed   [2]uint64 // of its spec: another one where a job that was done is submitted once more
	Number int       // in the job, from 0
	File   source
	ingest.Segment
}

// A source is a file as the submitter has seen it.
type source struct {
	Path  string // as workers call it: absolute, or below the folder of --root, or s3://BUCKET/KEY
	Size  int64
	Mtime int64  // Unix ns
	Head  []byte // SHA-256 of the first headSize bytes
	ETag  string `json:",omitempty"` // of an object of S3-like storage, in place of Head
}

// result returns the name of the object with the result of a segment.
func resultName(number int) string { return fmt.Sprintf("result-%d", number) }

// resultNumber is the reverse of resultName; false for another object.
func resultNumber(name string) (n int, ok bool) {
	digits, ok := strings.CutPrefix(name, "result-")
	if _, err := fmt.Sscanf(digits, "%d", &n); err != nil || !ok || n < 0 || resultName(n) != name {
		return 0, false
	}
	return n, true
}

// jobID names a job: the same spec, but for its time, and the same files in the same order.
func jobID(s *spec, files []source) (string, error) {
	timeless := *s
	timeless.Now = time.Time{}
	text, err := json.Marshal(struct {
		Spec  *spec
		Files []source
	}{&timeless, files})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16]), nil
}

// makeQueue makes the work queue and its consumer where they are missing. JetStream that does not answer
// yet, as just after its server was started or while a cluster elects a leader, is asked again for dialTime.
func makeQueue(ctx context.Context, js jetstream.JetStream, replicas int) (jetstream.Stream, error) {
	for asked := time.Now(); ; node.Pause(ctx, retryWait) {
		stream, err := findQueue(ctx, js, replicas)
		if err == nil {
			return stream, nil
		}
		if node.Reason(err) != node.NoQuorum || time.Since(asked) > dialTime || ctx.Err() != nil {
			return nil, fmt.Errorf("work queue: %w", err)
		}
	}
}

func findQueue(ctx context.Context, js jetstream.JetStream, replicas int) (jetstream.Stream, error) {
	stream, err := node.FindOrMake(ctx, js, jetstream.StreamConfig{
		Name: segmentStream, Subjects: []string{segmentSubject + "*"}, Description: "segments of archives for fwknopd fleet work",
		Retention: jetstream.WorkQueuePolicy, Replicas: replicas, MaxMsgsPerSubject: -1,
	})
	if err != nil {
		return nil, err
	}
	_, err = stream.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: workers, AckPolicy: jetstream.AckExplicitPolicy, AckWait: ackWait, MaxDeliver: -1, MaxAckPending: -1,
	})
	return stream, err
}

// makeBucket makes an object store of a job where it is missing.
func makeBucket(ctx context.Context, js jetstream.JetStream, name string, replicas int) (jetstream.ObjectStore, error) {
	bucket, err := js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{
		Bucket: name, Description: "of a job of fwknopd fleet submit", Replicas: replicas,
	})
	if errors.Is(err, jetstream.ErrBucketExists) {
		return js.ObjectStore(ctx, name)
	}
	return bucket, err
}

// connect connects for as long as the context lives; say gets what goes wrong on the way.
func connect(ctx context.Context, servers string, say func(string), options ...nats.Option) (*nats.Conn, error) {
	options = append([]nats.Option{
		nats.Name("fwknopd fleet"), nats.CustomInboxPrefix(inboxPrefix), nats.MaxReconnects(-1), nats.ReconnectWait(time.Second),
		nats.Timeout(dialTime),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil && ctx.Err() == nil {
				say(fmt.Sprintf("NATS: %v; connects again", err))
			}
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			if ctx.Err() == nil {
				say(fmt.Sprintf("NATS: %v", err))
			}
		}),
	}, options...)
	nc, err := nats.Connect(servers, options...)
	if err != nil {
		return nil, fmt.Errorf("NATS: %w", err)
	}
	return nc, nil
}
