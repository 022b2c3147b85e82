package monitor

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"time"

	"fwknopd/enforce"
)

// A Digest is what a worker has recorded of one message. It holds no text of the worker,
// and no time by the worker's clock.
type Digest struct {
	Key      [sha256.Size]byte // of the decrypted message
	Wire     [sha256.Size]byte // of the message as received; zero: there is none
	Sent     int64             // the client's time stamp in Unix seconds, at most [MaxSent]; 0: none
	Src, Dst netip.AddrPort    // without zones; zero: unknown
	Proto    uint8
}

// MaxSent is the last time stamp that a journal can express: the end of the year 9999.
const MaxSent = 253402300799

// Limits of the digests request.
const (
	digestsPerFrame = 12   // fit into maxFrame at their greatest length
	maxDigests      = 1024 // in one commit
)

// wireDigests is the body of digests: some of the records of one commit.
type wireDigests struct {
	Records []wireDigest `json:"records"`
	More    bool         `json:"more,omitempty"` // the commit has more, in the next request
}

type wireDigest struct {
	Key   []byte         `json:"key"`
	Wire  []byte         `json:"wire,omitempty"`
	Sent  int64          `json:"sent,omitempty"`
	Src   netip.AddrPort `json:"src"`
	Dst   netip.AddrPort `json:"dst"`
	Proto uint8          `json:"proto"`
}

// A Commit is the writing of digests to the journal, which may not have ended.
type Commit struct {
	id     uint64 // of the request; 0: it could not be sent
	result chan error
}

