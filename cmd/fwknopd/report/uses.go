package report

import (
	"fmt"
	"time"
)

// Uses is how often a stanza with ACCESS_USES has granted, as `status --json` and `grants uses
// --json` print it. Members may be added, never removed or changed.
type Uses struct {
	Name    string `json:"stanza_name"`
	Limit   string `json:"limit"` // ACCESS_USES with its zone
	Max     int    `json:"max"`
	Used    int    `json:"used"` // in all, or on this day
	Left    int    `json:"left"`
	Unknown string `json:"unknown,omitempty"` // why the uses are not known: the stanza refuses
}

func (u *Uses) text() string {
	if u.Unknown != "" {
		return "refuses: " + u.Unknown
	}
	return fmt.Sprintf("%d of %s used, %d left", u.Used, u.Limit, u.Left)
}

// UsesUnknownText says that a stanza refuses, as its uses are not known.
func UsesUnknownText(name, why string) string {
	return fmt.Sprintf("stanza %s refuses, as its ACCESS_USES are not known: %s", name, why)
}

// UsesText returns uses as lines of a stanza each.
func UsesText(list []Uses) string {
	if len(list) == 0 {
		return "no stanza has ACCESS_USES\n"
	}
	var t table
	for i := range list {
		t.addf(list[i].Name, "%s", list[i].text())
	}
	return t.text()
}

// UsesJSON returns uses as one object with a newline.
func UsesJSON(list []Uses, now time.Time) []byte {
	return append(appendObject(nil, struct {
		V    int    `json:"v"`
		Time string `json:"timestamp"`
		Uses []Uses `json:"uses"`
	}{1, string(appendTime(nil, now)), list}), '\n')
}
