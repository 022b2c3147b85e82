package config

import (
	"strings"
	"testing"
)

// TestShadowedStanza: a stanza is warned of if an earlier one with the same keys grants all
// that it would, and only then.
func TestShadowedStanza(t *testing.T) {
	stanza := func(lines ...string) string {
		return "KEY sixteen letters!\nHMAC_KEY something else\nREQUIRE_SOURCE_ADDRESS Y\n" + strings.Join(lines, "\n") + "\n"
	}
	for _, tt := range []struct {
		name, first, second string
		shadowed            bool
	}{
		{"the same", "SOURCE ANY\n" + stanza("OPEN_PORTS tcp/22"), "SOURCE ANY\n" + stanza("OPEN_PORTS tcp/22"), true},
		{"narrower", "SOURCE 10.0.0.0/8\n" + stanza("OPEN_PORTS tcp/22,tcp/80"), "SOURCE 10.1.0.0/16\n" + stanza("OPEN_PORTS tcp/22", "FW_ACCESS_TIMEOUT 10"), true},
		{"wider", "SOURCE 10.1.0.0/16\n" + stanza("OPEN_PORTS tcp/22"), "SOURCE 10.0.0.0/8\n" + stanza("OPEN_PORTS tcp/22"), false},
		{"with an exception", "SOURCE 10.0.0.0/8, !10.1.2.0/24\n" + stanza("OPEN_PORTS tcp/22"), "SOURCE 10.1.0.0/16\n" + stanza("OPEN_PORTS tcp/22"), false},
		{"another key", "SOURCE ANY\n" + stanza("OPEN_PORTS tcp/22"), "SOURCE ANY\nKEY another one\nHMAC_KEY something else\nREQUIRE_SOURCE_ADDRESS Y\nOPEN_PORTS tcp/22\n", false},
		{"another port", "SOURCE ANY\n" + stanza("OPEN_PORTS tcp/22"), "SOURCE ANY\n" + stanza("OPEN_PORTS tcp/22,tcp/80"), false},
		{"another user", "SOURCE ANY\n" + stanza("OPEN_PORTS tcp/22", "REQUIRE_USERNAME alice"), "SOURCE ANY\n" + stanza("OPEN_PORTS tcp/22", "REQUIRE_USERNAME bob"), false},
		{"another destination", "SOURCE ANY\nDESTINATION 10.0.0.1\n" + stanza("OPEN_PORTS tcp/22"), "SOURCE ANY\n" + stanza("OPEN_PORTS tcp/22"), false},
		{"commands", "SOURCE ANY\n" + stanza("OPEN_PORTS tcp/22"), "SOURCE ANY\n" + stanza("OPEN_PORTS tcp/22", "ENABLE_CMD_EXEC Y", "CMD_REGEX ^ls$"), false},
		{"one-time code", "SOURCE ANY\n" + stanza("OPEN_PORTS tcp/22", "REQUIRE_AUTH_METHOD totp", "TOTP_SECRET GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"), "SOURCE ANY\n" + stanza("OPEN_PORTS tcp/22"), false},
		{"shadow", "SOURCE ANY\n" + stanza("OPEN_PORTS tcp/22", "SHADOW Y"), "SOURCE ANY\n" + stanza("OPEN_PORTS tcp/22"), false},
		{"ends", "SOURCE ANY\n" + stanza("OPEN_PORTS tcp/22", "ACCESS_EXPIRE_EPOCH 4000000000"), "SOURCE ANY\n" + stanza("OPEN_PORTS tcp/22"), false},
	} {
		s, v, a := loadText(t, "", tt.first+tt.second)
		if got := strings.Contains(Lint(s, v, a).Error(), "never decides: stanza 1 (access.conf:1) has"); got != tt.shadowed {
			t.Errorf("%s: %v", tt.name, Lint(s, v, a))
		}
	}
}

// TestEndedStanza: the end of a stanza in the past is warned of at its line.
func TestEndedStanza(t *testing.T) {
	for line, want := range map[string]string{
		"ACCESS_EXPIRE 01/02/2020":       "access.conf:3: warning: ACCESS_EXPIRE: the stanza ended on 2020-01-02T00:00:00Z",
		"ACCESS_EXPIRE_EPOCH 1":          "access.conf:3: warning: ACCESS_EXPIRE_EPOCH: the stanza ended on 1970-01-01T00:00:01Z",
		"ACCESS_EXPIRE_EPOCH 4000000000": "",
	} {
		s, v, a := loadText(t, "", c26(line, "REQUIRE_SOURCE_ADDRESS Y", "HMAC_KEY something else", "OPEN_PORTS tcp/22"))
		if got := Lint(s, v, a).Error(); !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("%s: %q", line, got)
		}
	}
}
