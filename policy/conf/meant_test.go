package conf

import "testing"

// TestMeantValues: a value turned round or with a unit gets the one that is meant.
func TestMeantValues(t *testing.T) {
	for line, want := range map[string]string{
		"OPEN_PORTS 22/tcp":         "tcp/22",
		"OPEN_PORTS tcp/22, 53/UDP": "udp/53",
		"OPEN_PORTS 22/22":          "",
		"OPEN_PORTS 70000/tcp":      "",
		"FW_ACCESS_TIMEOUT 30s":     "30",
		"FW_ACCESS_TIMEOUT 5m":      "300",
		"FW_ACCESS_TIMEOUT 1 h":     "3600",
		"FW_ACCESS_TIMEOUT 10ms":    "",
		"MAX_GRANTS 3s":             "",
	} {
		_, _, _, problems := Load(Options{FS: memFS{"access.conf": "SOURCE ANY\nKEY sixteen letters!\n" + line + "\n"}, Access: "access.conf"})
		if p := problems[0]; p.Severity != Error || p.Hint != want {
			t.Errorf("%s: %v, want the hint %q", line, problems, want)
		}
	}
}

// TestUsernameOfSharedSequence: no name comes with a sequence in clear, so that a stanza that
// requires one could never grant.
func TestUsernameOfSharedSequence(t *testing.T) {
	for mode, refused := range map[string]bool{"SHARED_SEQUENCE: tcp/1, tcp/2;": true, "ENCRYPT_SEQUENCE;\nKEY: sixteen letters!;": false} {
		_, _, _, problems := Load(Options{FS: memFS{"access.conf": "SOURCE: ANY;\nOPEN_PORTS: tcp/22;\nREQUIRE_USERNAME: alice;\n" + mode + "\n"}, Access: "access.conf"})
		if problems.Failed() != refused {
			t.Errorf("%s: %v", mode, problems)
		}
	}
}
