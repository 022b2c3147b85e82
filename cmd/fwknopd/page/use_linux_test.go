package page

import (
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// shown lists the texts of a column of the rows that are not hidden, the first few.
func shown(table, column, n string) string {
	return `[...document.querySelectorAll("#` + table + ` tbody tr:not([hidden])")].map((r) => r.cells[` + column + `].textContent).slice(0, ` + n + `)`
}

// TestBrowserSorts: a click on a head sorts by it, another one turns the order around, and
// aria-sort says so; addresses, numbers and times sort as such. The keyboard does the same.
func TestBrowserSorts(t *testing.T) {
	b := open(t, write(t, sample(sizes{buckets: 20, sources: 300, others: 20})), 1280, 900)
	order := `[...document.querySelectorAll("#source-list th")].map((h) => h.ariaSort[0]).join("")`
	b.want(order, `"nnnnnnnn"`)
	b.do(chromedp.Click(chromedp.CSS("#source-list th:nth-child(1) button")))
	b.want(order, `"annnnnnn"`)
	b.want(shown("source-list", "0", "3"), `["192.0.100.0","192.0.100.3","192.0.100.6"]`)
	b.do(chromedp.Click(chromedp.CSS("#source-list th:nth-child(3) button")))
	b.want(order, `"nndnnnnn"`)
	b.want(shown("source-list", "2", "4"), `["40,000","20,000","13,333","10,000"]`)
	b.do(chromedp.Focus(chromedp.CSS("#source-list th:nth-child(3) button")), chromedp.KeyEvent(kb.Enter))
	b.want(order, `"nnannnnn"`)
	b.want(shown("source-list", "2", "3"), `["133","133","134"]`)
	b.do(chromedp.Click(chromedp.CSS("#source-list th:nth-child(8) button")))
	b.want(`{
		const all = [...document.querySelectorAll("#source-list tbody tr")].map((r) => r.cells[7].textContent);
		return all.length === 300 && all.every((text, i) => i === 0 || text <= all[i - 1]);
	}`, "true")
	b.do(chromedp.Click(chromedp.CSS("#grant-list th:nth-child(6) button")))
	b.want(shown("grant-list", "5", "5"), `["8 h","8 h","8 h","8 h","30 s"]`)
}

// TestBrowserSearches: words are searched in all rows, not only in those that are shown.
func TestBrowserSearches(t *testing.T) {
	b := open(t, write(t, sample(sizes{buckets: 20, sources: 300, others: 20})), 1280, 900)
	rows := `document.querySelectorAll("#source-list tbody tr:not([hidden])").length`
	field := `#sources input[type=search]`
	b.want(rows, "20")
	b.do(chromedp.SendKeys(chromedp.CSS(field), "203.0.101. nmap"))
	b.want(`Number(`+rows+`) === [...document.querySelectorAll("#source-list tbody tr")].filter((r) => r.textContent.includes("203.0.101.") && r.textContent.includes("NMAP")).length`, "true")
	b.want(`document.querySelector("#sources [role=status]").textContent.endsWith(" of 300 rows match")`, "true")
	b.do(chromedp.SendKeys(chromedp.CSS(field), " <script>"))
	b.want(rows, "0")
	empty := `{ const field = document.querySelector("` + field + `"); field.value = ""; field.dispatchEvent(new Event("input")); }`
	b.eval(empty)
	b.do(chromedp.SendKeys(chromedp.CSS(field), "DOCUMENT.TITLE"))
	b.want(rows, "1")
	b.eval(empty)
	b.want(`document.querySelector("#sources .more").textContent`, `"Show all 300"`)
	b.do(chromedp.Click(chromedp.CSS("#sources .more")))
	b.want(rows, "300")
	b.want(`document.querySelector("#sources .more").hidden`, "true")
}

// readout has the span of time that the chart shows.
const readout = `document.getElementById("readout").textContent.split(":").slice(0, -1).join(":")`

// TestBrowserZooms: by button, by dragging and by keys; what is shown is added up, and the
// whole time comes back.
func TestBrowserZooms(t *testing.T) {
	b := open(t, write(t, sample(largest)), 1280, 900)
	const whole = `"2026-10-05 00:00 – 2026-10-18 21:20, each bar 2 hours"`
	button := func(name string) chromedp.Action[chromedp.Void] {
		return chromedp.Click(`//button[text()="` + name + `"]`)
	}
	b.want(readout, whole)
	b.want(`document.getElementById("readout").textContent.includes("records "+"642,")`, "false")
	b.do(button("Busiest day"))
	b.want(readout, `"2026-10-14, each bar 10 minutes"`)
	b.do(button("Busiest hour"))
	b.want(readout, `"2026-10-14 06:00 – 07:00, each bar 10 minutes"`)
	b.do(button("Later →"))
	b.want(readout, `"2026-10-14 07:00 – 08:00, each bar 10 minutes"`)
	b.do(button("← Earlier"), button("← Earlier"))
	b.want(readout, `"2026-10-14 05:00 – 06:00, each bar 10 minutes"`)
	b.do(button("Whole time"))
	b.want(readout, whole)
	b.want(`document.querySelector("#chart .tools button").disabled`, "true")

	b.drag(0.25, 0.5)
	b.want(`document.getElementById("readout").textContent.match(/^2026-10-08 \S+ – 2026-10-1[12] .*each bar 30 minutes/) !== null`, "true")
	b.want(`document.querySelector("#chart .tools button").disabled`, "false")
	b.do(chromedp.Focus(chromedp.CSS("#plots")), chromedp.KeyEvent("-"), chromedp.KeyEvent(kb.ArrowRight), chromedp.KeyEvent("0"))
	b.want(readout, whole)
	b.do(chromedp.KeyEvent("+"))
	b.want(readout+" === "+whole, "false")
	b.do(chromedp.DoubleClick(chromedp.CSS("#plots .u-over")), chromedp.MouseEvent(chromedp.MouseMoved, 5, 5))
	b.want(readout, whole)
}

// drag drags over the chart, from and to a part of its width.
func (b *browser) drag(from, to float64) {
	b.t.Helper()
	box := run(b, chromedp.Evaluate[[]float64](`(() => { const plot = document.querySelector("#plots .u-over"); plot.scrollIntoView({block: "center", behavior: "instant"});
		const r = plot.getBoundingClientRect(); return [r.left, r.top, r.width, r.height]; })()`))
	x := func(part float64) float64 { return box[0] + box[2]*part }
	y := box[1] + box[3]/2
	b.do(chromedp.MouseEvent(chromedp.MouseMoved, x(from), y),
		chromedp.MouseEvent(chromedp.MousePressed, x(from), y, chromedp.ButtonLeft, chromedp.ClickCount(1)),
		chromedp.MouseEvent(chromedp.MouseMoved, x((from+to)/2), y, chromedp.ButtonLeft),
		chromedp.MouseEvent(chromedp.MouseMoved, x(to), y, chromedp.ButtonLeft),
		chromedp.MouseEvent(chromedp.MouseReleased, x(to), y, chromedp.ButtonLeft, chromedp.ClickCount(1)),
		chromedp.MouseEvent(chromedp.MouseMoved, 5, 5))
}

// TestBrowserCopies: the button copies the lines, or where that is not allowed selects them.
func TestBrowserCopies(t *testing.T) {
	b := open(t, write(t, sample(sizes{buckets: 20, sources: 3, others: 3})), 1280, 900)
	b.do(chromedp.Click(chromedp.CSS(".paste summary")), chromedp.Click(chromedp.CSS(".paste button")),
		chromedp.WaitVisible(`//button[text()="Copied" or starts-with(text(), "Selected")]`))
}

// charted has the colour of grants in the text, and whether the chart is drawn in it.
const charted = `{
	const want = getComputedStyle(document.querySelector(".verdict.granted")).color;
	await new Promise(requestAnimationFrame);
	const canvas = document.querySelector("#plots canvas");
	const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
	for (let i = 0; i < data.length; i += 4) {
		if (want === "rgb(" + data[i] + ", " + data[i + 1] + ", " + data[i + 2] + ")" && data[i + 3] === 255) return [want, true];
	}
	return [want, false];
}`

// TestBrowserColours: the switch and the setting of the system choose the colours, of the
// chart too; in both, and at the width of a telephone, nothing is wider than the window.
func TestBrowserColours(t *testing.T) {
	text := write(t, sample(sizes{buckets: 1600, sources: 300, others: 60}))
	for _, window := range []struct {
		name  string
		width int64
	}{{"wide", 1280}, {"phone", 390}} {
		b := open(t, text, window.width, 844)
		for _, theme := range []struct{ name, ground, granted string }{
			{"light", "rgb(251, 251, 250)", "rgb(26, 111, 176)"}, {"dark", "rgb(21, 24, 28)", "rgb(95, 176, 238)"},
		} {
			b.system(theme.name)
			b.want(`getComputedStyle(document.body).backgroundColor`, `"`+theme.ground+`"`)
			b.want(`document.documentElement.scrollWidth`, b.eval(`innerWidth`))
			b.want(charted, `["`+theme.granted+`",true]`)
			b.picture(window.name+"-"+theme.name, true)
		}
		b.do(chromedp.Click(`//button[text()="Light"]`))
		b.want(`getComputedStyle(document.body).backgroundColor`, `"rgb(251, 251, 250)"`)
		b.want(`[...document.querySelectorAll("#theme button")].map((n) => n.ariaPressed)`, `["false","true","false"]`)
	}
}

// TestBrowserPictureForReadme makes the picture of the README.
func TestBrowserPictureForReadme(t *testing.T) {
	b := open(t, write(t, sample(sizes{buckets: 1600, sources: 1000, others: 60})), 1280, 1180)
	b.system("light")
	b.picture("report", false)
}

// TestBrowserWithoutScript: the tables are there, and nothing that only the script could work.
func TestBrowserWithoutScript(t *testing.T) {
	b := open(t, write(t, sample(sizes{buckets: 200, sources: 60, others: 5})), 1280, 900)
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	b.load()
	b.want(shown("source-list", "0", "100")+".length", "60")
	b.want(`[...document.querySelectorAll("button, input, #chart, #theme")].filter((n) => n.checkVisibility()).length`, "0")
	b.want(`document.querySelectorAll("#timeline-list tbody tr").length > 10`, "true")
	b.picture("without-script", true)
}

// TestBrowserPrints: a print has the tables, in light colours also if the page is dark.
func TestBrowserPrints(t *testing.T) {
	b := open(t, write(t, sample(sizes{buckets: 400, sources: 40, others: 5})), 1280, 900)
	b.do(chromedp.Click(`//button[text()="Dark"]`))
	b.eval(`{ window.printed = []; addEventListener("beforeprint", () => printed.push(document.documentElement.dataset.theme)); }`)
	b.keep("print.pdf", run(b, chromedp.PrintToPDF(chromedp.PDFPaper(chromedp.PaperA4), chromedp.PDFPrintBackground())))
	b.want(`printed`, `["light"]`)
	b.want(`document.documentElement.dataset.theme`, `"dark"`)
}
