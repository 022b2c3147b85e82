package control

import (
	"fmt"
	"io"

	"fwknopd/policy"
)

// errCodes maps the error codes of the 2.6 daemon, which its test tools use, to the
// reasons of our decisions.
var errCodes = []struct {
	code    int
	reasons []policy.Reason
	text    string // where no decision is made
}{
	{4096, []policy.Reason{policy.SPAMalformed, policy.SPACut}, ""},
	{4097, nil, "a packet too short for SPA is ignored"},
	{4098, nil, "a packet that is no SPA packet is ignored"},
	{4099, nil, "an HTTP request is ignored without ENABLE_SPA_OVER_HTTP"},
	{4100, []policy.Reason{policy.SPAHMACMismatch, policy.SPADecryptFailed}, ""},
	{4101, []policy.Reason{policy.SPADigestMismatch}, ""},
	{4102, []policy.Reason{policy.SPAStore}, ""},
	{4103, []policy.Reason{policy.SPAReplay}, ""},
	{4104, []policy.Reason{policy.SPAStale, policy.SPAFuture}, ""},
	{4105, []policy.Reason{policy.SPAUser, policy.SPASource, policy.SPAPort, policy.SPAGPGSigner, policy.SPAAuthMethod,
		policy.SPATimeout, policy.SPAExpiredStanza, policy.NoStanza}, ""},
	{4106, nil, "a command could not be run: said in the log"},
	{4107, []policy.Reason{policy.SPANAT, policy.SPACmdDisabled, policy.SPACmdRegex}, ""},
	{4108, nil, "not used"},
	{4109, []policy.Reason{policy.SPARateLimited}, ""},
	{8192, nil, "an opening could not be made: said in the log"},
	{8193, nil, "an opening could not be closed: said in the log"},
	{8194, nil, "the firewall could not be read: said in the log"},
}

// errorCodes implements --dump-serv-err-codes.
func errorCodes(stdout, _ io.Writer) int {
	for _, c := range errCodes {
		text := c.text
		for i, r := range c.reasons {
			if i > 0 {
				text += ", "
			}
			text += string(r)
		}
		fmt.Fprintf(stdout, "err code: %d, err string: '%s'\n", c.code, text)
	}
	return exitOK
}
