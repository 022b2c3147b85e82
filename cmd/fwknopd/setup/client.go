package setup

import (
	"encoding/base64"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/mdp/qrterminal/v3"

	"fwknopd/cmd/fwknop/rc"
	"fwknopd/cmd/fwknopd/config"
	"fwknopd/cmd/fwknopd/doctor"
	"fwknopd/cmd/fwknopd/keygen"
	"fwknopd/cmd/fwknopd/wholefile"
	"fwknopd/ingest/safepath"
	"fwknopd/policy/conf"
	"fwknopd/policy/spa"
	"fwknopd/policy/totp"
)

// tellClient says what the client needs. Keys are written to --client, and printed only if
// --show-keys or --qr asks for them; the secret of one-time codes is printed if --totp does.
func (r *run) tellClient(l *config.Loaded, st *conf.Stanza) error {
	switch {
	case r.DryRun:
		return nil
	case st.Key.IsZero() || st.HMACKey.IsZero():
		fmt.Fprintf(r.stdout, "the stanza has not both keys of its own, KEY and HMAC_KEY: what the client needs is not known\n")
		return nil
	}
	server := r.serverName()
	way := wayIn(l)
	keys := keygen.Keys{Key: base64.StdEncoding.EncodeToString(st.Key.Bytes()), HMACKey: base64.StdEncoding.EncodeToString(st.HMACKey.Bytes())}
	entries := append([]rc.Entry{
		{Key: "SPA_SERVER", Value: server}, {Key: "ACCESS", Value: r.Port}, {Key: "KEY_BASE64", Value: keys.Key},
		{Key: "HMAC_KEY_BASE64", Value: keys.HMACKey}, {Key: "USE_HMAC", Value: "Y"},
	}, way...)
	option := ""
	if st.AuthMethod == conf.AuthTOTP {
		entries = append(entries, rc.Entry{Key: "TOTP_PROMPT", Value: "Y"})
		option = " --totp CODE"
	}
	if err := r.giveStanza(entries); err != nil {
		return err
	}
	if r.QR {
		line := fmt.Sprintf("KEY_BASE64:%s HMAC_KEY_BASE64:%s", keys.Key, keys.HMACKey)
		fmt.Fprintf(r.stdout, "for Fwknop2:\n%s\n", line)
		for _, e := range way {
			fmt.Fprintf(r.stdout, "and set there, as the daemon takes only that: %s %s\n", e.Key, e.Value)
		}
		qrterminal.GenerateHalfBlock(line, qrterminal.L, r.stdout)
	}
	if server == noServer {
		fmt.Fprintf(r.stdout, "put the name or address of this host in place of %s there\n", noServer)
	}
	if err := r.tellSecret(server, st); err != nil {
		return err
	}
	fmt.Fprintf(r.stdout, "on the client: fwknop -n %s -a ITS-ADDRESS%s\n", r.name, option)
	return nil
}

// giveStanza writes or prints the client's stanza, where that is asked for.
func (r *run) giveStanza(entries []rc.Entry) error {
	switch {
	case r.ClientFile != "":
		return r.writeClient(entries)
	case r.ShowKeys:
		file, err := rc.Parse("", nil)
		if err != nil {
			return err
		}
		text, err := file.With(r.name, entries)
		if err != nil {
			return err
		}
		fmt.Fprintf(r.stdout, "for the client's ~/.fwknoprc, over a safe way:\n%s", text)
	case !r.QR:
		fmt.Fprintf(r.stdout, "the client's stanza: run this again with --client FILE (written there), --show-keys (printed) or --qr\n")
	}
	return nil
}

// tellSecret prints the secret of the stanza's one-time codes as an authenticator takes it, if
// --totp asks for it. The issuer of the URL is the server; a colon in it would end it.
func (r *run) tellSecret(server string, st *conf.Stanza) error {
	switch {
	case st.AuthMethod != conf.AuthTOTP:
		return nil
	case !r.TOTP:
		fmt.Fprintf(r.stdout, "the stanza wants a one-time code too: run this again with --totp for the secret (printed), or --totp --qr\n")
		return nil
	}
	issuer := server
	if server == noServer || strings.Contains(server, ":") {
		issuer = "fwknopd"
	}
	url, err := totp.New(st.TOTPSecret.Bytes()).URL(issuer, r.name)
	if err != nil {
		return err
	}
	fmt.Fprintf(r.stdout, "for the authenticator, and nothing else:\n%s\n", url)
	if r.QR {
		qrterminal.GenerateHalfBlock(url, qrterminal.L, r.stdout)
	}
	return nil
}

// wayIn returns the settings of a client that sends what the daemon takes, if it takes nothing
// of what clients send otherwise: UDP to the usual port.
func wayIn(l *config.Loaded) (entries []rc.Entry) {
	carrier, port := doctor.Carrier(l)
	if carrier != "" && carrier != "udp" {
		entries = append(entries, rc.Entry{Key: "SPA_SERVER_PROTO", Value: carrier})
	}
	if port != 0 && port != spa.DefaultPort {
		entries = append(entries, rc.Entry{Key: "SPA_SERVER_PORT", Value: strconv.Itoa(port)})
	}
	return entries
}

// readClient reads the client's rc file, which need not exist. As root it is not read, and so
// not replaced, where another user can exchange it or would lose it.
func (r *run) readClient() (*rc.File, error) {
	for _, path := range []string{r.ClientFile, filepath.Dir(r.ClientFile)} {
		if faults := safepath.Check(path); len(faults) > 0 {
			return nil, fmt.Errorf("--client: %v; name a file in a folder of your own", faults[0])
		}
	}
	text, err := readIfThere(r.ClientFile)
	if err != nil {
		return nil, err
	}
	file, err := rc.Parse(r.ClientFile, []byte(text))
	if err != nil {
		return nil, err
	}
	if file.Has(r.name) {
		return nil, fmt.Errorf("%s has a stanza [%s] already, it is left as it is", r.ClientFile, r.name)
	}
	return file, nil
}

// checkClient finds what would keep the stanza out of --client before anything is written.
func (r *run) checkClient() error {
	if r.ClientFile == "" {
		return nil
	}
	_, err := r.readClient()
	return err
}

// writeClient adds the stanza to the client's rc file.
func (r *run) writeClient(entries []rc.Entry) error {
	file, err := r.readClient()
	if err != nil {
		return err
	}
	whole, err := file.With(r.name, entries)
	if err != nil {
		return err
	}
	if err := wholefile.Replace(r.ClientFile, whole); err != nil {
		return err
	}
	fmt.Fprintf(r.stdout, "wrote the client's stanza [%s] to %s: bring it to the client's ~/.fwknoprc over a safe way\n", r.name, r.ClientFile)
	return nil
}
