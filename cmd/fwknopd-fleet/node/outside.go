package node

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"

	"github.com/nats-io/nats.go"

	"fwknopd/cmd/fwknopd/fleetlink"
)

// outsideOptions returns how an outside cluster is spoken to: TLS 1.3 if it has certificates,
// and NATS credentials (a user JWT and its seed).
func outsideOptions(cfg fleetlink.Config) ([]nats.Option, error) {
	if !validName(cfg.Name) {
		return nil, errName(cfg.Name)
	}
	var options []nats.Option
	if len(cfg.Credentials) > 0 {
		options = append(options, nats.UserCredentialBytes(cfg.Credentials))
	}
	config := &tls.Config{MinVersion: tls.VersionTLS13}
	if len(cfg.CA) > 0 {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(cfg.CA) {
			return nil, errors.New("FLEET_CA: there is no certificate in it")
		}
	}
	secured := len(cfg.CA) > 0
	for _, server := range cfg.Servers {
		secured = secured || strings.HasPrefix(server, "tls://")
	}
	if secured {
		options = append(options, nats.Secure(config))
	}
	return options, nil
}
