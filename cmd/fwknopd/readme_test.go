package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// readmeCommands finds the blocks of README with commands after "$ ", and what they print.
var readmeCommands = regexp.MustCompile("(?s)```\n(\\$ .*?)```")

// What README shows below a command is what it prints: "./fwknopd" in the root of the project,
// "fwknopd" beside the data of the demonstration.
func TestReadmeShowsOutput(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	for _, block := range readmeCommands.FindAllStringSubmatch(string(text), -1) {
		for _, part := range strings.Split("\n"+block[1], "\n$ ")[1:] {
			line, want, _ := strings.Cut(part, "\n")
			words := strings.Fields(line)
			dir := "../.."
			if words[0] == "fwknopd" {
				dir = "demo/data"
			}
			t.Run(line, func(t *testing.T) {
				t.Chdir(dir)
				var stdout, stderr strings.Builder
				run(words[1:], strings.NewReader(""), &stdout, &stderr)
				if got := strings.TrimSuffix(stdout.String(), "\n"); got != strings.TrimSuffix(want, "\n") {
					t.Errorf("prints\n%s\nREADME shows\n%s\nstandard error: %s", got, want, stderr.String())
				}
			})
			tried++
		}
	}
	if tried < 4 {
		t.Errorf("%d commands in README", tried)
	}
}
