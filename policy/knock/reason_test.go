package knock_test

import (
	"testing"

	"fwknopd/policy"
	"fwknopd/policy/knock"
)

// The engine takes the reasons over as they are.
func TestReasons(t *testing.T) {
	for ours, theirs := range map[string]policy.Reason{
		knock.Granted: policy.KnockGranted, knock.WrongPort: policy.KnockWrongPort, knock.Timeout: policy.KnockTimeout,
		knock.TooFast: policy.KnockTooFast, knock.TooSlow: policy.KnockTooSlow, knock.Limit: policy.KnockLimit,
		knock.DecryptFailed: policy.KnockDecryptFailed, knock.Checksum: policy.KnockChecksum, knock.User: policy.KnockUser,
		knock.OS: policy.KnockOS, knock.Source: policy.KnockSource, knock.Port: policy.KnockPort,
		knock.Replay: policy.KnockReplay, knock.ForgedLine: policy.KnockForgedLine,
	} {
		if ours != string(theirs) {
			t.Errorf("%s is %s to the engine", ours, theirs)
		}
	}
}
