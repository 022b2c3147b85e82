package config

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"fwknopd/policy/conf"
)

// checkDigestFolder warns of a folder of the digest file in which another user can remove
// that file, or put one in its place.
func (l *Loaded) checkDigestFolder() conf.Problems {
	if !l.Server.DigestPersistence {
		return nil
	}
	dir := filepath.Dir(l.Server.DigestFile)
	info, err := os.Stat(dir)
	if err != nil {
		return nil // the daemon makes it
	}
	text := ""
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid != 0 && int(st.Uid) != os.Geteuid() {
		text = fmt.Sprintf("%s belongs to user %d", dir, st.Uid)
	} else if perm := info.Mode().Perm(); perm&0o022 != 0 {
		text = fmt.Sprintf("others may write to %s (mode %04o)", dir, perm)
	}
	if text == "" {
		return nil
	}
	place := l.Values.Place("DIGEST_FILE")
	return conf.Problems{{Pos: place.Pos, Keyword: place.Name, Severity: conf.Warning,
		Text: text + ", who can remove the file: all messages sent until the daemon notices are refused then"}}
}
