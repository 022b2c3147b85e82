package node

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func FuzzDecodeClaim(f *testing.F) {
	f.Add(encode(claimValue{1, time.Unix(1e9, 5).UTC(), "gw1", "ssh"}))
	f.Add(encode(claimValue{2, time.Unix(1e9, 5).UTC(), "gw1", "ssh"}))
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := decodeClaim(b)
		if err != nil {
			if v != (claimValue{}) {
				t.Errorf("%v with %+v", err, v)
			}
			return
		}
		if again := encode(v); !bytes.Equal(again, b) {
			t.Errorf("%x is decoded to what is encoded as %x", b, again)
		}
	})
}

func TestDecodeClaim(t *testing.T) {
	at := time.Unix(1e9, 5).UTC()
	for name, v := range map[string]claimValue{
		"version":     {2, at, "gw1", "ssh"},
		"no gateway":  {1, at, "", "ssh"},
		"control":     {1, at, "gw\x1b[1", "ssh"},
		"capital":     {1, at, "GW1", "ssh"},
		"long name":   {1, at, strings.Repeat("a", 64), "ssh"},
		"long stanza": {1, at, "gw1", strings.Repeat("a", 129)},
		"too long":    {1, at, "gw1", strings.Repeat("a", 1000)},
	} {
		if v, err := decodeClaim(encode(v)); err == nil {
			t.Errorf("%s: %+v", name, v)
		}
	}
	if _, err := decodeClaim(append(encode(claimValue{1, at, "gw1", "ssh"}), 0)); err == nil {
		t.Error("a byte more is accepted")
	}
}
