package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"fwknopd/cmd/fwknopd/cli"
	"fwknopd/cmd/fwknopd/wholefile"
	"fwknopd/enforce/quote"
)

// argsPath returns the file with the arguments of the last run, "" without one.
func (c *client) argsPath() string {
	if c.Client.ArgsFile != "" {
		return c.Client.ArgsFile
	}
	return c.home(".fwknop.run")
}

// lastArgs returns the arguments of the last run.
func (c *client) lastArgs() ([]string, error) {
	path := c.argsPath()
	if path == "" {
		return nil, errors.New("there is no home directory to read the last arguments from; --save-args-file names a file")
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("no arguments were saved in %s", path)
	}
	if err != nil {
		return nil, err
	}
	args, err := quote.Shell.Split(strings.TrimRight(string(data), "\r\n"))
	if err != nil || len(args) == 0 {
		return nil, fmt.Errorf("%s has no arguments that can be read", path)
	}
	return args[1:], nil // behind the name of the program
}

// secretOptions have a key as value, or a code that is good for once.
var secretOptions = []string{"key-rijndael", "key-base64-rijndael", "key-hmac", "key-base64-hmac", "totp"}

// saveArgs saves the arguments for --last-cmd, but no keys, nor those that ssh gives with
// --proxy, maybe several times at once.
func (c *client) saveArgs(args []string) error {
	path := c.argsPath()
	secret := slices.ContainsFunc(secretOptions, c.Set)
	if path == "" || c.Client.NoSaveArgs || c.Client.Last || c.Client.ProxyHost != "" {
		return nil
	}
	if secret {
		if c.Verbose > 0 || c.Client.ArgsFile != "" {
			fmt.Fprintln(c.stderr, "fwknop: the arguments are not saved, as a key or code is among them")
		}
		return nil
	}
	err := wholefile.Replace(path, []byte(joinArgs(append([]string{"fwknop"}, args...))+"\n"))
	if err != nil {
		return fmt.Errorf("saving the arguments (--no-save-args does without): %w", err)
	}
	return nil
}

// joinArgs quotes arguments with blanks, quotes or backslashes for [quote.Shell]. Others are
// written as the 2.6 client does.
func joinArgs(args []string) string {
	quoted := make([]string, len(args))
	for i, a := range args {
		quoted[i] = a
		if a == "" || strings.ContainsAny(a, " \t\n'\"\\") {
			quoted[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}

// parseLast parses the arguments of the last run, and args behind them.
func (c *client) parseLast(args []string) error {
	last, err := c.lastArgs()
	if err != nil {
		return err
	}
	o, err := cli.Parse(cli.Client, append(last, args...))
	if err != nil {
		return err
	}
	c.Options = o
	return nil
}
