// Package pipe is the one loop that all uses of the program share: daemon, replay
// and --os differ in the source they build and in the step they take.
package pipe

import (
	"context"
	"errors"
	"io"

	"fwknopd/ingest"
	"fwknopd/parse"
)

// Run hands every event of src to step until the source ends. The event is reused:
// step must copy what it keeps. A source that finished is no error; an error of
// step ends the loop.
func Run(ctx context.Context, src ingest.Source, step func(*parse.Event) error) error {
	var ev parse.Event
	for {
		err := src.Next(ctx, &ev)
		if err == nil {
			if err = step(&ev); err != nil {
				return err
			}
			continue
		}
		if errors.Is(err, parse.ErrSkip) {
			continue
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		return err
	}
}
