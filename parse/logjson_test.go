package parse

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// TestLogLineJSON wraps messages as encoding/json and journalctl do; whatever the
// escapes, the record within is the same.
func TestLogLineJSON(t *testing.T) {
	record := strings.TrimPrefix(synRecord, "DROP ")
	for _, prefix := range []string{"", "DROP ", `"quoted" \ `, "tab\there ", "ünï ", "\U0001f525 ", "</>& ", "\x01\x7f "} {
		message := prefix + record
		text, err := json.Marshal(message)
		if err != nil {
			t.Fatal(err)
		}
		array := strings.ReplaceAll(fmt.Sprint([]byte(message)), " ", ",")
		var escaped strings.Builder
		for _, r := range message {
			if r > 0xffff {
				fmt.Fprintf(&escaped, `\u%04x\u%04x`, 0xd800+(r-0x10000)>>10, 0xdc00+(r-0x10000)&0x3ff)
			} else {
				fmt.Fprintf(&escaped, `\u%04X`, r)
			}
		}
		for _, value := range []string{string(text), array, strings.ReplaceAll(array, ",", " , "), `"` + escaped.String() + `"`} {
			for _, object := range []string{
				`{"_TRANSPORT":"kernel","MESSAGE":%s,"__REALTIME_TIMESTAMP":"1783051506123456"}`,
				` { "__REALTIME_TIMESTAMP" : "1783051506123456" , "x":[1,{"MESSAGE":"]"}],"y":null,"z":-1.5e3,"MESSAGE" : %s , "_TRANSPORT" : "kernel" } `,
			} {
				line := strings.TrimPrefix(fmt.Sprintf(object, value), " ")
				ev := parseLine(t, line)
				if string(ev.Prefix) != prefix || string(ev.In) != "eth0" || ev.Src.String() != "192.0.2.7:47594" ||
					ev.Origin != OriginKernel || ev.Time.UnixMicro() != 1783051506123456 {
					t.Errorf("%s\nprefix %q, event %s", line, ev.Prefix, show(ev))
				}
			}
		}
	}
}

func TestJSONTime(t *testing.T) {
	const want = 1783051507500
	for _, raw := range []string{
		`1783051507.5`, `"1783051507.5"`, `1783051507500`, `1783051507500000`, `1783051507500000000`, `"1783051507500"`, "1783051507.5 \n",
		`1.7830515075e9`, `1.7830515075E+09`, `1.7830515075e12`, `1783051507500.25`, `"2026-07-03T04:05:07.5Z"`, `"2026-07-03 04:05:07.5"`,
		`"2026-07-03 04:05:07.5 +0000"`, `"2026-07-03 04:05:07.5 UTC"`, `"2026-07-03T06:05:07.5\u002b02:00"`, `"Jul  3 04:05:07.5"`, `"Jul 3 04:05:07.5 2026"`,
		`"03/Jul/2026:04:05:07.5 +0000"`, `"Fri, 03 Jul 2026 04:05:07.5 +0000"`, `"2026/07/03 04:05:07.5"`, `"juil. 03 04:05:07.5"`,
	} {
		if got := jsonTime([]byte(raw), logRef); got.UnixMilli() != want {
			t.Errorf("%s: %v", raw, got)
		}
	}
	for _, raw := range []string{``, `""`, `null`, `true`, `1`, `12345`, `17830515075`, `-1783051507`, `1.7830515075e8`, `1.7e10`, `1e`, `"e9"`, `"now"`, `"\x"`, `"2026-07-03"`, `{}`, `[]`, `17830515075000000000000`} {
		if got := jsonTime([]byte(raw), logRef); !got.IsZero() {
			t.Errorf("%s: %v", raw, got)
		}
	}
}

func TestLogLineBrokenJSON(t *testing.T) {
	for _, line := range []string{
		`{"log":"` + synRecord,
		`{"log":"` + synRecord + `"`,
		`{"log":"` + synRecord + `"} x`,
		`{"log":"` + synRecord + `","log":"x"}`,
		`{"log":"\x ` + synRecord + `"}`,
		`{"log":"\u12 ` + synRecord + `"}`,
		`{"log":"` + synRecord + `\"}`,
		`{"log":` + synRecord + `}`,
		`{"_TRANSPORT":"kernel","_TRANSPORT":"stdout","MESSAGE":"` + synRecord + `"}`,
		`{log:"` + synRecord + `"}`,
		`{"x":` + strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1) + `,"log":"` + synRecord + `"}`,
		`{"log":"\t` + strings.Repeat("x", maxText) + synRecord + `"}`,
	} {
		var ev Event
		if err := LogLine([]byte(line), logRef, &ev); !errors.Is(err, ErrMalformed) {
			t.Errorf("%.200s: %v, want malformed", line, err)
		}
	}
	for _, line := range []string{`{"MESSAGE":[68,256]}`, `{"MESSAGE":[`, `{"MESSAGE":[]}`, `{"MESSAGE":["a","b"]}`, `{"`, `{"a`, `{"a\`, `{"a":}`, `{"a":1,}`, `{,}`, `{}x`} {
		var ev Event
		if err := LogLine([]byte(line), logRef, &ev); !errors.Is(err, ErrNotOurs) {
			t.Errorf("%s: %v, want not ours", line, err)
		}
	}
}
