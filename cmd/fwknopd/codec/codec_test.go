package codec_test

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"fwknopd/cmd/fwknopd/codec"
	"fwknopd/cmd/fwknopd/report"
	"fwknopd/enforce"
	"fwknopd/parse"
	"fwknopd/policy"
	"fwknopd/policy/spa"
)

// fill sets every field of v, so that a field that is not encoded is missed.
func fill(t *testing.T, v reflect.Value) {
	switch x := v.Addr().Interface().(type) {
	case *time.Time:
		*x = time.Date(2026, 11, 22, 12, 0, 0, 123456789, time.UTC)
		return
	case *netip.Addr:
		*x = netip.MustParseAddr("fe80::1%eth0")
		return
	case *netip.AddrPort:
		*x = netip.MustParseAddrPort("192.0.2.7:62201")
		return
	case *netip.Prefix:
		*x = netip.MustParsePrefix("2001:db8::/64")
		return
	}
	switch {
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.CanInt():
		v.SetInt(-7)
	case v.CanUint():
		v.SetUint(200)
	case v.CanFloat():
		v.SetFloat(0.25)
	case v.Kind() == reflect.String:
		v.SetString("a\nb\x00\xff\"")
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem())
	case v.Kind() == reflect.Slice && v.Type() != reflect.TypeFor[[]policy.Decision]():
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(t, v.Index(0))
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			if !v.Type().Field(i).IsExported() {
				t.Errorf("%s.%s is not encoded", v.Type(), v.Type().Field(i).Name)
				continue
			}
			fill(t, v.Field(i))
		}
	}
}

// Every field of a record arrives as it was sent, and whatever is cut off, added or
// changed in its encoding is an error or another record.
func TestCodec(t *testing.T) {
	var sent report.Record
	fill(t, reflect.ValueOf(&sent).Elem())
	content, err := codec.Encode(nil, sent)
	if err != nil {
		t.Fatal(err)
	}
	var got report.Record
	if err := codec.Decode(content, &got); err != nil || !reflect.DeepEqual(got, sent) {
		t.Fatalf("%v\n%+v\n%+v", err, got, sent)
	}
	for n := range content {
		if codec.Decode(content[:n], new(report.Record)) == nil {
			t.Errorf("the first %d bytes are a record", n)
		}
	}
	for i := range content {
		for _, change := range []byte{1, 0x80, 0xff} {
			other := bytes.Clone(content)
			other[i] ^= change
			var r report.Record
			if codec.Decode(other, &r) == nil && reflect.DeepEqual(r, sent) {
				t.Errorf("a second encoding: byte %d is %x", i, other[i])
			}
		}
	}
}

// Each value has one encoding.
func TestCodecCanonical(t *testing.T) {
	for name, c := range map[string]struct {
		encoding string
		v        any
		ok       bool
	}{
		"a number":           {"07", new(uint64), true},
		"a long number":      {"8700", new(uint64), false},
		"no number":          {"", new(uint64), false},
		"a number and more":  {"0700", new(uint64), false},
		"a port":             {"068002", new(parse.Port), true},
		"too high a port":    {"06808004", new(parse.Port), false},
		"too high a proto":   {"800201", new(parse.Port), false},
		"a flag":             {"01", new(bool), true},
		"a flag of 2":        {"02", new(bool), false},
		"a pointer of 2":     {"0207", new(*uint64), false},
		"a string":           {"0161", new(string), true},
		"a short string":     {"0261", new(string), false},
		"a huge list":        {"ffffffff0f", new([]string), false},
		"an address":         {"04c0000207", new(netip.Addr), true},
		"no address":         {"03c00002", new(netip.Addr), false},
		"no time":            {"0101", new(time.Time), false},
		"an array":           {"80ff", new([2]byte), true},
		"a short array":      {"80", new([2]byte), false},
		"a long array":       {"80ff00", new([2]byte), false},
		"an array of others": {"00", new([1]bool), false},
		"what has no coding": {"00", new(map[string]int), false},
	} {
		content, err := hex.DecodeString(c.encoding)
		if err != nil {
			t.Fatal(err)
		}
		if err := codec.Decode(content, c.v); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	nested := policy.Decision{}
	for range 100 {
		nested = policy.Decision{Others: []policy.Decision{nested}}
	}
	if _, err := codec.Encode(nil, nested); err == nil {
		t.Error("decisions are nested without limit")
	}
}

// FuzzCodec: decoding never panics, and what is decoded has that one encoding.
func FuzzCodec(f *testing.F) {
	expires := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for _, r := range []report.Record{{}, {
		Packet:   report.Packet{Time: expires, Src: netip.MustParseAddrPort("[2001:db8::1]:5")},
		Decision: policy.Decision{Verdict: policy.Allow, Grant: enforce.Grant{Ports: []enforce.Port{{Proto: parse.TCP, Number: 22}}, NAT: &enforce.NAT{}, Expires: expires}},
		Refusals: []policy.Refusal{{Stanza: 1}}, Message: &spa.Message{User: "joe"},
	}} {
		content, err := codec.Encode(nil, r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		var r report.Record
		if codec.Decode(content, &r) != nil {
			return
		}
		again, err := codec.Encode(nil, r)
		if err != nil || !bytes.Equal(again, content) {
			t.Errorf("%x becomes %x, %v", content, again, err)
		}
	})
}
