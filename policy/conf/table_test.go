package conf

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"fwknopd/enforce/schedule"
)

// TestTables: every row can be read, by a person and by the parser.
func TestTables(t *testing.T) {
	for _, f := range []File{ServerFile, AccessFile} {
		seen := map[string]bool{}
		for _, k := range keywords[f] {
			if k.File != f {
				t.Errorf("%s stands in the table of %v", k.Name, f)
			}
			if k.In == 0 {
				t.Errorf("%s comes from nowhere", k.Name)
			}
			if k.Text == "" || !strings.HasSuffix(k.Text, ".") || strings.HasSuffix(k.Differs, ".") {
				t.Errorf("%s: the sentence is %q, the difference %q", k.Name, k.Text, k.Differs)
			}
			for _, n := range append([]Alias{{Name: k.Name}}, k.Aliases...) {
				if seen[n.Name] {
					t.Errorf("%s is there twice", n.Name)
				}
				seen[n.Name] = true
			}
			checkRow(t, &k)
		}
	}
}

func checkRow(t *testing.T, k *Keyword) {
	t.Helper()
	for _, g := range []Dialect{Perl19, C26} {
		def := k.DefaultFor(g)
		if strings.Contains(def, "$") {
			continue // its own test: TestExpand
		}
		if _, err := k.parse(g, def); err != nil {
			t.Errorf("%s: the default %q of %v is refused: %v", k.Name, def, g, err)
		}
	}
	switch k.Kind {
	case Int, Span, Epoch:
		if k.Max <= k.Min {
			t.Errorf("%s has no range", k.Name)
		}
		if (k.Kind == Span) != (k.Unit != 0) {
			t.Errorf("%s: unit %v", k.Name, k.Unit)
		}
	case Enum, EnumList:
		if len(k.Values) == 0 {
			t.Errorf("%s has no words", k.Name)
		}
	}
	if k.In&Ours == 0 && k.Verdict != Obsolete && k.Kind == Command && k.Default != "" {
		t.Errorf("%s runs something by default", k.Name)
	}
}

// TestFields: the field of a row has a type that the kind fits.
func TestFields(t *testing.T) {
	for _, k := range slices.Concat(ServerKeywords, AccessKeywords) {
		var p any
		switch {
		case k.into != nil:
			p = k.into(new(Server))
		case k.intoStanza != nil:
			p = k.intoStanza(&Stanza{GPG: new(GPG)})
		default:
			continue
		}
		var fits bool
		switch p.(type) {
		case *bool:
			fits = k.Kind == Flag
		case *int, *uint16:
			fits = k.Kind == Int
		case *time.Duration:
			fits = k.Kind == Span
		case *string:
			fits = slices.Contains([]Kind{Text, Enum, FilePath, DirPath, Command, Account, Group, FleetName}, k.Kind) && !k.Repeat
		case *[]string:
			fits = slices.Contains([]Kind{EnumList, List, MailList, KeyIDs, KeyPrints, KeyNames}, k.Kind) || k.Kind == Text && k.Repeat
		case *[]uint16:
			fits = k.Kind == PortNumbers
		case *[]Port:
			fits = k.Kind == PortList
		case *Nets:
			fits = k.Kind == NetList || k.Kind == NetsOrFlag
		case *netip.Addr:
			fits = k.Kind == Address
		case *netip.AddrPort:
			fits = k.Kind == Target || k.Kind == FleetAddress
		case *ChainSpec:
			fits = k.Kind == Chain
		case *NFTChain:
			fits = k.Kind == NFTable
		case **regexp.Regexp:
			fits = k.Kind == Regex
		case *Secret:
			fits = k.Secret()
		case *Endpoint:
			fits = k.Kind == Listen
		case *schedule.Windows:
			fits = k.Kind == TimeWindow
		case *schedule.Uses:
			fits = k.Kind == UseLimit
		case *PrefixLengths:
			fits = k.Kind == Prefixes
		case *Fleet:
			fits = k.Kind == FleetPlace
		case *[]FleetPeer:
			fits = k.Kind == FleetPeers
		case *[]Expectation:
			fits = k.Kind == Expect
		}
		if !fits {
			t.Errorf("%s is of kind %d and its field of type %T", k.Name, k.Kind, p)
		}
	}
}

