package replay

import (
	"cmp"
	"errors"
	"io"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/engine"
	"fwknopd/cmd/fwknopd/inputs"
	"fwknopd/cmd/fwknopd/stats"
	"fwknopd/ingest"
)

// Stats implements `fwknopd stats` with a configuration: it decides as [Replay] does, prints a
// summary in place of the decisions, and returns the exit code.
func Stats(f *cli.Options, stdin io.Reader, stdout, stderr io.Writer) int {
	o := newOptions(f, stdin, stdout, stderr)
	o.quiet = true
	if err := o.checkReplay(); err != nil {
		return cli.Stats.Refuse(stderr, err)
	}
	ctx, end := inputs.UntilInterrupted()
	defer end()
	return o.exit("stats", o.replay(ctx))
}

// collect prepares r for the summary that is asked for.
func (o *options) collect(r *run) error {
	if !o.summary.Asked() {
		return nil
	}
	systems, err := engine.LoadSystems(r.server.P0fFile, o.Signatures, r.server.MaxHops, nil)
	if err != nil {
		return err
	}
	r.stats = stats.New(systems.Matcher(), inputs.Storage(o.Memory, 1))
	return nil
}

// summarize writes the summary of what was read; reason is why not all was.
func (o *options) summarize(r *run, reason error) error {
	var unread ingest.Unread
	if r.stats == nil || reason != nil && !errors.Is(reason, inputs.ErrInterrupted) && !errors.As(reason, &unread) {
		return nil
	}
	about := stats.About{Inputs: o.files, Counts: r.Counts()}
	if reason != nil {
		about.Notes = append(about.Notes, reason.Error())
	}
	defer r.stats.Close()
	if err := r.stats.Finish(); err != nil {
		return err
	}
	return cmp.Or(o.summary.Write(r.stats, about, o.stdout), r.stats.Err())
}
