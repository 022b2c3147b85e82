package conf

import "testing"

// TestRelativeNames: from the working directory, else from beside the file, and
// absolute for a process that opens them later.
func TestRelativeNames(t *testing.T) {
	files := memFS{
		"etc/fwknopd.conf": "PCAP_PKT_FILE cap.pcap\nP0F_FILE beside.os\nGPG_HOME_DIR both\nDIGEST_FILE new.cache\nGPG_EXE gpg\nSUDO_EXE bin/sudo\nACCESS_FILE stanzas.conf\n",
		"etc/beside.os":    "", "cap.pcap": "", "etc/cap.pcap": "", "both/ring": "", "etc/both/ring": "", "stanzas.conf": "",
		"etc/access.conf": c26("%include more/one.conf", "%include_folder more.d", "%include_keys keys"),
		"more/one.conf":   c26("GPG_KEY_FILE a.asc, c.asc, /b.asc", "GPG_ALLOW_NO_PW Y", "GPG_REMOTE_ID ANY", "REQUIRE_AUTH_METHOD crypt", "SHADOW_FILE more/shadow"),
		"more/a.asc":      "", "etc/more.d/two.conf": c26(), "keys": "HMAC_KEY something else\n", "etc/keys": "HMAC_KEY not this one\n",
	}
	s, v, a, problems := Load(Options{FS: files, Dir: "/home", Server: "etc/fwknopd.conf", Access: "etc/access.conf", Host: fakeHost{}})
	wantProblems(t, problems)
	for keyword, want := range map[string]string{
		"PCAP_PKT_FILE": "/home/cap.pcap", "GPG_DEFAULT_HOME_DIR": "/home/both", "DIGEST_FILE": "/home/new.cache", "P0F_FILE": "/home/etc/beside.os",
		"gpgCmd": "gpg", "SUDO_EXE": "/home/bin/sudo", "ACCESS_CONF": "/home/stanzas.conf",
	} {
		if got := v.lookup(keyword).Text; got != want {
			t.Errorf("%s is %s, want %s", keyword, got, want)
		}
	}
	if s.DigestFile != "/home/new.cache" || s.P0fFile != "/home/etc/beside.os" {
		t.Errorf("server: %s, %s", s.DigestFile, s.P0fFile)
	}
	if len(a.Stanzas) != 3 {
		t.Fatalf("%d stanzas", len(a.Stanzas))
	}
	if got := string(a.Stanzas[0].HMACKey.Bytes()); got != "something else" {
		t.Errorf("key %q", got)
	}
	one := a.Stanzas[1]
	if one.Pos.File != "more/one.conf" || one.GPG.KeyFiles[0] != "/home/more/a.asc" || one.GPG.KeyFiles[1] != "/home/c.asc" || one.GPG.KeyFiles[2] != "/b.asc" {
		t.Errorf("%v: %v", one.Pos, one.GPG.KeyFiles)
	}
	if got := one.Values.lookup("SHADOW_FILE").Text; got != "/home/more/shadow" {
		t.Errorf("SHADOW_FILE %s", got)
	}
	if a.Stanzas[2].Pos.File != "etc/more.d/two.conf" {
		t.Errorf("third stanza of %v", a.Stanzas[2].Pos)
	}
}

// TestRelativeDirectories: those that hold state stay refused.
func TestRelativeDirectories(t *testing.T) {
	_, _, problems := LoadServer(Options{FS: memFS{"m": "FWKNOP_RUN_DIR run;\n"}, Dir: "/home", Server: "m"})
	wantProblems(t, problems, `m:1: FWKNOP_RUN_DIR: "run" is not an absolute path`)
}
