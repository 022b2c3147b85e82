package report

import (
	"fmt"
	"slices"

	"fwknopd/policy"
)

// A Meaning is what a reason code says, and what there is to do.
type Meaning struct {
	Text   string // of the packet, the sequence or the client
	Remedy string // "" where nothing is wrong
}

// meanings has every reason code.
var meanings = map[policy.Reason]Meaning{
	policy.SPAGranted:   {"the message opened what it asked for", ""},
	policy.SPACommand:   {"the message ran a command", ""},
	policy.KnockGranted: {"the sequence was complete", ""},

	policy.SPAHMACMismatch:   {"the packet has no HMAC of the stanza's key, or was changed", "client and server need the same HMAC_KEY and HMAC_DIGEST_TYPE; a client that sends none takes --use-hmac"},
	policy.SPADecryptFailed:  {"the packet was not encrypted with the stanza's key", "client and server need the same KEY and ENCRYPTION_MODE"},
	policy.SPADigestMismatch: {"the packet decrypts, but its digest is not that of its fields", "it was damaged, or decrypted with a key that is nearly right: compare the keys"},
	policy.SPAMalformed:      {"the message is authentic, but a field breaks the format", "the text says which field; a client of another make may need another option"},
	policy.SPAStale:          {"the message is older than MAX_SPA_PACKET_AGE, or of an unknown time", "synchronise the client's clock, which is behind (chronyc makestep), or raise MAX_SPA_PACKET_AGE"},
	policy.SPAFuture:         {"the message is from later than MAX_SPA_PACKET_AGE allows", "synchronise the client's clock, which is ahead (chronyc makestep), or the server's"},
	policy.SPAReplay:         {"the message was seen before", "a client sends a new message each time: who repeats one has recorded it; after a restored backup see DIGEST_FILE"},
	policy.SPAUser:           {"the message names a user that the stanza does not want", "add the name to REQUIRE_USERNAME, or give it to the client with --spoof-user"},
	policy.SPASource:         {"the address that sent the packet, or that it asks for, is not let in", "the client names its own address with -a; see REQUIRE_SOURCE_ADDRESS, SOURCE, GRANT_PREFIX and BLACKLIST"},
	policy.SPAPort:           {"the message asks for a port that is not offered", "add it to OPEN_PORTS, or ask for one that is there with -A"},
	policy.SPACmdDisabled:    {"the message asks for a command, and the stanza runs none", "ENABLE_CMD_EXEC Y, if it is to run commands"},
	policy.SPACmdRegex:       {"the command does not match CMD_REGEX", "ask for one that matches, or change CMD_REGEX"},
	policy.SPAGPGSigner:      {"the message has no signature of a key that the stanza names", "add the signer to GPG_REMOTE_ID or GPG_FINGERPRINT_ID, or sign with --gpg-signer-key"},
	policy.SPAAuthMethod: {"the message brings no password or one-time code that REQUIRE_AUTH_METHOD accepts",
		"send a password with --server-auth crypt, a code with --totp-prompt, each code once; explain says how far the clock of an authenticator is off"},
	policy.SPANAT:           {"the message asks for a translation that is not offered", "see ENABLE_IPT_FORWARDING, ENABLE_FORWARD_ACCESS and INTERNAL_NET_ACCESS"},
	policy.SPAExpiredStanza: {"the stanza is past its ACCESS_EXPIRE", "set a later ACCESS_EXPIRE, or remove it"},
	policy.SPARateLimited:   {"there was no work left for packets that no stanza opens", "wait; who sends so much is named in the log; GPG_RATE and TRIAL_RATE set the limits"},
	policy.SPATimeout:       {"the client may not choose how long the port stays open", "leave out --fw-timeout, or PERMIT_CLIENT_TIMEOUT Y"},
	policy.SPACut:           {"the capture holds only the beginning of the packet", "capture whole packets: tcpdump -s 0"},
	policy.SPAStore:         {"the message could not be recorded, so it could be replayed", "make room on the disk of DIGEST_FILE, and see the log for the error"},
	policy.SPAWindow:        {"the message came outside of ACCESS_WINDOW", "ask within the window; fwknopd check says when that is, and by which time zone"},
	policy.SPAUses:          {"the stanza granted as often as ACCESS_USES allows", "wait for the next day if it counts by day, raise ACCESS_USES, or count anew: fwknopd grants uses --reset NAME"},
	policy.SPAFleet: {"the message is right, but the fleet could not be asked whether another gateway has honoured it",
		"fwknopd fleet status says what keeps the fleet from a quorum; the client sends again, also to another gateway; see FLEET_ON_PARTITION"},

	policy.KnockWrongPort:     {"the sequence went on at another port", "knock the ports of SHARED_SEQUENCE in their order; a retransmitted SYN does no harm"},
	policy.KnockTimeout:       {"the sequence took too long, or its records have no time", "knock faster, or raise KNOCK_INTERVAL"},
	policy.KnockTooFast:       {"two knocks came faster than MIN_TIME_DIFF allows", "knock slower, or lower MIN_TIME_DIFF"},
	policy.KnockTooSlow:       {"two knocks were farther apart than MAX_TIME_DIFF allows", "knock faster, or raise MAX_TIME_DIFF"},
	policy.KnockLimit:         {"the client was granted as often as KNOCK_LIMIT allows", "raise KNOCK_LIMIT, or restart the daemon to count anew"},
	policy.KnockDecryptFailed: {"the encrypted sequence is of another key", "client and server need the same KEY and PORT_OFFSET"},
	policy.KnockChecksum:      {"the encrypted sequence was damaged", "a knock was lost on the way: knock again"},
	policy.KnockUser:          {"the sequence names a user that the stanza does not want", "add the name to REQUIRE_USERNAME"},
	policy.KnockOS:            {"the client's system is not what REQUIRE_OS asks for", "log with --log-tcp-options; fwknopd --os shows what the client looks like"},
	policy.KnockSource:        {"the address in the sequence is not the one it came from, or is not let in", "see REQUIRE_SOURCE_ADDRESS, GRANT_PREFIX and BLACKLIST"},
	policy.KnockPort:          {"the encrypted sequence asks for a port that is not offered", "add it to OPEN_PORTS"},
	policy.KnockReplay:        {"the sequence was seen before", "an encrypted sequence opens once: the client makes a new one; a log line that Kafka delivers again, as after a crash, opens nothing"},
	policy.KnockStore:         {"the sequence could not be recorded, so it could be replayed", "make room on the disk of DIGEST_FILE, and see the log for the error"},
	policy.KnockWindow:        {"the sequence was complete outside of ACCESS_WINDOW", "knock within the window; fwknopd check says when that is, and by which time zone"},
	policy.KnockUses:          {"the stanza granted as often as ACCESS_USES allows", "wait for the next day if it counts by day, raise ACCESS_USES, or count anew: fwknopd grants uses --reset NAME"},
	policy.KnockFleet:         {"the sequence is right, but has no time, so that a fleet cannot see to it that it opens once", "use SPA, which has one"},
	policy.KnockForgedLine:    {"the line only reads as if the kernel had written it", "a program wrote it: read the journal (AUTH_MODE JOURNAL) or KMSG, which programs cannot forge"},

	policy.FleetHolder:  {"the gateway that announced the message has not claimed it, or not when it could", "if the clocks of the gateways agree, that gateway is broken or taken over: fwknopd fleet status, and see its log"},
	policy.FleetEnded:   {"what the message opened at another gateway has ended", "this gateway heard of it too late: fwknopd fleet status says whether it was cut off; the client sends again"},
	policy.FleetAddress: {"the message does not hold the address that it opens, or the stanza is for an interface, neither of which another gateway may choose", "the client names its own address with -a or -R, within SOURCE; GRANT_ADDRESS packet and both, and RESTRICT_INTF, do not go with FLEET_GROUP"},
	policy.FleetCommand: {"the message would run a command here, which one that came to another gateway does not", "send it to this gateway; stanzas with EXTERNAL_CMD_OPEN or ENABLE_CMD_EXEC are for what comes here"},

	policy.NoStanza: {"no stanza is for the packet", "see SOURCE and DESTINATION, and that client and server have the same keys: fwknopd explain shows the packet in each stanza"},
}

// MeaningOf returns the meaning of a reason; known is false for what is none.
func MeaningOf(r policy.Reason) (m Meaning, known bool) {
	m, known = meanings[r]
	return m, known
}

// Reasons returns all reason codes, sorted.
func Reasons() []policy.Reason {
	list := make([]policy.Reason, 0, len(meanings))
	for r := range meanings {
		list = append(list, r)
	}
	slices.Sort(list)
	return list
}

// ReasonHelp returns the paragraph of a reason for `fwknopd help`; "" for what is none.
func ReasonHelp(r policy.Reason) string {
	m, known := meanings[r]
	if !known {
		return ""
	}
	text := fmt.Sprintf("%s (reason of a decision)\n    %s\n", r, m.Text)
	if m.Remedy != "" {
		text += "    remedy:   " + m.Remedy + "\n"
	}
	return text
}

// appendRemedy appends a line with the remedy of a reason, if it has one.
func appendRemedy(b []byte, r policy.Reason) []byte {
	if m := meanings[r]; m.Remedy != "" {
		b = append(append(append(b, "remedy "...), m.Remedy...), '\n')
	}
	return b
}
