package node

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
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

// leastServer is the release of NATS from which on a claim stays as long as [bucketConfig] says. On earlier ones
// (2.11.8 was tried) a gateway can have the claim of another one end after a second.
var leastServer = []int{2, 11, 10}

// checkServer returns an error if the cluster is of an earlier release than leastServer; "" is not known.
func checkServer(version string) error {
	release := make([]int, len(leastServer))
	if version == "" {
		return nil
	}
	if _, err := fmt.Sscanf(version, "%d.%d.%d", &release[0], &release[1], &release[2]); err != nil || slices.Compare(release, leastServer) < 0 {
		return fmt.Errorf("the NATS server is %s, on which a gateway can end the claims of others: %d.%d.%d or later is wanted",
			version, leastServer[0], leastServer[1], leastServer[2])
	}
	return nil
}