// Wait returns when the digests are on disk. It is called once.
func (k *Commit) Wait(ctx context.Context) error {
	select {
	case err := <-k.result:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Record has the monitor write the digests to its journal. At most maxDigests cost one
// flush; if there are more, Record waits for all but the last of them.
func (c *Client) Record(ctx context.Context, list []Digest) *Commit {
	for {
		n := min(len(list), maxDigests)
		k := c.startCommit(list[:n])
		if list = list[n:]; len(list) == 0 {
			return k
		}
		if err := k.Wait(ctx); err != nil {
			return failedCommit(err)
		}
	}
}

// startCommit sends one commit without waiting for the replies to its parts.
func (c *Client) startCommit(list []Digest) *Commit {
	for len(list) > digestsPerFrame {
		// Only a lost connection fails later, and with it the last part.
		_, err := c.enqueue("digests", encodeDigests(list[:digestsPerFrame], true), func(reply, *os.File, error) {})
		if err != nil {
			return failedCommit(err)
		}
		list = list[digestsPerFrame:]
	}
	k := &Commit{result: make(chan error, 1)}
	var err error
	if k.id, err = c.enqueue("digests", encodeDigests(list, false), func(_ reply, _ *os.File, err error) { k.result <- err }); err != nil {
		return failedCommit(err)
	}
	return k
}

func failedCommit(err error) *Commit {
	k := &Commit{result: make(chan error, 1)}
	k.result <- err
	return k
}

// SubmitAfter is [Client.Submit] of a grant that the monitor opens when the digests of k,
// the last commit, are on disk. If they cannot be written it refuses the grant. claimed is when
// another gateway of the fleet, which has announced the message, claimed it; zero: it came here.
func (c *Client) SubmitAfter(k *Commit, g enforce.Grant, claimed time.Time, done func(error)) {
	if k.id == 0 {
		done(errUnrecorded)
		return
	}
	c.send("applyAfter", applyAfter{k.id, g, claimed}, func(_ reply, _ *os.File, err error) { done(err) })
}

// errUnrecorded refuses a grant whose digest is not on disk.
var errUnrecorded = fmt.Errorf("%w: its digest could not be recorded", ErrRefused)

// applyAfter is the body of the request of that name.
type applyAfter struct {
	Commit uint64        `json:"commit"` // ID of the last request of the commit
	Grant  enforce.Grant `json:"grant"`
	// Claimed is when another gateway claimed the message, which it has announced; zero: the
	// message came here.
	Claimed time.Time `json:"claimed,omitzero"`
}

// A commit is a [Commit] on the side of the monitor.
type commit struct {
	id   uint64
	done chan struct{}
	err  error // valid when done is closed
}

func encodeDigests(list []Digest, more bool) wireDigests {
	w := wireDigests{Records: make([]wireDigest, len(list)), More: more}
	for i := range list {
		d := &list[i]
		w.Records[i] = wireDigest{Key: d.Key[:], Sent: d.Sent, Src: d.Src, Dst: d.Dst, Proto: d.Proto}
		if d.Wire != [sha256.Size]byte{} {
			w.Records[i].Wire = d.Wire[:]
		}
	}
	return w
}

// digests collects the records of one commit and carries it out when it is complete.
func (s *session) digests(id uint64, body []byte) error {
	var w wireDigests
	if err := decode(body, &w); err != nil {
		return err
	}
	if len(w.Records) == 0 || len(s.recorded)+len(w.Records) > maxDigests {
		return fmt.Errorf("%w: %d digests, then %d", errProtocol, len(s.recorded), len(w.Records))
	}
	for i := range w.Records {
		d, err := w.Records[i].decode()
		if err != nil {
			return err
		}
		s.recorded = append(s.recorded, d)
	}
	if w.More {
		s.send(reply{ID: id})
		return nil
	}
	list := s.recorded
	s.recorded = nil
	s.startCommit(id, list)
	return nil
}

// startCommit writes the list while further requests are read. There is one commit at a
// time.
func (s *session) startCommit(id uint64, list []Digest) {
	if s.commit != nil {
		<-s.commit.done
	}
	k := &commit{id: id, done: make(chan struct{})}
	s.commit = k
	s.asyncRunning.Go(func() {
		k.err = fmt.Errorf("%w: there is no journal of digests", ErrRefused)
		if record := s.m.cfg.Digests; record != nil {
			k.err = record(list)
		}
		close(k.done)
		s.send(replyTo(id, k.err))
	})
}

// applyAfter is apply for a grant that depends on the last commit.
func (s *session) applyAfter(id uint64, body []byte) error {
	var a applyAfter
	if err := decode(body, &a); err != nil {
		return err
	}
	if s.commit == nil || s.commit.id != a.Commit {
		return fmt.Errorf("%w: %d is not the last commit", errProtocol, a.Commit)
	}
	s.jobs <- job{grant: a.Grant, done: func(err error) { s.send(replyTo(id, err)) }, after: s.commit, claimed: a.Claimed.UTC()}
	return nil
}

// onDisk waits for the commits that the jobs depend on, and returns the jobs that may be
// carried out. The others are refused.
func onDisk(jobs []job) []job {
	return slices.DeleteFunc(jobs, func(j job) bool {
		if j.after == nil {
			return false
		}
		<-j.after.done
		if j.after.err != nil {
			j.done(errUnrecorded)
		}
		return j.after.err != nil
	})
}

// decode checks every value: what is written to the journal must be read as it was meant.
func (w *wireDigest) decode() (Digest, error) {
	d := Digest{Sent: w.Sent, Src: w.Src, Dst: w.Dst, Proto: w.Proto}
	switch {
	case len(w.Key) != len(d.Key):
		return d, fmt.Errorf("%w: digest of %d bytes", errProtocol, len(w.Key))
	case w.Wire != nil && len(w.Wire) != len(d.Wire):
		return d, fmt.Errorf("%w: wire digest of %d bytes", errProtocol, len(w.Wire))
	case w.Sent < 0 || w.Sent > MaxSent:
		return d, fmt.Errorf("%w: time stamp %d", errProtocol, w.Sent)
	case w.Src.Addr().Zone() != "" || w.Dst.Addr().Zone() != "": // free text
		return d, fmt.Errorf("%w: address with a zone", errProtocol)
	}
	copy(d.Key[:], w.Key)
	copy(d.Wire[:], w.Wire)
	return d, nil
}
