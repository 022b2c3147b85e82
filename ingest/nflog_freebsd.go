package ingest

// bindNFLOG is refused: NFLOG is of Netfilter.
func bindNFLOG(uint16) (socket, error) { return nil, errNotHere }
