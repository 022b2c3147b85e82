package control

import (
	"fmt"
	"io"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/keygen"
)

// keyGen implements --key-gen: it generates the keys of one stanza and its client.
func keyGen(o *cli.Options, stdout, stderr io.Writer) int {
	keys, err := keygen.FromOptions(o)
	if err == nil && o.KeyGenFile != "" {
		err = keys.Write(o.KeyGenFile)
	}
	switch {
	case err != nil:
	case o.JSON():
		err = keys.PrintJSON(stdout, o.KeyGenFile)
	case o.KeyGenFile != "":
		_, err = fmt.Fprintf(stdout, "[+] Wrote keys to: %s\n", o.KeyGenFile)
	default:
		_, err = io.WriteString(stdout, keys.String())
	}
	if err != nil {
		fmt.Fprintf(stderr, "fwknopd: %v\n", err)
		return exitError
	}
	return exitOK
}
