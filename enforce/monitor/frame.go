package monitor

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
)

// maxFrame bounds a message, not counting its length field.
const maxFrame = 4096

// A request is one request of the worker: an operation of the request table and its
// arguments.
type request struct {
	ID   uint64          `json:"id"` // repeated in the reply; not 0
	Op   string          `json:"op"`
	Body json.RawMessage `json:"body,omitempty"`
}

// A reply answers one request; with the ID 0 it is a [Monitor.Notify].
type reply struct {
	ID      uint64 `json:"id"`
	Err     string `json:"err,omitempty"`
	Refused bool   `json:"refused,omitempty"` // Err is an [ErrRefused]
	Absent  bool   `json:"absent,omitempty"`  // Err is an [os.ErrNotExist]
	File    bool   `json:"file,omitempty"`    // a descriptor is passed with it
	Yes     bool   `json:"yes,omitempty"`     // the password is right
	Notice  string `json:"notice,omitempty"`

	Addrs []netip.Addr `json:"addrs,omitempty"` // of the host
}

// replyTo returns the reply to request id with the result err.
func replyTo(id uint64, err error) reply {
	if err == nil {
		return reply{ID: id}
	}
	return reply{ID: id, Err: clip(err), Refused: errors.Is(err, ErrRefused), Absent: errors.Is(err, os.ErrNotExist)}
}

// clip shortens an error text to fit into a frame.
func clip(err error) string {
	const maxError = 512
	text := err.Error()
	return text[:min(len(text), maxError)]
}

var errFrameSize = fmt.Errorf("message longer than %d bytes, or empty", maxFrame)

// appendFrame appends a message: its length in four bytes, big endian, and JSON.
func appendFrame(buf []byte, v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return buf, err
	}
	if len(text) > maxFrame {
		return buf, errFrameSize
	}
	buf = binary.BigEndian.AppendUint32(buf, uint32(len(text)))
	return append(buf, text...), nil
}

// readFrame reads a message into buf. It returns io.EOF only before the first byte.
func readFrame(r io.Reader, buf *[maxFrame]byte) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n == 0 || n > maxFrame {
		return nil, fmt.Errorf("%w: %w", errProtocol, errFrameSize)
	}
	if _, err := io.ReadFull(r, buf[:n]); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return buf[:n], nil
}

// decode reads exactly one JSON value from text; it must have no fields that v lacks.
func decode(text []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("%w: %w", errProtocol, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("%w: more than one value", errProtocol)
	}
	return nil
}
