package totp

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// rfcSecret is that of RFC 6238, appendix B, and RFC 4226, appendix D.
const rfcSecret = "12345678901234567890"

// TestRFC6238 has the vectors of appendix B for SHA-1, of whose eight digits these are the
// last six.
func TestRFC6238(t *testing.T) {
	k := New([]byte(rfcSecret))
	for at, want := range map[int64]string{
		59: "94287082", 1111111109: "07081804", 1111111111: "14050471", 1234567890: "89005924",
		2000000000: "69279037", 20000000000: "65353130",
	} {
		if got := k.Code(Step(time.Unix(at, 0))); got != want[2:] {
			t.Errorf("at %d: %s, want %s", at, got, want[2:])
		}
	}
}

// TestRFC4226 has the vectors of appendix D.
func TestRFC4226(t *testing.T) {
	k := New([]byte(rfcSecret))
	for step, want := range []string{"755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"} {
		if got := k.Code(int64(step)); got != want {
			t.Errorf("step %d: %s, want %s", step, got, want)
		}
	}
}

func TestStep(t *testing.T) {
	for at, want := range map[int64]int64{0: 0, 29: 0, 30: 1, 59: 1, -1: -1, -30: -1, -31: -2} {
		if got := Step(time.Unix(at, 0)); got != want {
			t.Errorf("at %d: %d, want %d", at, got, want)
		}
	}
	for _, step := range []int64{0, 1, 55555555} {
		at := Earliest(step)
		if Step(at)+Skew != step || Step(at.Add(-time.Nanosecond))+Skew >= step {
			t.Errorf("step %d is accepted from %v on", step, at)
		}
	}
}

func TestFits(t *testing.T) {
	k := New([]byte(rfcSecret))
	for _, c := range []struct {
		code         string
		step, within int64
		want         []int64
	}{
		{k.Code(100), 100, 1, []int64{100}},
		{k.Code(99), 100, 1, []int64{99}},
		{k.Code(101), 100, 1, []int64{101}},
		{k.Code(98), 100, 1, nil},
		{k.Code(102), 100, 1, nil},
		{k.Code(102), 100, 20, []int64{102}},
		{k.Code(0), 0, 1, []int64{0}},
		{k.Code(1), 0, 20, []int64{1}},
		{k.Code(0), -1, 1, []int64{0}},
		{"", 0, 1, nil},
		{"75522", 0, 1, nil},
		{"7552240", 0, 1, nil},
		{" 755224", 0, 1, nil},
		{"75522x", 0, 1, nil},
		{"٣٣٣", 0, 1, nil}, // six bytes of digits that are not ours
	} {
		if got := k.Fits(c.code, c.step, c.within); !slices.Equal(got, c.want) {
			t.Errorf("%q at %d within %d: %v, want %v", c.code, c.step, c.within, got, c.want)
		}
	}
	if code := k.Code(-1); code != "" {
		t.Errorf("the step before 1970 has the code %q", code)
	}
}

// TestDigest: what is recorded differs by secret, step and purpose, and is not the code.
func TestDigest(t *testing.T) {
	seen := make(map[string]bool)
	for _, secret := range []string{rfcSecret, "another secret of 26 bytes"} {
		for _, purpose := range []string{"used", "shadow"} {
			for _, step := range []int64{0, 1, 256} {
				d := string(New([]byte(secret)).Digest(purpose, step))
				if len(d) != 32 || seen[d] || strings.Contains(d, secret[:8]) {
					t.Errorf("%s %s %d: %x", secret, purpose, step, d)
				}
				seen[d] = true
			}
		}
	}
}

func TestURL(t *testing.T) {
	got, err := New([]byte(rfcSecret)).URL("fwknopd gate.example", "alice-laptop")
	const want = "otpauth://totp/fwknopd%20gate.example:alice-laptop?algorithm=SHA1&digits=6&issuer=fwknopd%20gate.example&period=30&secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
	if err != nil || got != want {
		t.Errorf("%s, %v", got, err)
	}
}

// FuzzFits: only six digits fit, and a code that fits is that of the step.
func FuzzFits(f *testing.F) {
	for _, code := range []string{"", "000000", "755224", "-75522", "+12345", "75522\x00", "٣٣٣"} {
		f.Add([]byte(rfcSecret), code, int64(0))
	}
	f.Fuzz(func(t *testing.T, secret []byte, code string, step int64) {
		k := New(secret)
		step %= 1 << 40
		for _, s := range k.Fits(code, step, 3) {
			if !IsCode(code) || k.Code(s) != code || s < 0 || s-step > 3 || step-s > 3 {
				t.Errorf("%q fits step %d at %d", code, s, step)
			}
		}
		if step >= 0 && !slices.Contains(k.Fits(k.Code(step), step, 0), step) {
			t.Errorf("step %d has a code that does not fit it", step)
		}
	})
}
