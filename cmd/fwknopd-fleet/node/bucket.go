package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"fwknopd/cmd/fwknopd/fleetlink"
)

const (
	// skew is by how much the clocks of members, and a message's time and the clock, may differ
	// without harm.
	skew = 30 * time.Second

	bucketName  = "fwknop_claims"
	streamName  = "KV_" + bucketName
	keys        = "$KV." + bucketName + "."
	termsKey    = keys + "fleet"  // what the bucket promises
	probeKeys   = keys + "probe." // and a name: written to see whether there is a quorum
	inboxPrefix = "_INBOX_fwknop_"
	maxBytes    = 256 << 20 // of claims; none is forgotten for want of room: further ones fail
)

// bucketConfig is the stream of a key-value bucket of claims, which `nats kv` can list too.
// Reads are answered by the leader alone: another member may not know of the last claim yet.
//
// A claim whose time has come is replaced by a mark that stays as long again and refuses as a
// claim does: a leader whose clock jumps ahead forgets nothing. Marks also have the leader
// alone end claims, for all. Where a subject may have more than one message, the server has none end
// sooner than a mark would: a gateway that may publish can put in the place of a claim what leaves no
// mark, which then refuses for as long as the claim would have.
func bucketConfig(bound time.Duration) jetstream.StreamConfig {
	marks := lifetime(cmp.Or(bound, maxBound))
	return jetstream.StreamConfig{
		Name: streamName, Subjects: []string{keys + ">"}, Description: "claims of messages of a fleet of fwknopd",
		Storage: jetstream.FileStorage, MaxMsgsPerSubject: 2, MaxBytes: maxBytes, MaxMsgSize: maxValue,
		Discard: jetstream.DiscardNew, DenyDelete: true, AllowRollup: true, AllowMsgTTL: true, SubjectDeleteMarkerTTL: marks,
	}
}

// lifetime is how long a claim lives, from its message's time or the clock, whichever is
// later: as long as the clocks and the age limits of two members let both accept it.
func lifetime(bound time.Duration) time.Duration { return 2*bound + skew }

// FindOrMake returns a stream with the settings of want, and makes it if there is none. One with other
// settings that matter is an error; the number of its replicas is for the caller to judge.
func FindOrMake(ctx context.Context, js jetstream.JetStream, want jetstream.StreamConfig) (jetstream.Stream, error) {
	s, err := js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		s, err = js.CreateStream(ctx, want)
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another member was first
			s, err = js.Stream(ctx, want.Name)
		}
	}
	if isUnplaced(err) {
		return nil, fmt.Errorf("%s is not there yet: to make it takes %d members at once", want.Name, want.Replicas)
	}
	if err != nil {
		return nil, err
	}
	return s, differs(s.CachedInfo().Config, want)
}

// isUnplaced reports whether too few servers are there for a stream.
func isUnplaced(err error) bool {
	const noPeers = 10005 // of server/errors.json
	var api *jetstream.APIError
	return errors.As(err, &api) && api.ErrorCode == noPeers
}

// differs returns an error that names the settings in which a stream is not what is wanted.
func differs(have, want jetstream.StreamConfig) error {
	for _, c := range []struct {
		same bool
		text string
	}{
		{have.AllowMsgTTL || !want.AllowMsgTTL, "messages cannot have an end of their own (allow_msg_ttl): that takes NATS 2.11.10 or later"},
		{have.SubjectDeleteMarkerTTL > 0 || want.SubjectDeleteMarkerTTL == 0, "what has ended leaves no mark (subject_delete_marker_ttl)"},
		{have.Storage == want.Storage, fmt.Sprintf("storage is %v in place of %v", have.Storage, want.Storage)},
		{slices.Equal(have.Subjects, want.Subjects), fmt.Sprintf("subjects are %q in place of %q", have.Subjects, want.Subjects)},
		{have.MaxMsgsPerSubject == want.MaxMsgsPerSubject, fmt.Sprintf("max_msgs_per_subject is %d in place of %d",
			have.MaxMsgsPerSubject, want.MaxMsgsPerSubject)},
		{have.Discard == want.Discard, "it forgets what is old for want of room (discard)"},
		{have.MaxAge == 0 || have.MaxAge == want.MaxAge, fmt.Sprintf("max_age is %v", have.MaxAge)},
		{have.MaxMsgs <= 0 || have.MaxMsgs == want.MaxMsgs, fmt.Sprintf("max_msgs is %d", have.MaxMsgs)},
		{have.Retention == want.Retention, fmt.Sprintf("retention is %v in place of %v", have.Retention, want.Retention)},
		{have.AllowDirect == want.AllowDirect, "members that do not lead answer reads (allow_direct)"},
		{have.DenyDelete || !want.DenyDelete, "messages can be deleted (deny_delete)"},
	} {
		if !c.same {
			return fmt.Errorf("stream %s has the wrong settings: %s", want.Name, c.text)
		}
	}
	return nil
}

