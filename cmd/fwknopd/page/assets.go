package page

import (
	"crypto/sha256"
	_ "embed" // for the files below
	"encoding/base64"
	"sync"
)

// What the page brings. uPlot 1.6.32 draws the timeline; its files are as published, with
// their licence beside them, which the page repeats.
var (
	//go:embed uplot/uPlot.iife.min.js
	uplotScript string
	//go:embed uplot/uPlot.min.css
	uplotStyle string
	//go:embed uplot/LICENSE
	uplotLicense string
	//go:embed page.js
	pageScript string
	//go:embed page.css
	pageStyle string

	script = "\n" + uplotScript + pageScript
	style  = "\n" + uplotStyle + pageStyle
)

// contentPolicy is what the page may do: run its own script and use its own style.
var contentPolicy = sync.OnceValue(func() string {
	return "default-src 'none'; script-src " + source(script) + "; style-src " + source(style) + "; base-uri 'none'; form-action 'none'"
})

// source names text by its hash, as a policy does.
func source(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
