package nftables

// isUntouched reports whether nobody else has changed the ruleset since our last
// look or change.
func (b *Backend) isUntouched() bool {
	gen, err := b.counter.Now()
	return err == nil && gen == b.gen
}

// flush sends the queued batch: all of it takes effect, or nothing.
func (b *Backend) flush() error {
	if err := b.conn.Flush(); err != nil {
		return b.redial(err)
	}
	gen, err := b.counter.Now()
	if err != nil {
		return err
	}
	if gen != b.gen { // the batch was not empty; if more has happened, isUntouched will see it
		b.gen++
	}
	return nil
}
