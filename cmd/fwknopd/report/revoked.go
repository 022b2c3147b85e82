package report

import (
	"encoding/json"
	"fmt"
	"strings"

	"fwknopd/policy/conf"
)

// A FleetRevoked is what one gateway has done about an order to revoke grants.
type FleetRevoked struct {
	Gateway string `json:"gateway"`
	Closed  uint64 `json:"closed"`
	Unknown bool   `json:"unknown_stanza,omitempty"` // it has no stanza of that name
	Error   string `json:"error,omitempty"`          // "": it is done
	Stored  bool   `json:"stored,omitempty"`         // it is not, but the order is stored for the gateway
}

// FleetRevokedText returns a line for each gateway.
func FleetRevokedText(list []FleetRevoked) string {
	var b strings.Builder
	for _, r := range list {
		text := "closed " + conf.Count(int(r.Closed), "grant")
		switch {
		case r.Error != "":
			text = "not done: " + r.Error
			if r.Stored {
				text += "; the order is stored for it"
			}
		case r.Unknown:
			text = "has no stanza of that name"
		case r.Closed == 0:
			text = "nothing of that was open"
		}
		fmt.Fprintf(&b, "%s: %s\n", conf.Printable(r.Gateway), conf.Printable(text))
	}
	return b.String()
}

// FleetRevokedJSON returns the gateways as one object and a newline.
func FleetRevokedJSON(list []FleetRevoked) ([]byte, error) {
	text, err := json.Marshal(struct {
		V        int            `json:"v"`
		Gateways []FleetRevoked `json:"gateways"`
	}{1, list})
	return append(text, '\n'), err
}
