package replay

import (
	"bytes"
	"errors"
	"os"
	"testing"
	"time"
)

// No message is honoured a second time whichever byte of the journal is changed. That the
// journal is not what was left is said, or its records are still known.
func TestDamagedAtEveryByte(t *testing.T) {
	v := newVault(t)
	b := v.open(t0)
	for i := range 3 {
		add(t, b, packet(i, t0))
	}
	v.kill(b)
	whole, err := os.ReadFile(v.path)
	if err != nil {
		t.Fatal(err)
	}
	known, err := os.ReadFile(v.state)
	if err != nil {
		t.Fatal(err)
	}
	for at := range whole {
		for _, to := range []byte{0, '\n', ' ', '#', whole[at] ^ 1, 0xff} {
			if to == whole[at] {
				continue
			}
			damaged := bytes.Clone(whole)
			damaged[at] = to
			if err := errors.Join(os.WriteFile(v.path, damaged, 0o600), os.WriteFile(v.state, known, 0o600)); err != nil {
				t.Fatal(err)
			}
			v.lost, v.notices = nil, nil
			b := v.open(t0.Add(time.Second))
			for i := range 3 {
				if _, fresh, _ := b.Add(packet(i, t0)); fresh {
					t.Errorf("byte %d of %d is %q, was %q: message %d is fresh; lost %q, notices %q", at, len(whole), to, whole[at], i, v.lost, v.notices)
				}
			}
			v.kill(b)
		}
	}
}
