package conf

import (
	"path/filepath"
	"testing"
)

// TestShippedFiles: the files that came with the old daemons, placeholders filled in,
// load without an error, and every keyword in them is known.
func TestShippedFiles(t *testing.T) {
	dir := filepath.Join(casesDir, "shipped")
	for _, tt := range []struct {
		server, access string
		want           Dialect
		values         map[string]string
	}{
		{"fwknop.conf", "access-1.9.conf", Perl19, map[string]string{"DIGEST_FILE": "/var/log/fwknop/digest.cache", "ENABLE_IPT_LOCAL_NAT": "Y", "SYSLOG_FACILITY": "LOG_LOCAL7"}},
		{"fwknopd.conf", "access-2.6.conf", C26, map[string]string{"DIGEST_FILE": "/var/run/fwknop/digest.cache", "PCAP_INTF": "eth0", "SYSLOG_FACILITY": "LOG_DAEMON"}},
	} {
		t.Run(tt.server, func(t *testing.T) {
			_, v, a, problems := Load(Options{FS: diskFS{}, Host: fakeHost{}, Server: filepath.Join(dir, tt.server), Access: filepath.Join(dir, tt.access)})
			for _, p := range problems {
				if p.Severity != Notice {
					t.Error(p)
				}
			}
			if v.Dialect != tt.want || a.Dialect != tt.want || len(a.Stanzas) != 1 {
				t.Errorf("dialects %v, %v; %d stanzas", v.Dialect, a.Dialect, len(a.Stanzas))
			}
			for name, want := range tt.values {
				if got := v.lookup(name).String(); got != want {
					t.Errorf("%s = %s, want %s", name, got, want)
				}
			}
		})
	}
}

// TestDefaultsAreTheShippedOnes: a trimmed 1.9 file means what the whole one meant.
func TestDefaultsAreTheShippedOnes(t *testing.T) {
	_, v, problems := LoadServer(Options{FS: diskFS{}, Server: filepath.Join(casesDir, "shipped", "fwknop.conf")})
	if problems.Failed() {
		t.Fatal(problems)
	}
	_, bare, _ := LoadServer(Options{FS: memFS{"fwknop.conf": ""}, Server: "fwknop.conf"})
	// The installer filled in two; auto is iptables wherever the old daemon ran.
	differ := map[string]bool{"HOSTNAME": true, "SNAT_TRANSLATE_IP": true, "FIREWALL_TYPE": true}
	for _, val := range v.All() {
		name := val.Keyword.Name
		if val.IsSet() && !differ[name] && val.Text != bare.lookup(name).String() {
			t.Errorf("%s is %q by default, the shipped file says %q", name, bare.lookup(name).String(), val.Text)
		}
	}
}
