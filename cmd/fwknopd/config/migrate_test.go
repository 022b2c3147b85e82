package config

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"fwknopd/policy/conf"
)

// TestMigrateCases migrates every configuration of the cases that loads: the new files hold
// what the old ones did, and what cannot be said in a 2.6 file is refused with its reason.
func TestMigrateCases(t *testing.T) {
	root := filepath.Join("..", "..", "..", "fixtures", "conf")
	manifest, err := os.ReadFile(filepath.Join(root, "manifest.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	done, refused := 0, 0
	for s := bufio.NewScanner(bytes.NewReader(manifest)); s.Scan(); {
		var c struct{ ID, Syntax, Expect string }
		if err := json.Unmarshal(s.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		o := caseOptions(root, c.Syntax, c.ID)
		o.Offline = true
		l, problems := Load(o)
		if problems.Failed() {
			continue
		}
		files, _, faults := convert(l)
		if faults.Failed() {
			refused++
			t.Logf("%s: %v", c.ID, faults)
			continue
		}
		done++
		s, _, a, problems := conf.Load(conf.Options{FS: files, Server: serverName, Access: accessName})
		if problems.Failed() || s.Dialect != conf.C26 || len(a.Stanzas) != len(l.Access.Stanzas) {
			t.Fatalf("%s: %v\n%s", c.ID, problems, files)
		}
		for i := range a.Stanzas {
			old, made := l.Access.Stanzas[i], a.Stanzas[i]
			if !reflect.DeepEqual(old.Source, made.Source) || !reflect.DeepEqual(old.OpenPorts, made.OpenPorts) || old.AccessTimeout != made.AccessTimeout ||
				old.MaxAccessTimeout != made.MaxAccessTimeout || !bytes.HasPrefix(made.Key.Bytes(), old.Key.Bytes()) || !old.Expires.Equal(made.Expires) || old.Mode != made.Mode {
				t.Errorf("%s: stanza %d\n%s", c.ID, i, files[accessName])
			}
		}
	}
	if done < 40 || refused > done/3 {
		t.Errorf("%d cases are written, %d refused", done, refused)
	}
}

// TestMigrate: what is renamed, dropped or written out is named; nothing is overwritten and
// no key is printed; what would grant more is refused and nothing is written.
func TestMigrate(t *testing.T) {
	run := func(files map[string]string, again bool) (code int, dir, out string) {
		in := tempFiles(t, files)
		dir = filepath.Join(t.TempDir(), "new")
		args := []string{"-c", filepath.Join(in, "fwknop.conf"), "-a", filepath.Join(in, "access.conf"), dir}
		var b bytes.Buffer
		code = Migrate(args, &b, &b)
		if again {
			code = Migrate(args, &b, &b)
		}
		return code, dir, strings.ReplaceAll(b.String(), in+"/", "")
	}
	old := map[string]string{
		"fwknop.conf": "AUTH_MODE PCAP;\nENABLE_FKO_MODULE Y;\nENABLE_SPA_PACKET_AGING Y;\n",
		"access.conf": "SOURCE: ANY;\nOPEN_PORTS: tcp/22;\nOPEN_PORTS: tcp/80;\nKEY: ten;letters;\nREQUIRE_SOURCE_ADDRESS: Y;\n",
	}
	code, dir, out := run(old, false)
	for _, want := range []string{
		"fwknop.conf:2: ENABLE_FKO_MODULE: is dropped: it has no effect here\n",
		"access.conf:4: KEY: is written as KEY_BASE64, filled up with the digit 0 as 1.9 does\n",
		"FW_ACCESS_TIMEOUT: is written as 300, the default of 1.9\n",
		"messages are read as a 2.6 server does",
		"wrote " + filepath.Join(dir, "access.conf") + "\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if code != 0 || strings.Contains(out, "ten;letters") {
		t.Errorf("exit %d\n%s", code, out)
	}
	written, err := os.ReadFile(filepath.Join(dir, "access.conf"))
	if st, statErr := os.Stat(filepath.Join(dir, "access.conf")); err != nil || statErr != nil || st.Mode().Perm() != 0o600 || !strings.Contains(string(written), "KEY_BASE64 ") {
		t.Errorf("%v %v\n%s", err, statErr, written)
	}
	if code, _, out = run(old, true); code != 1 || !strings.Contains(out, "file exists") {
		t.Errorf("over files that are there: exit %d\n%s", code, out)
	}
	for name, tt := range map[string]struct{ server, stanza, want string }{
		"forwarding": {"ENABLE_IPT_FORWARDING Y;\n", "", "ENABLE_FORWARD_ACCESS: no 2.6 file can say"},
		"output":     {"ENABLE_IPT_OUTPUT Y;\n", "", "ENABLE_OUTPUT_ACCESS: no 2.6 file can say"},
		"for ever":   {"", "FW_ACCESS_TIMEOUT: 0;\n", "no 2.6 file can say what this one says of AccessTimeout"},
		"two ways":   {"ENABLE_UDP_SERVER Y;\n", "", "ENABLE_UDP_SERVER: in a 2.6 file"},
	} {
		code, dir, out := run(map[string]string{"fwknop.conf": old["fwknop.conf"] + tt.server, "access.conf": old["access.conf"] + tt.stanza}, false)
		if _, err := os.Stat(dir); code != 1 || !strings.Contains(out, tt.want) || err == nil {
			t.Errorf("%s: exit %d, %v\n%s", name, code, err, out)
		}
	}
	if code, _, _ := run(map[string]string{"fwknop.conf": "NONSENSE 1;\n", "access.conf": old["access.conf"]}, false); code != 78 {
		t.Errorf("a configuration that is refused: exit %d", code)
	}
}
