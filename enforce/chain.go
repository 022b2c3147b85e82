package enforce

// A Chain is one value of IPT_INPUT_ACCESS and its kin: where our chain hangs and
// what its rules do.
type Chain struct {
	Target    string    // ACCEPT, DNAT, SNAT, MASQUERADE
	Direction Direction // which side of a packet the client's address is on
	Table     string    // filter, nat, …
	From      string    // the chain that jumps to ours
	JumpPos   int       // position of the jump in From, from 1
	To        string    // our chain
	RulePos   int       // position of new rules in To, from 1; 0 appends
}

// Direction is the second field of the seven-field form.
type Direction uint8

const (
	DirSrc  Direction = iota // src: rules match the client as source
	DirDst                   // dst: as destination
	DirBoth                  // both: a rule for each
)
