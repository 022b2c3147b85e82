package page

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"fwknopd/fixtures/netlab"
	"fwknopd/fixtures/wait"
)

// A browser is a headless Chromium that shows a page, and what it did.
type browser struct {
	context.Context
	t    *testing.T
	file string // of the page

	mu       sync.Mutex
	requests []string // addresses
	problems []string // errors of the console, exceptions, what the policy refused
}

// open shows a page in a window of a width.
func open(t *testing.T, text string, width, height int64) *browser {
	t.Helper()
	netlab.Need(t, "chromium")
	file := filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath("chromium"), chromedp.NoSandbox, chromedp.Flag("headless", "new"),
		chromedp.Flag("force-prefers-reduced-motion", true), // a click would miss what still scrolls
		chromedp.UserDataDir(t.TempDir()),
		chromedp.WSURLReadTimeout(wait.Timeout))
	alloc, cancelAlloc := chromedp.NewExecAllocator(t.Context(), options...)
	ctx, cancel := chromedp.NewContext(alloc)
	b := &browser{Context: ctx, t: t, file: file}
	t.Cleanup(func() {
		chromedp.Cancel(ctx) // waits for the end of the browser
		cancel()
		cancelAlloc()
	})
	if err := chromedp.Listen(ctx, b.listen); err != nil {
		t.Fatal(err)
	}
	call(b, network.Enable, network.EnableParams{})
	call(b, log.Enable, cdp.Empty{})
	b.do(chromedp.EmulateViewport(width, height))
	b.load()
	return b
}

// load shows the page anew.
func (b *browser) load() {
	b.t.Helper()
	b.do(chromedp.Navigate("file://" + b.file))
}

func (b *browser) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, e.Request.URL)
	case *runtime.EventExceptionThrown:
		b.problems = append(b.problems, fmt.Sprintf("exception: %+v", e.ExceptionDetails))
	case *runtime.EventConsoleAPICalled:
		b.problems = append(b.problems, "console: "+string(e.Type))
	case *log.EventEntryAdded:
		b.problems = append(b.problems, e.Entry.Text)
	}
}

func (b *browser) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	run(b, chromedp.Steps(actions...))
}

// call sends a command of the protocol to the browser.
func call[P, R any](b *browser, command cdp.Command[P, R], params P) R {
	b.t.Helper()
	return run(b, func(ctx context.Context, _ *chromedp.Target) (R, error) { return chromedp.Call(ctx, command, params) })
}

// run returns the value of an action, which waits for what it acts on.
func run[T any](b *browser, action chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b, wait.Timeout)
	defer cancel()
	value, err := chromedp.Run(ctx, action)
	if err != nil {
		b.t.Fatal(err)
	}
	return value
}

// system sets whether the system asks for light or dark colours.
func (b *browser) system(theme string) {
	b.t.Helper()
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}}})
}

// eval returns the value of an expression, as JSON.
func (b *browser) eval(expression string) string {
	b.t.Helper()
	text := "(async () => JSON.stringify(await (async () => " + expression + ")() ?? null))()"
	return run(b, chromedp.Evaluate[string](text, chromedp.EvalAwaitPromise))
}

// want compares the value of an expression.
func (b *browser) want(expression, want string) {
	b.t.Helper()
	if got := b.eval(expression); got != want {
		b.t.Errorf("%s\n is   %s\n want %s", expression, got, want)
	}
}

// picture writes a picture of the whole page, or of the window alone, to the folder that
// FWKNOPD_PICTURES names.
func (b *browser) picture(name string, whole bool) {
	b.t.Helper()
	shot := chromedp.CaptureScreenshot()
	if whole {
		shot = chromedp.FullScreenshot(100)
	}
	image := run(b, shot)
	if len(image) < 10_000 {
		b.t.Errorf("picture %s has %d bytes: the page is empty", name, len(image))
	}
	b.keep(name+".png", image)
}

// keep writes a file for people to look at, if there is a folder for that.
func (b *browser) keep(name string, content []byte) {
	b.t.Helper()
	folder := os.Getenv("FWKNOPD_PICTURES")
	if folder == "" {
		return
	}
	if err := os.WriteFile(filepath.Join(folder, name), content, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// TestBrowserIsQuiet: a page of hostile texts has no errors, asks for nothing but itself, and
// what the texts want does not happen.
func TestBrowserIsQuiet(t *testing.T) {
	s := sample(largest)
	poison(s)
	b := open(t, write(t, s), 1280, 900)
	b.want(`document.title`, quote("fwknopd report: "+strings.Join(s.Inputs[:1], "")+strings.Repeat(", "+hostile, 5)))
	b.want(`document.querySelectorAll("img, iframe, object, embed, link, form, [style*=url]").length`, "0")
	b.want(`document.querySelectorAll("#source-list tbody tr").length`, "1000")
	b.want(`document.querySelectorAll("#plots canvas").length`, "2")
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, problem := range b.problems {
		t.Error(problem)
	}
	for _, address := range b.requests {
		if address != "file://"+b.file {
			t.Errorf("the page asks for %s", address)
		}
	}
}

// TestBrowserIsReadyInASecond: of the largest page, from the moment it is asked for.
func TestBrowserIsReadyInASecond(t *testing.T) {
	b := open(t, write(t, sample(largest)), 1280, 900)
	// The machine may be loaded: one of a few loads is below the limit.
	fast := wait.Until(wait.Timeout, func() bool {
		b.load()
		ms := run(b, chromedp.Evaluate[float64](`performance.getEntriesByName("interactive")[0].startTime`))
		t.Logf("interactive after %.0f ms", ms)
		return ms < 1000
	})
	if !fast {
		t.Error("the page was never ready within a second")
	}
}

// quote returns text as the browser has it.
func quote(text string) string {
	shown := strings.NewReplacer("\u202e", "?", "\u2066", "?", "\u200b", "?", "\x00", "?", "\x1b", "?", "\r", "?", "\n", "?").Replace(text)
	out, _ := json.Marshal(shown)
	return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(out))
}

// TestBrowserForbidsNetwork: what would load or send something is refused, also if a script
// in the page tries.
func TestBrowserForbidsNetwork(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer server.Close()
	b := open(t, write(t, sample(sizes{buckets: 9, sources: 2, others: 1})), 800, 600)
	b.want(strings.ReplaceAll(`{
		const refused = [];
		document.addEventListener("securitypolicyviolation", (e) => refused.push(e.effectiveDirective));
		const add = (tag, properties) => document.body.append(Object.assign(document.createElement(tag), properties));
		add("img", { src: "URL/img" });
		add("script", { src: "URL/script" });
		add("script", { textContent: "document.title = 'owned'" });
		add("link", { rel: "stylesheet", href: "URL/style" });
		add("iframe", { src: "URL/frame" });
		const policy = new Promise((resolve) => {
			const look = () => (new Set(refused).size >= 5 ? resolve([...new Set(refused)].sort()) : requestAnimationFrame(look));
			look();
		});
		return fetch("URL/fetch").then(() => "fetched", () => policy);
	}`, "URL", server.URL), `["connect-src","frame-src","img-src","script-src-elem","style-src-elem"]`)
	if n := asked.Load(); n != 0 {
		t.Errorf("%d requests reached the server", n)
	}
	b.want(`document.title.startsWith("fwknopd report")`, "true")
}
