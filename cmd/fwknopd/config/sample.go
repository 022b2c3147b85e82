package config

import (
	_ "embed"
	"fmt"
	"io"
	"strings"

	"fwknopd/cmd/fwknopd/keygen"
)

// The sample files are short and valid. access.conf has the placeholders @KEY@ and
// @HMAC_KEY@, so that no published key can end up in use.
var (
	//go:embed sample/fwknop.conf
	sampleServer string
	//go:embed sample/access.conf
	sampleAccess string
)

// Lengths of generated keys in bytes.
const (
	sampleKeyLen  = 32
	sampleHMACLen = 64
)

// samples implements `fwknopd -D --defaults`: it prints both files with their names.
func samples(stdout, stderr io.Writer) int {
	access := strings.NewReplacer("@KEY@", keygen.Base64(sampleKeyLen), "@HMAC_KEY@", keygen.Base64(sampleHMACLen)).Replace(sampleAccess)
	_, err := fmt.Fprintf(stdout, "# ---- fwknop.conf ----\n%s\n# ---- access.conf ----\n%s", sampleServer, access)
	if err != nil {
		fmt.Fprintf(stderr, "fwknopd: %v\n", err)
		return exitError
	}
	return exitOK
}
