package fleetlink

// A Kafka says from which topics the fleet process reads log lines.
type Kafka struct {
	Brokers  []string `json:"brokers"` // host:port, to begin with
	Topics   []string `json:"topics"`
	Group    string   `json:"group"`
	Earliest bool     `json:"earliest,omitempty"` // where a group without offsets begins; else at the end

	TLS bool   `json:"tls,omitempty"`
	CA  []byte `json:"ca,omitempty"` // certificates that may sign those of the brokers (PEM); empty: the system's

	Mechanism string `json:"mechanism,omitempty"` // PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512; empty: no SASL
	User      string `json:"user,omitempty"`
	Password  string `json:"password,omitempty"`
}
