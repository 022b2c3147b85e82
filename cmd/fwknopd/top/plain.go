package top

import (
	"context"
	"fmt"
	"io"

	"fwknopd/cmd/fwknopd/report"
)

// printEvents writes a line for each event, or its object, until ctx is done. It says on
// stderr when the daemon goes and comes back.
func printEvents(ctx context.Context, d daemon, last int, asJSON bool, stdout, stderr io.Writer) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	gone := false
	follow(ctx, d, last, func(objects [][]byte) {
		var text []byte
		for _, object := range objects {
			if asJSON {
				text = append(append(text, object...), '\n')
			} else if e, err := report.ParseLogged(object); err == nil { // it is: the daemon writes whole objects
				text = append(append(text, e.Line()...), '\n')
			}
		}
		if _, err := stdout.Write(text); err != nil {
			fail(err)
		}
	}, func(err error) {
		switch {
		case err != nil && !gone:
			fmt.Fprintf(stderr, "fwknopd top: %v; waiting for it\n", err)
		case err == nil && gone:
			fmt.Fprintln(stderr, "fwknopd top: the daemon answers again")
		}
		gone = err != nil
	})
	if err := context.Cause(ctx); err != context.Canceled {
		return err
	}
	return nil
}
