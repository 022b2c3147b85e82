package report

import (
	"encoding/json"
	"time"
)

// digestsLost is the verdict of the event for records of digests that may be lost.
const digestsLost = "digests.lost"

// DigestsLostText returns the message for records of digests that may be lost.
func DigestsLostText(why string, horizon time.Time) string {
	return "digests may be lost: " + why + ": messages sent before " + horizon.UTC().Format(time.RFC3339) + " are refused"
}

// DigestsLostJSON returns the same as an object of the event log.
func DigestsLostJSON(now time.Time, why string, horizon time.Time) []byte {
	object, err := json.Marshal(struct {
		V         int    `json:"v"`
		Timestamp string `json:"timestamp"`
		Type      string `json:"event_type"`
		Verdict   string `json:"verdict"`
		Error     string `json:"error"`
		Before    string `json:"refused_before"`
	}{1, string(appendTime(nil, now)), "monitor", digestsLost, why, horizon.UTC().Format(time.RFC3339)})
	if err != nil {
		return []byte("{}") // not reached: numbers and strings always encode
	}
	return object
}
