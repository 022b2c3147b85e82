package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/replay"
)

// runSPADump runs --spa-dump-packets, which is explain for a file of packets.
func runSPADump(o *cli.Options, stdout, stderr io.Writer) int {
	f, err := os.Open(o.SPADump)
	if err != nil {
		fmt.Fprintf(stderr, "fwknopd: %v\n", err)
		return exitError
	}
	defer f.Close()
	var args []string
	for name, value := range map[string]string{
		"--config": o.Config, "--access-file": o.Access, "--access-folder": o.AccessFolder,
		"--Override-config": strings.Join(o.Overrides, ","), "--format": o.Format,
	} {
		if value != "" {
			args = append(args, name, value)
		}
	}
	if o.NoGPG {
		args = append(args, "--no-gpg")
	}
	if o.Lenient {
		args = append(args, "--lenient")
	}
	return replay.DumpPackets(f, args, time.Now(), stdout, stderr)
}
