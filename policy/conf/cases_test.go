package conf

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"
)

// A caseFile is one row of the manifest of fixtures/conf.
type caseFile struct {
	ID        string
	Syntax    string // perl, c
	Expect    string // ok, error, warning
	Where     string
	Keyword   string
	Line      int
	Complaint string
	Parsed    map[string]any
}

const casesDir = "../../fixtures/conf"

func manifest(t *testing.T) []caseFile {
	t.Helper()
	f, err := os.Open(filepath.Join(casesDir, "manifest.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var cases []caseFile
	for s := bufio.NewScanner(f); s.Scan(); {
		var c caseFile
		if err := json.Unmarshal(s.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		cases = append(cases, c)
	}
	if len(cases) == 0 {
		t.Fatal("the manifest is empty")
	}
	return cases
}

// diskFS reads real files and finds their permissions in order.
type diskFS struct{}

func (diskFS) Read(name string) ([]byte, FileInfo, error) {
	data, err := os.ReadFile(name)
	return data, FileInfo{Regular: true, Perm: 0o600}, err
}

func (diskFS) List(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	var names []string
	for _, e := range entries {
		names = append(names, filepath.Join(dir, e.Name()))
	}
	sort.Strings(names)
	return names, err
}

func (diskFS) Exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// fakeHost has root, nobody and the usual programs, and the chains of the kernel.
type fakeHost struct{}

func (fakeHost) Dir(path string) error {
	if strings.HasPrefix(path, "/nonexistent") {
		return fs.ErrNotExist
	}
	return nil
}

func (fakeHost) Executable(path string) error {
	if !strings.HasPrefix(path, "/usr/bin/") {
		return errors.New("no such program")
	}
	return nil
}

func (fakeHost) User(name string) bool  { return name == "root" || name == "nobody" }
func (fakeHost) Group(name string) bool { return name == "root" || name == "nogroup" }
func (fakeHost) Chain(_, chain string) (exists, known bool) {
	return chain == "DOCKER-USER", true
}

// load reads a case the way its syntax family is called.
func (c caseFile) load() (*Server, *Values, *Access, Problems) {
	dir := filepath.Join(casesDir, c.Syntax, c.ID)
	o := Options{FS: diskFS{}, Host: fakeHost{}, Access: filepath.Join(dir, "access.conf")}
	main := filepath.Join(dir, "main.conf")
	_, err := os.Stat(main)
	switch {
	case c.Syntax == "perl":
		o.Server = filepath.Join(casesDir, "base_perl.conf")
		if err == nil {
			o.Overrides = []string{main}
		}
	case err == nil:
		o.Server = main
	}
	return Load(o)
}

func TestCases(t *testing.T) {
	for _, c := range manifest(t) {
		t.Run(c.ID, func(t *testing.T) {
			_, v, a, problems := c.load()
			switch c.Expect {
			case "ok":
				if problems.Failed() {
					t.Fatalf("refused: %v", problems)
				}
				c.compare(t, v, a)
			case "error", "warning":
				if problems.Failed() != (c.Expect == "error") {
					t.Errorf("Failed() = %v, want %s", problems.Failed(), c.Expect)
				}
				if !c.named(problems) {
					t.Errorf("no problem at %s:%d: %s (%s), only\n%v", c.Where, c.Line, c.Keyword, c.Complaint, problems)
				}
			default:
				t.Fatalf("unknown expectation %q", c.Expect)
			}
		})
	}
}

// named reports that one problem is the one the manifest wants.
func (c caseFile) named(problems Problems) bool {
	for _, p := range problems {
		if filepath.Base(p.Pos.File) == c.Where && p.Pos.Line == c.Line && p.Keyword == c.Keyword &&
			(p.Severity == Error) == (c.Expect == "error") {
			return true
		}
	}
	return false
}

// compare checks the values that the manifest lists.
func (c caseFile) compare(t *testing.T, v *Values, a *Access) {
	t.Helper()
	for key, want := range c.Parsed {
		number, keyword, stanza := strings.Cut(key, ".")
		var got any
		switch {
		case key == "stanzas":
			got = len(a.Stanzas)
		case !stanza:
			got = serverValue(v, key)
		case keyword == "to_chain":
			c, err := ParseChain(v.lookup(number).Text)
			if err != nil {
				t.Fatal(err)
			}
			got = c.To
		default:
			var i int
			if _, err := fmt.Sscan(number, &i); err != nil || i >= len(a.Stanzas) {
				t.Fatalf("no stanza for %s", key)
			}
			got = stanzaValue(&a.Stanzas[i], keyword, want)
		}
		if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
			t.Errorf("%s = %s, want %s", key, g, w)
		}
	}
}

func serverValue(v *Values, name string) any {
	val := v.lookup(name)
	if meaning, _ := val.Keyword.parse(v.Dialect, val.Text); meaning != nil && val.Keyword.Kind == NetList {
		return netsLike(meaning.(Nets).Include, nil)
	}
	return val.String()
}

// stanzaValue reads a typed stanza by the manifest's name of a value.
func stanzaValue(s *Stanza, name string, want any) any {
	wantList, _ := want.([]any)
	switch name {
	case "SOURCE":
		return netsLike(s.Source.Include, wantList)
	case "SOURCE_EXCLUDE":
		return netsLike(s.Source.Exclude, wantList)
	case "DESTINATION":
		return netsLike(s.Destination.Include, wantList)
	case "INTERNAL_NET_ACCESS":
		return netsLike(s.InternalNets.Include, wantList)
	case "INTERNAL_NET_EXCLUDE":
		return netsLike(s.InternalNets.Exclude, wantList)
	case "OPEN_PORTS":
		return portsLike(s.OpenPorts, wantList)
	case "RESTRICT_PORTS":
		return portsLike(s.RestrictPorts, wantList)
	case "SHARED_SEQUENCE":
		return portsLike(s.Sequence, wantList)
	case "DATA_COLLECT_MODE":
		return s.Collect
	case "FW_ACCESS_TIMEOUT":
		return s.AccessTimeout.Seconds()
	case "MAX_FW_TIMEOUT":
		return s.MaxAccessTimeout.Seconds()
	case "KNOCK_INTERVAL":
		return s.KnockInterval.Seconds()
	case "EXTERNAL_CMD_ALARM":
		return s.ExternalTimeout.Seconds()
	case "CMD_CYCLE_TIMER":
		return s.CycleTimer.Seconds()
	case "PORT_OFFSET":
		return s.PortOffset
	case "PERMIT_CLIENT_PORTS":
		return s.PermitClientPorts
	case "PERMIT_CLIENT_TIMEOUT":
		return s.PermitClientTimeout
	case "DISABLE_FW_ACCESS":
		return s.DisableAccess
	case "ENABLE_CMD_EXEC":
		return s.CmdExec
	case "ENABLE_CMD_SUDO_EXEC":
		return s.CmdSudo
	case "ENABLE_FORWARD_ACCESS":
		return s.ForwardAccess
	case "ENABLE_OUTPUT_ACCESS":
		return s.OutputAccess
	case "FORWARD_ALL":
		return s.ForwardAll
	case "REQUIRE_SOURCE_ADDRESS":
		return s.SourceAddress.IsZero()
	case "REQUIRE_USERNAME":
		return s.Usernames
	case "REQUIRE_AUTH_METHOD":
		return s.Values.lookup(name).String()
	case "REQUIRE_OS":
		return s.RequireOS
	case "CMD_REGEX":
		return s.CmdRegex
	case "CMD_EXEC_USER":
		return s.CmdUser
	case "CMD_CYCLE_CLOSE":
		if s.CycleOpen != "" && s.CycleClose == "" {
			return "NONE"
		}
		return s.CycleClose
	case "HMAC_DIGEST_TYPE":
		return s.HMACType
	case "HMAC_KEY_LEN":
		return len(s.HMACKey.Bytes())
	case "KEY_LEN":
		return len(s.Key.Bytes())
	case "ENCRYPTION_MODE":
		return s.EncryptionMode
	case "FORCE_SNAT":
		return s.ForceSNAT
	case "FORCE_NAT":
		if s.ForwardAll && !s.ForceNAT.IsValid() {
			return "0.0.0.0:0"
		}
		return s.ForceNAT
	case "ACCESS_EXPIRE":
		return s.Expires.Format(time.DateOnly)
	case "ACCESS_EXPIRE_EPOCH":
		return float64(s.Expires.Unix())
	}
	return "the test does not know " + name
}