// The terms are the record that a bucket begins with. A bucket that has lost it has lost claims.
type terms struct {
	termsValue
	revision  uint64
	beginning time.Time // of the bucket, by the clock of the fleet
}

// A termsValue is what is stored of them.
type termsValue struct {
	V     uint8         // 1
	Bound time.Duration // how old a message may be at any gateway; 0: any age, and claims have no end
	By    string        // the member that made the bucket
}

// maxBound is the largest MAX_SPA_PACKET_AGE that fwknopd.conf takes, and more.
const maxBound = 1000 * 24 * time.Hour

// errNotBegun is why a witness says that there are no claims.
var errNotBegun = errors.New("no gateway of the fleet has begun its claims yet")

// findTerms returns the bucket and its terms; a gateway makes them where there are none.
func (n *Node) findTerms(ctx context.Context) (jetstream.Stream, *terms, error) {
	s, err := n.findBucket(ctx)
	if err != nil {
		return nil, nil, err
	}
	record, err := s.GetLastMsgForSubject(ctx, termsKey)
	if errors.Is(err, jetstream.ErrMsgNotFound) && !n.cfg.Witness {
		if _, err := n.create(ctx, termsKey, encode(termsValue{1, n.cfg.MaxAge, n.cfg.Name}), 0); err != nil && !isTaken(err) {
			return nil, nil, err
		}
		record, err = s.GetLastMsgForSubject(ctx, termsKey)
	}
	if err != nil {
		return nil, nil, err
	}
	t := &terms{revision: record.Sequence, beginning: record.Time}
	if err := decode(record.Data, &t.termsValue); err != nil || t.V != 1 || t.Bound < 0 || t.Bound > maxBound {
		return nil, nil, fmt.Errorf("the bucket's record of its terms is damaged (%s)", termsKey)
	}
	if marks := s.CachedInfo().Config.SubjectDeleteMarkerTTL; t.Bound > 0 && marks < lifetime(t.Bound) {
		return nil, nil, fmt.Errorf("stream %s has the wrong settings: subject_delete_marker_ttl is %v, less than %v", streamName, marks, lifetime(t.Bound))
	}
	return s, t, nil
}

// findBucket returns the bucket; a gateway makes it where there is none.
func (n *Node) findBucket(ctx context.Context) (jetstream.Stream, error) {
	if !n.cfg.Witness {
		return n.Stream(ctx, bucketConfig(n.cfg.MaxAge))
	}
	s, err := n.js.Stream(ctx, streamName)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, errNotBegun
	}
	return s, err
}

// accepts returns an error if this gateway accepts messages for longer than the fleet keeps claims.
func (t *terms) accepts(cfg fleetlink.Config) error {
	switch {
	case t.Bound == 0 || cfg.Witness || cfg.MaxAge > 0 && cfg.MaxAge <= t.Bound:
		return nil
	case cfg.MaxAge == 0:
		return fmt.Errorf("this gateway accepts messages of any age, the fleet of %v at most, as %s had it", t.Bound, t.By)
	}
	return fmt.Errorf("MAX_SPA_PACKET_AGE is %v here, more than the %v of the fleet, as %s had it", cfg.MaxAge, t.Bound, t.By)
}
