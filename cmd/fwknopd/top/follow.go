package top

import (
	"bytes"
	"context"
	"time"
)

// retryPause is how long a view waits before it asks again a daemon that has gone.
const retryPause = time.Second

// follow passes on the events of a daemon, first the last ones, until ctx is done. When the
// daemon goes it waits for it to come back; events that were passed on are not repeated. state
// gets the error then, and nil when the daemon answers.
func follow(ctx context.Context, d daemon, last int, pass func([][]byte), state func(error)) {
	var seen []byte // the last event that was passed on
	for {
		begun := false
		err := d.Follow(ctx, last, func(objects [][]byte) {
			if !begun {
				state(nil)
				objects = unseen(objects, seen)
			}
			if begun = true; len(objects) > 0 {
				seen = objects[len(objects)-1]
				pass(objects)
			}
		})
		if ctx.Err() != nil {
			return
		}
		state(err)
		if seen != nil {
			last = maxEvents
		}
		pause := time.NewTimer(retryPause)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return
		}
	}
}

// unseen returns the events after the one that was seen, all if that is not among them.
func unseen(history [][]byte, seen []byte) [][]byte {
	for i := len(history) - 1; i >= 0 && seen != nil; i-- {
		if bytes.Equal(history[i], seen) {
			return history[i+1:]
		}
	}
	return history
}
