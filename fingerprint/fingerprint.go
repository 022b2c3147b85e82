// Package fingerprint names the operating system that sent a SYN, the way p0f
// version 2 does: a text file of signatures, each a pattern over window, TTL,
// don't-fragment bit, length, option layout and quirks. It knows nothing of
// stanzas and does no I/O; the signature file of this project is embedded.
//
// Entry points: [Load] or [Default], then [Matcher.Match].
package fingerprint
