package control

import (
	"encoding/json"
	"fmt"
	"io"

	"fwknopd/cmd/fwknopd/cli"
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
		policy.SPATimeout, policy.SPAExpiredStanza, policy.SPAWindow, policy.SPAUses, policy.SPAFleet, policy.NoStanza}, ""},
	{4106, nil, "a command could not be run: said in the log"},
	{4107, []policy.Reason{policy.SPANAT, policy.SPACmdDisabled, policy.SPACmdRegex}, ""},
	{4108, nil, "not used"},
	{4109, []policy.Reason{policy.SPARateLimited}, ""},
	{8192, nil, "an opening could not be made: said in the log"},
	{8193, nil, "an opening could not be closed: said in the log"},
	{8194, nil, "the firewall could not be read: said in the log"},
}

// errorCodes implements --dump-serv-err-codes.
func errorCodes(o *cli.Options, stdout, stderr io.Writer) int {
	for _, c := range errCodes {
		if err := printErrorCode(o, stdout, c.code, c.reasons, c.text); err != nil {
			fmt.Fprintf(stderr, "fwknopd: %v\n", err)
			return exitError
		}
	}
	return exitOK
}

func printErrorCode(o *cli.Options, w io.Writer, code int, reasons []policy.Reason, text string) error {
	if o.JSON() {
		return json.NewEncoder(w).Encode(struct {
			V       int             `json:"v"`
			Code    int             `json:"code"`
			Reasons []policy.Reason `json:"reasons,omitempty"`
			Text    string          `json:"text,omitempty"`
		}{1, code, reasons, text})
	}
	for i, r := range reasons {
		if i > 0 {
			text += ", "
		}
		text += string(r)
	}
	_, err := fmt.Fprintf(w, "err code: %d, err string: '%s'\n", code, text)
	return err
}
