package node

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"fwknopd/cmd/fwknopd/codec"
	"fwknopd/cmd/fwknopd/fleetlink"
)

// Announcements are in a stream, from which a gateway that was cut off hears what it missed. One
// gateway's push out no other's.
const (
	announceStream   = "fwknop_announced"
	announceSubjects = "fwknop.announced." // and the group, a dot, and the gateway
	announceAge      = time.Hour           // no claim of a usual fleet is stored longer
	maxAnnounced     = 1024                // of one gateway
	maxAnnouncement  = fleetlink.MaxPayload + 512
	announceBytes    = 64 << 20
	maxUnpublished   = 256 // wait for a leader
)

var announceConfig = jetstream.StreamConfig{
	Name: announceStream, Subjects: []string{announceSubjects + "*.*"}, Description: "messages that gateways of groups of fwknopd have honoured",
	Storage: jetstream.FileStorage, MaxMsgsPerSubject: maxAnnounced, MaxBytes: announceBytes, MaxMsgSize: maxAnnouncement,
	MaxAge: announceAge, Duplicates: 2 * time.Minute, Discard: jetstream.DiscardOld, DenyDelete: true,
}

// announcer publishes what this gateway has honoured, in order.
type announcer struct{ queue chan fleetlink.Announcement }

func newAnnouncer() announcer {
	return announcer{make(chan fleetlink.Announcement, maxUnpublished)}
}

// Announce implements [fleetlink.Announcer]. While there is no leader announcements wait, each until
// its grant ends.
func (n *Node) Announce(a fleetlink.Announcement) {
	if n.cfg.Group == "" {
		return
	}
	select {
	case n.announcer.queue <- a:
	default:
		n.logSome("an announcement is dropped: %d wait for a leader of the fleet", maxUnpublished)
	}
}

// announce publishes announcements until ctx ends.
func (n *Node) announce(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case a := <-n.announcer.queue:
			n.publish(ctx, &a)
		}
	}
}

// patience is how often something fails in succession until it is logged. That there is no quorum is told
// elsewhere.
const patience = 10

// publish publishes one announcement, and again until it is stored or its grant ends.
func (n *Node) publish(ctx context.Context, a *fleetlink.Announcement) {
	text, err := codec.Encode(nil, *a)
	if err != nil {
		n.logSome("an announcement is dropped: %v", err)
		return
	}
	if err := n.store(ctx, announceConfig, announceSubjects+n.cfg.Group+"."+n.cfg.Name, text, a.End, "announcements"); err != nil && ctx.Err() == nil {
		n.logSome("an announcement is dropped, as its grant has ended: %s", Reason(err))
	}
}

var errEnded = errors.New("it has ended")

// store publishes to a stream of the fleet, and again until that has the message; the error is why it has not
// by a time. The id by which the stream knows the message again is random: under one that can be foreseen,
// another gateway could publish first.
func (n *Node) store(ctx context.Context, stream jetstream.StreamConfig, subject string, text []byte, until time.Time, what string) error {
	why, id := errEnded, rand.Text()
	for tries := 1; n.now().Before(until); tries++ {
		try, cancel := context.WithTimeout(ctx, answerTime)
		_, err := n.js.Publish(try, subject, text, jetstream.WithMsgID(id), jetstream.WithRetryAttempts(0))
		if err != nil && ctx.Err() == nil {
			if _, missing := n.Stream(try, stream); missing != nil { // it may have to be made
				err = missing
			}
			if why = err; tries == patience && Reason(err) != NoQuorum {
				n.logSome("%s are not stored: %s", what, Reason(err))
			}
		}
		cancel()
		if err == nil {
			return nil
		}
		if !Pause(ctx, retryEvery) {
			return ctx.Err()
		}
	}
	return why
}

// announcements returns the stream of announcements, and makes it where there is none.
func (n *Node) announcements(ctx context.Context) (jetstream.Stream, error) {
	return n.Stream(ctx, announceConfig)
}

// Pause waits, and reports whether ctx goes on.
func Pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// announcedBy returns the gateway that may publish on a subject of the group; "" for none of the others.
func (n *Node) announcedBy(subject string) string {
	name, ok := strings.CutPrefix(subject, announceSubjects+n.cfg.Group+".")
	if !ok || !n.isOther(name) {
		return ""
	}
	return name
}

// isOther reports whether a name can be that of another member.
func (n *Node) isOther(name string) bool {
	if !validName(name) || name == n.cfg.Name {
		return false
	}
	if len(n.cfg.Servers) > 0 {
		return true
	}
	for _, m := range members(n.cfg) {
		if m.Name == name {
			return true
		}
	}
	return false
}

// logSome logs a few lines a minute.
func (n *Node) logSome(format string, args ...any) {
	if n.logLimit.Allow() {
		n.log(fmt.Sprintf(format, args...))
	}
}
