package monitor

import "time"

// A bucket limits how often something happens: burst times in a row, then once in
// a period.
type bucket struct {
	burst  float64
	period time.Duration
	tokens float64
	at     time.Duration // when tokens was true
}

func newBucket(burst int, period, now time.Duration) bucket {
	return bucket{float64(burst), period, float64(burst), now}
}

// take spends a token and returns 0, or says in how long there will be one.
func (b *bucket) take(now time.Duration) (wait time.Duration) {
	b.tokens = min(b.burst, b.tokens+float64(now-b.at)/float64(b.period))
	b.at = now
	if b.tokens < 1 {
		return time.Duration((1-b.tokens)*float64(b.period)) + time.Millisecond
	}
	b.tokens--
	return 0
}
