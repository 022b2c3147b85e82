package unit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"fwknopd/fixtures/golden"
	"fwknopd/fixtures/readme"
)

// What README shows is recorded in two forms: for players of terminal recordings (asciicast v2)
// and as plain text. With -update TestReadmeFromNothing writes them.
const (
	castFile       = "../demo/protect.cast"
	transcriptFile = "../demo/protect.txt"
)

// A recording is what a terminal shows. Its times are those of a calm typist, not those of the
// run: the same run makes the same recording.
type recording struct {
	cast, transcript bytes.Buffer
	at               time.Duration
}

// How long keys and looks take; the whole stays below longest.
const (
	keyTime   = 22 * time.Millisecond
	readTime  = 1200 * time.Millisecond // after what a command prints
	enterTime = 250 * time.Millisecond  // between a command and its output
	longest   = 30 * time.Second
)

// A castHeader is the first line of an asciicast.
type castHeader struct {
	Version int    `json:"version"`
	Width   int    `json:"width"`  // columns
	Height  int    `json:"height"` // lines
	Title   string `json:"title"`
}

func newRecording(title string) *recording {
	r := new(recording)
	r.line(castHeader{Version: 2, Width: 120, Height: 40, Title: title})
	return r
}

func (r *recording) line(v any) {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings and numbers
	}
	r.cast.Write(append(text, '\n'))
}

// show has text appear after a pause.
func (r *recording) show(pause time.Duration, text string) {
	r.at += pause
	r.line([]any{json.Number(fmt.Sprintf("%.2f", r.at.Seconds())), "o", strings.ReplaceAll(text, "\n", "\r\n")})
}

// command records a command, typed at a prompt, and what it prints.
func (r *recording) command(prompt, command, output string) {
	output = fixed(output)
	fmt.Fprintf(&r.transcript, "%s %s\n%s", prompt, command, output)
	r.show(0, "\x1b[1m"+prompt+"\x1b[0m ")
	r.at += enterTime
	for _, key := range command {
		r.show(keyTime, string(key))
	}
	r.show(enterTime, "\n")
	if output != "" {
		r.show(enterTime, output)
		r.at += readTime
	}
}

// What varies from run to run has fixed values, or is not shown: what apt says beside its last
// words, and what depends on the machine.
var varying = []struct {
	pattern *regexp.Regexp
	fixed   string
}{
	{regexp.MustCompile(`(?s)\A.*\n(Setting up \S+) \(\S+\) (\.\.\.\n).*\z`), "$1 $2"},
	{regexp.MustCompile(`(?m)^\S+ +(clock|folder|sandbox) .*\n( +-> .*\n)?`), ""},
	{regexp.MustCompile(`_exp_\d+`), "_exp_1798797630"},
	{regexp.MustCompile(`ends .*, \d+s left`), "ends Fri Jan  1 10:00:30 2027, 30s left"},
}

func fixed(output string) string {
	for _, v := range varying {
		output = v.pattern.ReplaceAllString(output, v.fixed)
	}
	return output
}

// compare fails the test if the files in the repository say something else.
func (r *recording) compare(t *testing.T) {
	t.Helper()
	golden.Compare(t, transcriptFile, r.transcript.Bytes())
	golden.Compare(t, castFile, r.cast.Bytes())
}

// The recording in the repository can be played, ends in time, shows what the transcript shows, and
// has the commands of README.
func TestRecording(t *testing.T) {
	text, err := os.ReadFile(castFile)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
	var header castHeader
	if err := json.Unmarshal(lines[0], &header); err != nil || header.Version != 2 || header.Width < 80 || header.Height < 24 {
		t.Fatalf("%s: %v", lines[0], err)
	}
	var shown strings.Builder
	last := 0.0
	for _, line := range lines[1:] {
		var at float64
		var kind, data string
		if err := json.Unmarshal(line, &[]any{&at, &kind, &data}); err != nil || kind != "o" || at < last || at > longest.Seconds() {
			t.Fatalf("%s: %v", line, err)
		}
		last = at
		shown.WriteString(data)
	}
	transcript, err := os.ReadFile(transcriptFile)
	if err != nil {
		t.Fatal(err)
	}
	if plain := strings.NewReplacer("\x1b[1m", "", "\x1b[0m", "", "\r", "").Replace(shown.String()); plain != string(transcript) {
		t.Errorf("%s shows\n%s\n%s\n%s", castFile, plain, transcriptFile, transcript)
	}
	g := readme.Protect(t, "../../../README.md")
	for _, command := range []string{g.Install, g.Init + "\n" + g.InitPrints, g.Doctor, g.Start, g.InstallClient, g.Knock, g.List, g.Revoke} {
		if !strings.Contains(string(transcript), " "+command) {
			t.Errorf("%s does not show %s", transcriptFile, command)
		}
	}
	t.Logf("%d events, %.1f s", len(lines)-1, last)
}
