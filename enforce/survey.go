package enforce

// A ChainState says of one chain of ours whether it is there. Backends that have
// chains list them:
//
//	Chains(ctx context.Context) ([]ChainState, error)
type ChainState struct {
	Table  string // as the firewall names it: "filter", "inet filter"
	Name   string
	Exists bool
}
