package conf

import (
	"strings"
	"testing"
)

// Pins of members.
var (
	pinA = strings.Repeat("A", 43)
	pinB = strings.Repeat("B", 42) + "A"
	pinC = strings.Repeat("C", 42) + "A"
)

// TestFleet: what a fleet lacks or cannot be is an error, what has no effect a warning, each with its line.
func TestFleet(t *testing.T) {
	peers := "FLEET_PEERS a@10.0.0.1:4223/" + pinA + " b@10.0.0.2:4223/" + pinB + " c@[fd00::3]:4223/" + pinC + ";\n"
	full := "FLEET embedded;\nFLEET_NAME a;\nFLEET_LISTEN 10.0.0.1:4223;\nFLEET_CREDENTIALS /etc/fwknop/a.pem;\n" + peers
	member := "FLEET embedded;\nFLEET_NAME a;\nFLEET_LISTEN 10.0.0.1:4223;\nFLEET_CREDENTIALS /etc/fwknop/a.pem;\n"
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"all of it":         {full, nil},
		"without itself":    {member + "FLEET_PEERS b@10.0.0.2:4223/" + pinB + " c@10.0.0.3:4223/" + pinC + ";\n", nil},
		"peers of two rows": {member + "FLEET_PEERS b@10.0.0.2:4223/" + pinB + ";\nFLEET_PEERS c@10.0.0.3:4223/" + pinC + ";\n", nil},
		"one member":        {member + "FLEET_PEERS a@10.0.0.1:4223/" + pinA + ";\n", nil},
		"outside":           {"FLEET nats://10.0.0.1:4222, tls://nats.example.com:4222;\nFLEET_CREDENTIALS /etc/fwknop/n.creds;\nFLEET_CA /etc/fwknop/ca.pem;\n", nil},
		"nothing more":      {"FLEET embedded;\n", []string{"main.conf:1: FLEET: embedded needs FLEET_LISTEN", "main.conf:1: FLEET: embedded needs FLEET_PEERS", "main.conf:1: FLEET: embedded needs FLEET_CREDENTIALS"}},
		"another scheme":    {"FLEET http://10.0.0.1:4222;\n", []string{"main.conf:1: FLEET: is neither embedded nor a list of servers"}},
		"no port":           {"FLEET nats://10.0.0.1;\n", []string{"main.conf:1: FLEET: is neither embedded nor a list of servers"}},
		"a password":        {"FLEET nats://joe:secret@10.0.0.1:4222;\n", []string{"main.conf:1: FLEET: has a user or password in it"}},
		"a path":            {"FLEET nats://10.0.0.1:4222/x;\n", []string{`main.conf:1: FLEET: "nats://10.0.0.1:4222/x" is more than a server`}},
		"an empty server":   {"FLEET nats://10.0.0.1:4222,;\n", []string{"main.conf:1: FLEET: empty entry"}},
		"capitals":          {strings.Replace(full, "FLEET_NAME a", "FLEET_NAME GW1", 1), []string{`main.conf:2: FLEET_NAME: "GW1" is no name of a member`}},
		"every address":     {strings.Replace(full, "LISTEN 10.0.0.1", "LISTEN 0.0.0.0", 1), []string{"main.conf:3: FLEET_LISTEN: 0.0.0.0 is every address"}},
		"every address, v6": {strings.Replace(full, "LISTEN 10.0.0.1", "LISTEN [::]", 1), []string{"main.conf:3: FLEET_LISTEN: :: is every address"}},
		"no address":        {strings.Replace(full, "LISTEN 10.0.0.1", "LISTEN ", 1), []string{"main.conf:3: FLEET_LISTEN: names no address"}},
		"multicast":         {strings.Replace(full, "LISTEN 10.0.0.1", "LISTEN 224.0.0.1", 1), []string{"main.conf:3: FLEET_LISTEN: 224.0.0.1 is no address of a host"}},
		"a host name":       {strings.Replace(full, "LISTEN 10.0.0.1", "LISTEN gw1", 1), []string{`main.conf:3: FLEET_LISTEN: "gw1:4223" is no address and port`}},
		"port 0":            {strings.Replace(full, "10.0.0.1:4223;", "10.0.0.1:0;", 1), []string{`main.conf:3: FLEET_LISTEN: "10.0.0.1:0" is no address and port`}},
		"a short pin":       {member + "FLEET_PEERS b@10.0.0.2:4223/AAAA;\n", []string{"main.conf:5: FLEET_PEERS: b: the pin is not the 43 characters"}},
		"another encoding":  {member + "FLEET_PEERS b@10.0.0.2:4223/" + strings.Repeat("B", 43) + ";\n", []string{"main.conf:5: FLEET_PEERS: b: the pin is not the 43 characters"}},
		"no pin":            {member + "FLEET_PEERS b@10.0.0.2:4223;\n", []string{`main.conf:5: FLEET_PEERS: "b@10.0.0.2:4223" is not name@address:port/pin`}},
		"twice":             {member + "FLEET_PEERS b@10.0.0.2:4223/" + pinB + " b@10.0.0.3:4223/" + pinC + ";\n", []string{"main.conf:5: FLEET_PEERS: b is there twice"}},
		"one address":       {member + "FLEET_PEERS b@10.0.0.2:4223/" + pinB + " c@10.0.0.2:4223/" + pinC + ";\n", []string{"main.conf:5: FLEET_PEERS: c and b have the same address"}},
		"one pin":           {member + "FLEET_PEERS b@10.0.0.2:4223/" + pinB + " c@10.0.0.3:4223/" + pinB + ";\n", []string{"main.conf:5: FLEET_PEERS: c and b have the same pin"}},
		"two members":       {member + "FLEET_PEERS b@10.0.0.2:4223/" + pinB + ";\n", []string{"main.conf:5: warning: FLEET_PEERS: makes 2 members, which stand the loss of no more than 1 do"}},
		"another's address": {strings.Replace(full, "FLEET_NAME a", "FLEET_NAME d", 1), []string{"main.conf:5: FLEET_PEERS: a has the address of FLEET_LISTEN, and FLEET_NAME is d"}},
		"itself elsewhere":  {strings.Replace(full, "LISTEN 10.0.0.1", "LISTEN 10.9.9.9", 1), []string{"main.conf:5: warning: FLEET_PEERS: a is this member, at 10.0.0.1:4223; FLEET_LISTEN is 10.9.9.9:4223"}},
		"without FLEET":     {"FLEET_NAME a;\nFLEET_ON_PARTITION local;\n", []string{"main.conf:1: warning: FLEET_NAME: has no effect without FLEET", "main.conf:2: warning: FLEET_ON_PARTITION: has no effect without FLEET"}},
		"CA and embedded":   {full + "FLEET_CA /ca.pem;\n", []string{"main.conf:6: warning: FLEET_CA: has no effect without an outside cluster in FLEET"}},
		"peers and outside": {"FLEET tls://10.0.0.1:4222;\n" + peers, []string{"main.conf:2: warning: FLEET_PEERS: has no effect without FLEET embedded"}},
		"a group":           {full + "FLEET_GROUP edge;\n", nil},
		"a group's name":    {full + "FLEET_GROUP edge.*;\n", []string{`main.conf:6: FLEET_GROUP: "edge.*" is no name of a member or group`}},
		"a group alone":     {"FLEET_GROUP edge;\n", []string{"main.conf:1: warning: FLEET_GROUP: has no effect without FLEET"}},
		"another partition": {full + "FLEET_ON_PARTITION remote;\n", []string{`main.conf:6: FLEET_ON_PARTITION: "remote" is not one of refuse, local`}},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, _, problems := loadText(c.text, perl19())
			var got []string
			for _, p := range problems {
				got = append(got, p.String())
			}
			if len(got) != len(c.want) {
				t.Fatalf("problems:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
			for i, want := range c.want {
				if !strings.HasPrefix(got[i], want) {
					t.Errorf("%s\nwant %s", got[i], want)
				}
				if strings.Contains(got[i], "secret") {
					t.Errorf("a secret: %s", got[i])
				}
			}
		})
	}
}
