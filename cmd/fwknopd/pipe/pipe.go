// Package pipe holds the event loop that daemon, replay and --os share. They differ in
// their source and step.
package pipe

import (
	"context"
	"errors"
	"io"

	"fwknopd/ingest"
	"fwknopd/parse"
)

// Run passes every event of src to step until the source ends, for which it returns nil.
// The event is reused: step must copy what it keeps. An error of step ends the loop and
// is returned.
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