// TestManualKeywords: what the manual names, works.
func TestManualKeywords(t *testing.T) {
	for _, name := range []string{"SOURCE", "DATA_COLLECT_MODE", "ENABLE_CMD_EXEC", "CMD_REGEX", "KEY", "OPEN_PORTS", "GPG_DECRYPT_ID", "GPG_DECRYPT_PW", "GPG DECRYPT_PW",
		"GPG_REMOTE_ID", "GPG_HOME_DIR", "GPG_USE_OPTIONS", "GPG_NO_REQUIRE_PREFIX", "GPG_PREFIX", "GPG_PATH", "FW_ACCESS_TIMEOUT", "REQUIRE_USERNAME",
		"REQUIRE_SOURCE_ADDRESS", "REQUIRE_OS", "REQUIRE_OS_REGEX", "ENCRYPT_SEQUENCE", "SHARED_SEQUENCE", "KNOCK_INTERVAL", "KNOCK_LIMIT", "PORT_OFFSET", "MIN_TIME_DIFF", "MAX_TIME_DIFF"} {
		if k := Find(AccessFile, name); k == nil || k.Verdict == Obsolete || k.In&InManual == 0 {
			t.Errorf("%s is missing", name)
		}
	}
	for name, want := range map[string]string{"FW_ACCESS_TIMEOUT": "300", "KNOCK_INTERVAL": "60", "PORT_OFFSET": "61000"} {
		if got := Find(AccessFile, name).DefaultFor(Perl19); got != want {
			t.Errorf("%s is %s by default, the manual says %s", name, got, want)
		}
	}
	if k := Find(ServerFile, "PCAP_INTF"); k == nil {
		t.Error("PCAP_INTF is missing")
	}
}

func TestNearest(t *testing.T) {
	for name, want := range map[string]string{
		"OPEN_PORT": "OPEN_PORTS", "OPENPORTS": "OPEN_PORTS", "open_ports": "OPEN_PORTS", "PCAP_PKT_FIEL": "PCAP_PKT_FILE",
		"SORUCE": "SOURCE", "": "", "XYZZY": "", "GPG_REMOTEID": "GPG_REMOTE_ID",
	} {
		if got := Nearest(name); got != want {
			t.Errorf("%q is like %q, want %q", name, got, want)
		}
	}
	if got := Nearest(strings.Repeat("A", 10000)); got != "" {
		t.Errorf("a long word is like %q", got)
	}
}

func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"abc", "xbc", 1}, {"abcd", "bcd", 1}, {"ab", "ba", 1}, {"kitten", "sitting", 3}} {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("%q to %q: %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestLookupOfUnknownPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a keyword that does not exist was read")
		}
	}()
	(&Values{File: ServerFile, Dialect: Perl19}).lookup("NO_SUCH")
}

// TestAllValues: the dump shows every keyword once, and repetitions behind it.
func TestAllValues(t *testing.T) {
	_, v, _ := LoadServer(Options{FS: memFS{"m": "FW_MSG_SEARCH A;\nFW_MSG_SEARCH B;\n"}, Server: "m"})
	var names []string
	for _, val := range v.All() {
		names = append(names, val.Keyword.Name)
	}
	if len(names) != len(ServerKeywords)+1 {
		t.Errorf("%d values, want %d", len(names), len(ServerKeywords)+1)
	}
	if i := slices.Index(names, "FW_MSG_SEARCH"); names[i+1] != "FW_MSG_SEARCH" {
		t.Error("the second FW_MSG_SEARCH is not behind the first")
	}
}
