package config

import (
	"crypto/rand"
	_ "embed"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
)

// The sample files: short, valid, to begin with. Keys stand in access.conf as
// @KEY@ and @HMAC_KEY@, so that nobody can use one that others know.
var (
	//go:embed sample/fwknop.conf
	sampleServer string
	//go:embed sample/access.conf
	sampleAccess string
)

// Lengths of fresh keys, bytes.
const (
	sampleKeyLen  = 32
	sampleHMACLen = 64
)

// Samples is `fwknopd -D --defaults`: both files, each under its name.
func Samples(stdout, stderr io.Writer) int {
	access := strings.NewReplacer("@KEY@", FreshKey(sampleKeyLen), "@HMAC_KEY@", FreshKey(sampleHMACLen)).Replace(sampleAccess)
	_, err := fmt.Fprintf(stdout, "# ---- fwknop.conf ----\n%s\n# ---- access.conf ----\n%s", sampleServer, access)
	if err != nil {
		fmt.Fprintf(stderr, "fwknopd: %v\n", err)
		return exitError
	}
	return exitOK
}

// FreshKey is n random bytes in base64.
func FreshKey(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails: it ends the program instead
	return base64.StdEncoding.EncodeToString(b)
}
