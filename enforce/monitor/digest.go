package monitor

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"os"
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

// Record has the monitor write the digests to its journal, and returns when they are on
// disk. Those of one commit, at most maxDigests, cost one flush.
func (c *Client) Record(ctx context.Context, list []Digest) error {
	for len(list) > 0 {
		n := min(len(list), maxDigests)
		if err := c.commitDigests(ctx, list[:n]); err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}

// commitDigests sends one commit without waiting for the replies to its parts.
func (c *Client) commitDigests(ctx context.Context, list []Digest) error {
	for len(list) > digestsPerFrame {
		// Only a lost connection fails later, and with it the last part.
		err := c.enqueue("digests", encodeDigests(list[:digestsPerFrame], true), func(reply, *os.File, error) {})
		if err != nil {
			return err
		}
		list = list[digestsPerFrame:]
	}
	_, _, err := c.roundTrip(ctx, "digests", encodeDigests(list, false))
	return err
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
		return fmt.Errorf("%w: %d digests, then %d", ErrProtocol, len(s.recorded), len(w.Records))
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
	record := s.m.cfg.Digests
	if record == nil {
		s.send(replyTo(id, fmt.Errorf("%w: there is no journal of digests", ErrRefused)))
		return nil
	}
	return s.async(id, func() (reply, *os.File) { return replyTo(id, record(list)), nil })
}

// decode checks every value: what is written to the journal must be read as it was meant.
func (w *wireDigest) decode() (Digest, error) {
	d := Digest{Sent: w.Sent, Src: w.Src, Dst: w.Dst, Proto: w.Proto}
	switch {
	case len(w.Key) != len(d.Key):
		return d, fmt.Errorf("%w: digest of %d bytes", ErrProtocol, len(w.Key))
	case w.Wire != nil && len(w.Wire) != len(d.Wire):
		return d, fmt.Errorf("%w: wire digest of %d bytes", ErrProtocol, len(w.Wire))
	case w.Sent < 0 || w.Sent > MaxSent:
		return d, fmt.Errorf("%w: time stamp %d", ErrProtocol, w.Sent)
	case w.Src.Addr().Zone() != "" || w.Dst.Addr().Zone() != "": // free text
		return d, fmt.Errorf("%w: address with a zone", ErrProtocol)
	}
	copy(d.Key[:], w.Key)
	copy(d.Wire[:], w.Wire)
	return d, nil
}
