package main

import (
	"context"
	"io"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/osreport"
	"fwknopd/cmd/fwknopd/summaries"
)

// runOS runs `fwknopd --os`.
func runOS(o *cli.Options, stdin io.Reader, stdout, stderr io.Writer) int {
	out, err := summaries.Of(o)
	if err != nil {
		return cli.Daemon.Refuse(stderr, err)
	}
	opt := osreport.FromFlags(o, stdin)
	err = opt.Configure(o)
	return readInputs(o, stderr, err, func(ctx context.Context) error {
		if out.Asked() {
			return opt.Summarize(ctx, out, false, osreport.Span{}, stdout, stderr)
		}
		return osreport.Run(ctx, opt, stdout, stderr)
	})
}
